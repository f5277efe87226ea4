"""What a fitted forest's own version of scikit-learn answers, computed with numpy alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.engine import Prediction
from forest.fitted import FittedForest, FittedTree


class ReferenceEngine:
    """The letter of ``predict_proba`` and ``predict`` of a forest's version; implements ``Engine``.

    It shares no step with the compiled forest but the reading of the forest: thresholds are compared in float64, as
    ``Tree.apply`` compares them, and the trees' answers are added one after the other.

    Args:
        forest: the fitted forest.
        order: (n_features,) for each of the model's columns, where it stands in the matrices; None if they agree.
    """

    name = "reference"
    bounded = False
    dtype = np.float32

    def __init__(self, forest: FittedForest, order: NDArray[np.intp] | None = None) -> None:
        self.classes: NDArray[Any] = forest.classes
        self._order = order
        self._forest = forest

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """See ``Engine.predict``."""
        if self._order is not None:
            matrix = matrix[:, self._order]
        total = np.zeros((len(matrix), len(self.classes)))
        for tree in self._forest.trees:  # one at a time: of a large forest, all take as much memory as it does
            total += self._forest.distributions(tree)[_leaves(tree, matrix)]
        total /= len(self._forest.trees)
        return Prediction(self.classes.take(total.argmax(axis=1)), total)


def _leaves(tree: FittedTree, matrix: NDArray[np.float32]) -> NDArray[np.intp]:
    """(n,) which of a tree's leaves each row comes to, counted among the leaves."""
    left, right, splits, feature, threshold = tree.left, tree.right, tree.splits, tree.feature, tree.threshold
    node = np.zeros(len(matrix), dtype=np.int64)
    under_way = np.arange(len(matrix))
    while len(under_way := under_way[splits[node[under_way]]]):
        at = node[under_way]
        below = matrix[under_way, feature[at]].astype(np.float64) <= threshold[at]
        node[under_way] = np.where(below, left[at], right[at])
    found: NDArray[np.intp] = (np.cumsum(~splits) - 1)[node]
    return found
