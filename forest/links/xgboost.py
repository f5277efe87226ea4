"""XGBoost: float32, and libm's functions."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.links.link import ANY, Answers, LinkFunction, native_links

_MOST_POWER: Final = np.float32(88.7)
"""Above it XGBoost lets no exponent of its logistic function go."""

_NOT_ZERO: Final = np.float32(1e-16)
_HALF: Final = np.float32(0.5)


def _xgboost_logistic(sums: NDArray[Any]) -> NDArray[np.float32]:
    """(n,) XGBoost's logistic function in float32 (src/common/math.h, ``Sigmoid``)."""
    opposite = -sums[:, 0]
    powers = native_links().exp_float32(np.where(opposite > _MOST_POWER, _MOST_POWER, opposite))
    found: NDArray[np.float32] = np.float32(1) / (powers + np.float32(1) + _NOT_ZERO)
    return found


def _xgboost_hinge(sums: NDArray[Any]) -> NDArray[np.float32]:
    """(n,) 1 above the hyperplane, else 0 (src/objective/hinge.cu)."""
    return (sums[:, 0] > 0).astype(np.float32)


def _xgboost_exp(sums: NDArray[Any]) -> Answers:
    """A number whose logarithm is the sum (src/objective/regression_obj.cu)."""
    return Answers(native_links().exp_float32(np.ascontiguousarray(sums[:, 0])), None)


def _xgboost_binary(ones: NDArray[np.float32]) -> Answers:
    """A classifier that says how likely the second class is (python-package/xgboost/sklearn.py)."""
    both = np.stack([np.float32(1) - ones, ones], axis=1)
    return Answers((ones > _HALF).astype(np.intp), both.astype(np.float64))


def _xgboost_softmax(sums: NDArray[Any]) -> Answers:
    """The classes' shares of the exponentials, and the class with the largest (src/common/math.h, ``Softmax``)."""
    shares = native_links().softmax_float32(np.ascontiguousarray(sums))
    return Answers(shares.argmax(axis=1), shares.astype(np.float64))


def _xgboost_argmax(sums: NDArray[Any]) -> Answers:
    """The class with the largest sum, and its probabilities by numpy as scipy's ``softmax`` has them."""
    powers = np.exp(sums - sums.max(axis=1, keepdims=True))
    return Answers(sums.argmax(axis=1), (powers / powers.sum(axis=1, keepdims=True)).astype(np.float64))


XGBOOST: Final[dict[str, LinkFunction]] = {
    "xgboost_exp": LinkFunction(_xgboost_exp, lambda _: 1, classes=False),
    "xgboost_logistic": LinkFunction(lambda sums: Answers(_xgboost_logistic(sums), None), lambda _: 1, classes=False),
    "xgboost_logistic_classes": LinkFunction(
        lambda sums: _xgboost_binary(_xgboost_logistic(sums)), lambda _: 1, classes=True
    ),
    "xgboost_hinge": LinkFunction(lambda sums: Answers(_xgboost_hinge(sums), None), lambda _: 1, classes=False),
    "xgboost_hinge_classes": LinkFunction(
        lambda sums: _xgboost_binary(_xgboost_hinge(sums)), lambda _: 1, classes=True
    ),
    "xgboost_softmax": LinkFunction(_xgboost_softmax, lambda classes: classes, classes=True),
    "xgboost_argmax": LinkFunction(
        lambda sums: Answers(sums.argmax(axis=1).astype(np.float32), None), lambda _: ANY, classes=False
    ),
    "xgboost_argmax_classes": LinkFunction(_xgboost_argmax, lambda classes: classes, classes=True),
}
