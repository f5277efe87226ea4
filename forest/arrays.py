"""The arrays of a compiled forest.

A line is 16 words of 32 bits: one cache line. Its first word is its header, the second is not used, and the other
fourteen are seven pairs of siblings, numbered 1..7. A word is a node:

====== ============================================ =========================
bits   a split                                      a leaf
====== ============================================ =========================
0      0                                            1
1..3   the pair of its children in their line       0
4..7   0 if that is the node's own line, else which 0
       of the 15 lines the header leads to, from 1
8..    the feature (``feature_bits`` of them), then the leaf's row in ``leaves``
       the rank of the threshold
====== ============================================ =========================

The header is the number of the first word of the lines that it leads to, less 16. A walk goes to the right child if
the value's rank, the number of thresholds of that feature below it, exceeds the threshold's own: if the value is above
the threshold. A tree's root stands in the first pair of its first line, alone. Children stand in a later line than
their parent, or further on in the same one, so that each walk ends.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LINE: Final = 16
"""Words in a line."""

PAYLOAD: Final = 8
"""The bit of a word where a split's feature, or a leaf's number, begins."""

LEAF: Final = 1
"""The word bit that marks a leaf."""


@dataclass(frozen=True, slots=True, eq=False)
class ForestArrays:
    """A compiled forest.

    Attributes:
        words: (lines, 16) uint32, the nodes of all trees, tree after tree.
        trees: (n_trees,) uint32, the first line of each tree.
        thresholds: (n_thresholds,) float32, the distinct ones of each feature in ascending order, feature by feature.
        offsets: (n_features + 1,) uint32, where the thresholds of each feature begin; the last is their number.
        leaves: (n_leaves, n_classes) float64, the distinct class distributions, the most frequent first.
        feature_bits: how many bits of a word name the feature.
        classes: (n_classes,) the class labels.
        columns: names of the n_features columns that a matrix must have; None if nobody named them.
        nodes: how many the forest has, as scikit-learn counts them.
        depth: of the deepest tree.
    """

    words: NDArray[np.uint32]
    trees: NDArray[np.uint32]
    thresholds: NDArray[np.float32]
    offsets: NDArray[np.uint32]
    leaves: NDArray[np.float64]
    feature_bits: int
    classes: NDArray[Any]
    columns: tuple[str, ...] | None
    nodes: int
    depth: int
