"""The arrays of a compiled ensemble.

A line is 16 words of 32 bits: one cache line. Its first word is its header, the second is not used, and the other
fourteen are seven pairs of siblings, numbered 1..7. A word is a node:

====== ============================================ =========================
bits   a split                                      a leaf
====== ============================================ =========================
0      0                                            1
1..3   the pair of its children in their line       0
4..7   0 if that is the node's own line, else which 0
       of the 15 lines the header leads to, from 1
8..    the key (``key_bits`` of them), then the     the leaf's row in ``leaves``
       rank of the threshold, or where the set is
====== ============================================ =========================

A key is a feature that is compared in one way: splits that send its missing values elsewhere, or that take its values
for categories, have another key. Keys of categories come after all others.

The header is the number of the first word of the lines that it leads to, less 16. A walk goes to the right child if
the value's rank, the number of thresholds of that key below it, exceeds the threshold's own: if the value is above the
threshold. A category's rank is its code, and it goes to the right child if the set, which begins at a word of ``sets``,
has the bit of that number: the codes' bits come first, then one for any other value, then one for a missing one, and
the lowest bit of a word is its first. Where the key of a category has thresholds, they are the numbers that stand for
its codes; any other number is none of them, and refused if a missing value is.

A tree's root stands in the first pair of its first line, alone. Children stand in a later line than their parent, or
further on in the same one, so that each walk ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.links import Link

LINE: Final = 16
"""Words in a line."""

PAYLOAD: Final = 8
"""The bit of a word where a split's key, or a leaf's number, begins."""

LEAF: Final = 1
"""The word bit that marks a leaf."""


@dataclass(frozen=True, slots=True, eq=False)
class ForestArrays:
    """A compiled ensemble.

    Attributes:
        words: (lines, 16) uint32, the nodes of all trees, tree after tree.
        trees: (n_trees,) uint32, the first line of each tree.
        outputs: (n_trees,) uint32, the first output that each tree's leaves are added to.
        thresholds: (n_thresholds,) float32 or float64, the distinct ones of each key in ascending order, key by key. A
            matrix is of the same type.
        offsets: (n_keys + 1,) uint32, where the thresholds of each key begin; the last is their number.
        features: (n_keys,) uint32, the column that each key looks at.
        missing: (n_keys,) uint8, what becomes of its missing values, see ``forest.ensemble.Missing``.
        codes: (n_keys,) uint32, how many codes it has as a category; 0 for a number.
        sets: (n,) uint32, the sets of categories.
        leaves: (n_leaves, leaf width) float32 or float64, the distinct leaves, the most frequent first.
        base: (n_outputs,) of the leaves' type, what the sums begin with.
        divisor: what the sums are divided by.
        zero: numbers whose magnitude is not above this count as 0.
        least_code: the least number that is a category.
        link: what makes answers of the sums.
        key_bits: how many bits of a word name the key.
        width: how many columns a matrix has.
        classes: (n_classes,) the class labels; None if the answer is a number.
        columns: names of the columns that a matrix must have; None if nobody named them.
        limits: column of a matrix → the least and the greatest number that it takes.
        nodes: how many the ensemble has, as its library counts them.
        depth: of the deepest tree.
    """

    words: NDArray[np.uint32]
    trees: NDArray[np.uint32]
    outputs: NDArray[np.uint32]
    thresholds: NDArray[Any]
    offsets: NDArray[np.uint32]
    features: NDArray[np.uint32]
    missing: NDArray[np.uint8]
    codes: NDArray[np.uint32]
    sets: NDArray[np.uint32]
    leaves: NDArray[Any]
    base: NDArray[Any]
    divisor: float
    zero: float
    least_code: float
    link: Link
    key_bits: int
    width: int
    classes: NDArray[Any] | None
    columns: tuple[str, ...] | None
    nodes: int
    depth: int
    limits: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def dtype(self) -> type[np.floating]:
        """Of the matrices that it takes."""
        return np.float64 if self.thresholds.dtype == np.float64 else np.float32
