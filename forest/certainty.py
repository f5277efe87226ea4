"""When the class of a row is certain, though trees are left: for who asks a forest for nothing but labels."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.arrays import ForestArrays
from forest.links import Link

_AVERAGE: Final = Link("shares")
"""The link of the models that this is for: the label is the class with the greatest mean of leaves, the first of equal
ones. Nothing else is decided by a lead in the sums."""


class Certainty(NamedTuple):
    """By how much a class must lead for its row's label to be certain.

    Attributes:
        enough: (n_trees,) float64; after so many trees, by how much the greatest sum must exceed all others: then its
            class has the greatest mean of all trees, whatever those left come to, and alone.
        first: the least number of trees after which a lead can be enough, one at least.
    """

    enough: NDArray[np.float64]
    first: int


def certainty_of(arrays: ForestArrays) -> Certainty | None:
    """Tell what lead is enough in a forest; None if its labels are not decided by one, or all trees must be asked.

    A tree adds one leaf to the sums. So it changes by how much one of them exceeds another by the spread of a leaf at
    most: its greatest number less its least. With t of n trees walked, the lead must exceed n - t times the greatest
    spread of all leaves. That holds for any file, for it does not ask which leaves a tree leads to.

    And it must exceed that by more than rounding can take away. Let u = 2**-53, and T the most that the magnitudes of
    all numbers in a sum add up to. A sum of n additions is off by n u T (1 + n u) at most (N. J. Higham, Accuracy and
    Stability of Numerical Algorithms, section 4.2); two of them, by less than 2.02 n u T. Dividing both by the number
    of trees makes 2 u T, in units of the sums; the lead and the numbers computed here, 8 u T. All of that is
    (2.02 n + 10) u T; the margin is 8 (n + 2) u T. A quotient too small for all of its bits is off by half of the least
    positive float64, or less, for which the margin has the least normal one.

    So the means stand in the order of the sums and are not equal: no tie is decided by this. Rows whose greatest sums
    are equal, or nearly, come to the last tree, and their sums are those that ``predict`` has.

    Args:
        arrays: the compiled ensemble.
    """
    leaves, base, trees = arrays.leaves, arrays.base, len(arrays.trees)
    if arrays.link != _AVERAGE or leaves.dtype != np.float64 or leaves.shape[1] != len(base) or not arrays.divisor >= 1:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        greatest = _greatest(base) + trees * _greatest(leaves)
        margin = 4 * (trees + 2) * np.finfo(np.float64).eps * greatest + arrays.divisor * np.finfo(np.float64).tiny
        spread = float((leaves.max(axis=1) - leaves.min(axis=1)).max())
        most = float(base.max() - base.min()) + np.arange(trees) * spread
        enough = np.arange(trees, 0, -1) * spread + margin
    if not np.isfinite(4 * greatest):  # nor what is added up on the way; a NaN is not finite either
        return None
    possible = np.flatnonzero(most > enough)
    return Certainty(enough, max(int(possible[0]), 1)) if len(possible) else None


def _greatest(numbers: NDArray[Any]) -> float:
    """The greatest magnitude of some numbers."""
    return float(np.abs(numbers).max())
