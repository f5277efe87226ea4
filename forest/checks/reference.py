"""What an ensemble answers by the letter of ``forest.ensemble``, computed with numpy alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.engine import Prediction, check_limits
from forest.ensemble import NUMERIC, Ensemble, Missing, Tree
from forest.links import link_function


class ReferenceEngine:
    """The rule of an ensemble; implements ``Engine``.

    It shares no step with the compiled ensemble but the reading of it, and the link: thresholds are compared as
    they are, in float64, and the trees' answers are added one after the other.

    Args:
        ensemble: the fitted ensemble.
        order: (n_features,) for each of the model's columns, where it stands in the matrices; None if they agree.
    """

    name = "reference"
    bounded = False

    def __init__(self, ensemble: Ensemble, order: NDArray[np.intp] | None = None) -> None:
        self.classes: NDArray[Any] | None = ensemble.classes
        self.dtype: type[np.floating] = ensemble.dtype
        self._order = order
        self._ensemble = ensemble
        self._link = link_function(
            ensemble.link, 0 if ensemble.classes is None else len(ensemble.classes), len(ensemble.base)
        )

    def predict(self, matrix: NDArray[Any]) -> Prediction:
        """See ``Engine.predict``."""
        if self._order is not None:
            matrix = matrix[:, self._order]
        answers = self._link(self.sums(matrix))
        values = answers.values if self.classes is None else self.classes.take(answers.values)
        return Prediction(values, answers.probabilities)

    def sums(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """(n, n_outputs) what the link is given, for rows in the model's order of columns."""
        ensemble = self._ensemble
        values = matrix.astype(ensemble.dtype).astype(np.float64)
        values[np.abs(values) <= ensemble.zero] = 0
        values = ensemble.encode(values)
        for column in ensemble.needed if ensemble.takes_missing else range(ensemble.width):
            if np.isnan(values[:, column]).any() or (column in ensemble.codes and (values[:, column] < 0).any()):
                raise ValueError("a value is missing, or no category, where the model takes none")
        check_limits(values, ensemble.limits)
        sums = np.tile(ensemble.base, (len(matrix), 1))
        for tree in ensemble.trees:  # one at a time: of a large forest, all take as much memory as it does
            into = sums[:, tree.output : tree.output + tree.leaves.shape[1]]
            into += tree.leaves[_leaves(tree, values, ensemble.least_code)]
        if ensemble.divisor != 1:
            sums /= ensemble.divisor
        return sums


def _leaves(tree: Tree, values: NDArray[np.float64], least_code: float) -> NDArray[np.intp]:
    """(n,) which of a tree's leaves each row comes to, counted among the leaves."""
    splits = tree.splits
    node = np.zeros(len(values), dtype=np.int64)
    under_way = np.arange(len(values))
    while len(under_way := under_way[splits[node[under_way]]]):
        at = node[under_way]
        left = _goes_left(tree, at, values[under_way, tree.feature[at]], least_code)
        node[under_way] = np.where(left, tree.left[at], tree.right[at])
    found: NDArray[np.intp] = (np.cumsum(~splits) - 1)[node]
    return found


def _goes_left(tree: Tree, at: NDArray[np.int64], values: NDArray[np.float64], least_code: float) -> NDArray[np.bool_]:
    """(n,) where each value goes at each split."""
    missing = tree.missing[at]
    counts_as_zero = missing == Missing.ZERO
    values = np.where(counts_as_zero & np.isnan(values), 0.0, values)
    zero_is_missing = (missing == Missing.ZERO_LEFT) | (missing == Missing.ZERO_RIGHT)
    is_missing = np.isnan(values) | (zero_is_missing & (values == 0))
    left = values <= tree.threshold[at]
    if tree.category is not None:
        for row in np.flatnonzero(tree.category[at] != NUMERIC):
            categories = tree.sets[tree.category[at[row]]]
            known = least_code <= values[row] < len(categories.left)
            left[row] = categories.left[int(values[row])] if known else categories.unknown_left
    if (is_missing & (missing == Missing.REFUSED)).any():
        raise ValueError("a value is missing where the model takes none")
    missing_left = (missing == Missing.LEFT) | (missing == Missing.ZERO_LEFT)
    found: NDArray[np.bool_] = np.where(is_missing, missing_left, left)
    return found
