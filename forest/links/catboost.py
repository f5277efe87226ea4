"""CatBoost: float64, libm's functions, and an exponential of its own.

Sources are CatBoost's: ``ApplyScaleAndBias`` of catboost/libs/model/scale_and_bias.cpp, ``PrepareEval`` of
catboost/libs/eval_result/eval_helpers.cpp, and catboost/libs/model/eval_processing.h.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from forest.links.link import Answers, LinkFunction, native_links
from forest.links.scikit_learn import expit


def _scaled(sums: NDArray[np.float64], scale: float, bias: float) -> NDArray[np.float64]:
    """(n,) the one sum times the scale, and the bias added; what would change nothing is left out, for -0.0."""
    values = np.ascontiguousarray(sums[:, 0])
    if scale != 1:
        values = values * scale
    return values + bias if bias else values


def _exponential(sums: NDArray[np.float64], scale: float, bias: float) -> Answers:
    """A number whose logarithm is the sum, by ``CalcExponent``.

    Beyond 708 on either side of 0, its last digits depend on the place among the rows, there as here.
    """
    return Answers(native_links().catboost_exponential(_scaled(sums, scale, bias)), None)


def _pair(sums: NDArray[np.float64], scale: float, bias: float, threshold: float) -> Answers:
    """Two classes: the second above the threshold, and what libm's sigmoid leaves is the first one's."""
    values = _scaled(sums, scale, bias)
    second = expit(values)
    return Answers((values > threshold).astype(np.intp), np.stack([1 - second, second], axis=1))


def _softmax(sums: NDArray[np.float64]) -> Answers:
    """The first class of those with the largest sum, and ``CalcSoftmax``."""
    return Answers(sums.argmax(axis=1), native_links().catboost_softmax(np.ascontiguousarray(sums)))


def _sigmoid_each(sums: NDArray[np.float64]) -> Answers:
    """The first class of those with the largest sum, and of each class a probability by itself."""
    return Answers(sums.argmax(axis=1), expit(np.ascontiguousarray(sums).ravel()).reshape(sums.shape))


def _one(_classes: int) -> int:
    return 1


def _each(classes: int) -> int:
    return classes if classes > 1 else 0


CATBOOST: Final[dict[str, LinkFunction]] = {
    "catboost_value": LinkFunction(
        lambda sums, scale, bias: Answers(_scaled(sums, scale, bias), None), _one, classes=False, args=2
    ),
    "catboost_exponential": LinkFunction(_exponential, _one, classes=False, args=2),
    "catboost_pair": LinkFunction(_pair, lambda classes: int(classes == 2), classes=True, args=3),
    "catboost_softmax": LinkFunction(_softmax, _each, classes=True),
    "catboost_sigmoid_each": LinkFunction(_sigmoid_each, _each, classes=True),
}
