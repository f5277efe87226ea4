"""The splits of a tree model, asked where they send values."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import NUMERIC, UNKNOWN, Categories, Ensemble, Missing, Tree
from forest.libraries.pipelines.columns import REFUSED, Held

_ZERO_IS_MISSING: Final = (Missing.ZERO_LEFT, Missing.ZERO_RIGHT)

Identity = tuple[float, int, int]
"""Threshold, way of missing values, and the tree's set of categories."""


class Rule:
    """Some splits of one tree on one of the model's columns."""

    def __init__(self, model: Ensemble, feature: int, tree: Tree, at: NDArray[np.int64]) -> None:
        self._model, self.feature, self._tree, self._at = model, feature, tree, at
        self._threshold, self._missing = tree.threshold[at], tree.missing[at]
        self._category = np.full(len(at), NUMERIC) if tree.category is None else tree.category[at]
        if np.isin(self._missing, _ZERO_IS_MISSING).any():
            raise UnsupportedModel("the model takes 0 for a missing value")

    @property
    def has_categories(self) -> bool:
        """Whether they are by category, all of them.

        Raises:
            UnsupportedModel: some are.
        """
        by_category = self._category != NUMERIC
        if by_category.any() != by_category.all():
            raise UnsupportedModel("the model takes a column for numbers and for categories")
        return bool(by_category.any())

    def identities(self) -> list[Identity]:
        """What tells each from others on the same column that send other values left."""
        return list(zip(self._threshold.tolist(), self._missing.tolist(), self._category.tolist(), strict=True))

    def single(self, place: int) -> "Rule":
        """One of them by itself."""
        return Rule(self._model, self.feature, self._tree, self._at[place : place + 1])

    def categories(self) -> list[Categories]:
        """What each sends left, of splits by category."""
        return [self._tree.sets[int(place)] for place in self._category]

    def sends_left(self, held: Held) -> NDArray[np.bool_]:
        """(n,) which of them send a value left that the model is given; none, if it is never given."""
        if held is REFUSED or isinstance(held, str):
            return np.zeros(len(self._at), dtype=bool)
        return self._answers(np.full(len(self._at), held), np.arange(len(self._at)))

    def send_left(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n_values,) which values the first of them sends left."""
        return self._answers(values, np.zeros(len(values), dtype=np.int64))

    def _answers(self, values: NDArray[np.float64], which: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n_values,) whether each value is sent left by one of them."""
        model = self._model
        missing, category = self._missing[which], self._category[which]
        values = rounded(values, model)
        if self.feature in model.codes:
            values = _places(model.codes[self.feature], values)
        values = np.where(np.isnan(values) & (missing == Missing.ZERO), 0.0, values)
        left = values <= self._threshold[which]
        for place in np.flatnonzero(category != NUMERIC):
            categories = self._tree.sets[int(category[place])]
            known = model.least_code <= values[place] < len(categories.left)
            left[place] = categories.left[int(values[place])] if known else categories.unknown_left
        found: NDArray[np.bool_] = np.where(np.isnan(values), missing == Missing.LEFT, left)
        return found


def rounded(values: NDArray[np.float64], model: Ensemble) -> NDArray[np.float64]:
    """(n,) numbers as a model compares them."""
    with np.errstate(over="ignore", under="ignore"):
        values = values.astype(model.dtype).astype(np.float64)
    return np.where(np.abs(values) <= model.zero, 0.0, values)


def _places(codes: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) for each number its place among the codes."""
    places = np.searchsorted(codes, values).clip(max=max(len(codes) - 1, 0))
    known = codes[places] == values if len(codes) else np.zeros(len(values), dtype=bool)
    return np.where(known, places, np.where(np.isnan(values), np.nan, UNKNOWN))


def groups(features: NDArray[np.int64], at: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each feature, and the nodes that look at it."""
    order = np.argsort(features, kind="stable")
    features, at = features[order], at[order]
    starts = np.flatnonzero(np.diff(features, prepend=-1))
    for start, own in zip(starts.tolist(), np.split(at, starts[1:]), strict=len(starts) > 0):
        yield int(features[start]), own
