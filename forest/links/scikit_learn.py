"""scikit-learn's boosted trees and isolation forests."""

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from forest.links.link import Answers, LinkFunction, native_links


def _exponential(sums: NDArray[np.float64]) -> Answers:
    """A regressor of logarithms: numpy's ``exp`` of the sum, which is not libm's on every processor."""
    with np.errstate(over="ignore", under="ignore"):
        return Answers(np.exp(np.ascontiguousarray(sums[:, 0])), None)


_Rule = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.intp]]
"""(n, n_outputs) sums and (n, n_classes) probabilities → (n,) the places of the labels."""

_RULES: Final[dict[str, _Rule]] = {
    "not_below_zero": lambda sums, _: (sums[:, 0] >= 0).astype(np.intp),
    "above_zero": lambda sums, _: (sums[:, 0] > 0).astype(np.intp),
    "largest_sum": lambda sums, _: sums.argmax(axis=1),
    # Two sums that differ may give equal probabilities, of which the first counts.
    "most_probable": lambda _, probabilities: probabilities.argmax(axis=1),
}
"""How scikit-learn tells a label, where it is not by the probabilities alone."""


def _expit(rule: str) -> Callable[[NDArray[np.float64], float], Answers]:
    """A classifier of two classes: ``scipy.special.expit`` of the sum times a factor is the second's probability.

    scikit-learn's ``HalfBinomialLoss`` and ``ExponentialLoss`` (sklearn/_loss/loss.py).
    """

    def apply(sums: NDArray[np.float64], factor: float) -> Answers:
        probabilities = np.empty((len(sums), 2))
        probabilities[:, 1] = expit(factor * sums[:, 0])
        np.subtract(1, probabilities[:, 1], out=probabilities[:, 0])
        return Answers(_RULES[rule](sums, probabilities), probabilities)

    return apply


def _softmax(order: Literal["C", "F"], rule: str) -> Callable[[NDArray[np.float64]], Answers]:
    """A classifier of many classes: the operations of ``sklearn.utils.extmath.softmax``.

    numpy sums eight numbers or more in another order if they stand row by row than if they stand column by column, and
    a single row is both: so the last bit of a row's answer may depend on whether it is asked alone, as the library's.

    Args:
        order: how the library has the sums in memory.
        rule: how it tells the label.
    """

    def apply(sums: NDArray[np.float64]) -> Answers:
        shares = _softmax_in(np.array(sums, order=order))
        return Answers(_RULES[rule](sums, shares), shares)

    return apply


def softmax_of_rows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, n_classes) ``sklearn.utils.extmath.softmax`` of numbers that stand row by row."""
    return _softmax_in(np.array(values, order="C"))


def _softmax_in(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same in place."""
    with np.errstate(over="ignore", under="ignore"):
        shares -= np.max(shares, axis=1).reshape(-1, 1)
        np.exp(shares, out=shares)
    shares /= np.sum(shares, axis=1).reshape(-1, 1)
    return shares


def _isolation(sums: NDArray[np.float64], denominator: float, offset: float) -> Answers:
    """An isolation forest: whether the score of the depths is not below the offset (sklearn/ensemble/_iforest.py)."""
    depths = np.ascontiguousarray(sums[:, 0])
    shares = np.ones_like(depths) if denominator == 0 else depths / denominator
    return Answers((-(2**-shares) - offset >= 0).astype(np.intp), None)


def expit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) 1 / (1 + exp(-x)) with libm's ``exp``, as ``scipy.special.expit`` has it, bit for bit."""
    found: NDArray[np.float64] = native_links().expit(np.ascontiguousarray(values))
    return found


def _two(classes: int) -> int:
    """One sum tells two classes; no sum fits any other number of them."""
    return int(classes == 2)


def _many(classes: int) -> int:
    """A sum for each class, of which there are more than two."""
    return classes if classes > 2 else 0


SCIKIT_LEARN: Final[dict[str, LinkFunction]] = {
    "exponential": LinkFunction(_exponential, lambda _: 1, classes=False),
    "expit_not_below_zero": LinkFunction(_expit("not_below_zero"), _two, classes=True, args=1, decides=True),
    "expit_above_zero": LinkFunction(_expit("above_zero"), _two, classes=True, args=1, decides=True),
    "expit_most_probable": LinkFunction(_expit("most_probable"), _two, classes=True, args=1, decides=True),
    "softmax_by_row": LinkFunction(_softmax("C", "largest_sum"), _many, classes=True, decides=True),
    "softmax_by_column": LinkFunction(_softmax("F", "largest_sum"), _many, classes=True, decides=True),
    "softmax_by_column_most_probable": LinkFunction(_softmax("F", "most_probable"), _many, classes=True, decides=True),
    "isolation": LinkFunction(_isolation, _two, classes=True, args=2),
}
