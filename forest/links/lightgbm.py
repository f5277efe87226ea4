"""LightGBM: float64, and libm's functions."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.links.link import Answers, LinkFunction, native_links


def _number(function: str) -> Callable[[NDArray[Any]], Answers]:
    """A number, which one of the links in C makes of the one sum."""
    return lambda sums: Answers(getattr(native_links(), function)(np.ascontiguousarray(sums[:, 0])), None)


def _classes(probabilities: NDArray[np.float64]) -> Answers:
    """The first class of those with the greatest probability."""
    return Answers(probabilities.argmax(axis=1), probabilities)


def _lightgbm_sigmoid(sums: NDArray[np.float64], slope: float) -> NDArray[np.float64]:
    found: NDArray[np.float64] = native_links().lightgbm_sigmoid(np.ascontiguousarray(sums), slope)
    return found


def _lightgbm_pair(sums: NDArray[np.float64], slope: float) -> Answers:
    """``LGBMClassifier.predict_proba`` of python-package/lightgbm/sklearn.py: what is left is the other class's."""
    second = _lightgbm_sigmoid(sums, slope)[:, 0]
    return _classes(np.stack((1.0 - second, second), axis=1))


def _lightgbm_signed_square(sums: NDArray[np.float64]) -> Answers:
    """``RegressionL2loss::ConvertOutput`` of src/objective/regression_objective.hpp, where ``reg_sqrt`` is set."""
    (values,) = sums.T
    sign = (values > 0).astype(np.float64) - (values < 0)
    return Answers(sign * values * values, None)


LIGHTGBM: Final[dict[str, LinkFunction]] = {
    # LightGBM's are the ``ConvertOutput`` of each file in src/objective/ of its source.
    "lightgbm_signed_square": LinkFunction(_lightgbm_signed_square, lambda _: 1, classes=False),
    "lightgbm_exponential": LinkFunction(_number("lightgbm_exponential"), lambda _: 1, classes=False),
    "lightgbm_softplus": LinkFunction(_number("lightgbm_softplus"), lambda _: 1, classes=False),
    "lightgbm_sigmoid": LinkFunction(
        lambda sums, slope: Answers(_lightgbm_sigmoid(sums, slope)[:, 0], None), lambda _: 1, classes=False, args=1
    ),
    "lightgbm_sigmoid_pair": LinkFunction(_lightgbm_pair, lambda classes: int(classes == 2), classes=True, args=1),
    "lightgbm_sigmoid_each": LinkFunction(
        lambda sums, slope: _classes(_lightgbm_sigmoid(sums, slope)), lambda classes: classes, classes=True, args=1
    ),
    "lightgbm_softmax": LinkFunction(
        lambda sums: _classes(native_links().lightgbm_softmax(np.ascontiguousarray(sums))),
        lambda classes: classes,
        classes=True,
    ),
}
