"""A compiled ensemble held against its library, on rows that are chosen to find a difference."""

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from forest.artifact import Parity
from forest.compile import Progress
from forest.engine import Engine
from forest.ensemble import NUMERIC, Ensemble, Missing, Tree
from forest.keys import round_down
from forest.libraries.scikit_learn.estimator import ensemble_of

_CHUNK: Final = 1000
_ROWS_A_SPLIT: Final = 3
_MISSING_ONE_IN: Final = 8
"""Of the values that may be missing, one in so many is."""


def compare(
    engine: Engine,
    reference: Engine,
    rows: NDArray[Any],
    progress: Progress = lambda _done, _total: None,
    against: Literal["library", "rule"] = "library",
) -> Parity:
    """Count the rows for which an engine gives another answer, or other bits of a probability, than the library.

    Args:
        engine: the engine to be checked.
        reference: the library, or ``ReferenceEngine``, on the same model, with the same column order.
        rows: (n, n_features) of the engine's dtype.
        progress: told of the rows done.
        against: what the reference is.

    Raises:
        ValueError: the engines have different numbers of classes or columns, or one of them has no probabilities.
    """
    different = 0
    for start in range(0, len(rows), _CHUNK):
        progress(start, len(rows))
        chunk = np.ascontiguousarray(rows[start : start + _CHUNK])
        expected, found = reference.predict(chunk), engine.predict(chunk)
        differs = ~_alike(expected.labels, found.labels)
        if (expected.probabilities is None) != (found.probabilities is None):
            raise ValueError("one of the engines has no probabilities")
        if expected.probabilities is not None and found.probabilities is not None:
            if expected.probabilities.shape != found.probabilities.shape:
                raise ValueError(
                    f"{found.probabilities.shape[1]} classes cannot be compared with {expected.probabilities.shape[1]}"
                )
            differs |= ~_alike(expected.probabilities, found.probabilities).all(axis=1)
        different += int(differs.sum())
    progress(len(rows), len(rows))
    return Parity(rows=len(rows), different=different, against=against)


def _alike(expected: NDArray[Any], found: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two arrays are equal: numbers bit by bit, which tells 0.0 from -0.0, and of one type."""
    if expected.dtype.kind != "f":
        return np.asarray(expected == found)
    if expected.dtype != found.dtype:
        return np.zeros(expected.shape, dtype=bool)
    bits = np.dtype(f"u{expected.dtype.itemsize}")
    alike: NDArray[np.bool_] = np.ascontiguousarray(expected).view(bits) == np.ascontiguousarray(found).view(bits)
    return alike


def threshold_rows(
    model: Any,  # noqa: ANN401 - sklearn is untyped
    count: int,
    *,
    order: NDArray[np.intp] | None = None,
    seed: int = 0,
) -> NDArray[Any]:
    """Draw rows that stand on the thresholds of an ensemble, and one number of its dtype below and above.

    Each row is led to a split drawn at random: on the way there its values are those where each earlier decision just
    falls that way. The split's own feature is then put on the threshold, just below or just above it. Features that
    the way does not test get thresholds of other splits, codes of categories, known and unknown, or are missing, if
    they may be.

    Args:
        model: the ensemble, or what ``ensemble_of`` makes one of.
        count: rows to draw; fewer if no tree has a split.
        order: (n_features,) for each of the model's columns, where it stands in the rows; None if they agree.
        seed: of the draw.

    Returns:
        (n, n_features) of the ensemble's dtype, n at least ``count`` unless there is no split.
    """
    draw = np.random.default_rng(seed)
    ensemble = ensemble_of(model)
    width, dtype = ensemble.width, ensemble.dtype
    trees = [tree for tree in ensemble.trees if len(tree.left) > 1]
    if not trees:
        return np.zeros((min(count, 1), width), dtype=dtype)
    paths = [_Paths(tree, dtype) for tree in trees]
    rows: list[NDArray[Any]] = []
    for row in _free_rows(_pools(trees, ensemble), -(-count // _ROWS_A_SPLIT), draw):
        paths[draw.integers(len(paths))].lead(row, draw, rows)
    greatest = np.finfo(dtype).max
    found = np.clip(np.array(rows, dtype=dtype).reshape(-1, width), -greatest, greatest)
    if order is None:
        return found
    out = np.empty_like(found)
    out[:, order] = found
    return out


def _pools(trees: list[Tree], ensemble: Ensemble) -> list[NDArray[Any]]:
    """The values to draw from, column by column; a missing one counts."""
    # A number that is refused where it is no category, is one.
    always = {column: ensemble.codes[column] for column in ensemble.codes.keys() & _needed(ensemble)}
    found: list[list[NDArray[Any]]] = [
        [always.get(column, np.zeros(1)).astype(ensemble.dtype)] for column in range(ensemble.width)
    ]
    for tree in trees:
        numbers = tree.splits if tree.category is None else tree.splits & (tree.category == NUMERIC)
        numbers = numbers & np.isfinite(tree.threshold)  # an infinite one tells missing values from all others
        features, thresholds = tree.feature[numbers], round_down(tree.threshold[numbers], ensemble.dtype)
        for feature in np.unique(features):
            here = thresholds[features == feature]
            found[feature] += [_near(here, step) for step in (-1, 0, 1)]
        if tree.category is not None:
            for at in np.flatnonzero(tree.splits & (tree.category != NUMERIC)):
                column, known = int(tree.feature[at]), len(tree.sets[tree.category[at]].left)
                found[column].append(_codes(ensemble, column, known).astype(ensemble.dtype))
    pools = [np.concatenate(values) for values in found]
    if not ensemble.takes_missing:
        return pools
    refusing = {int(each) for tree in trees for each in np.unique(tree.feature[_refuses(tree)])} | {*ensemble.needed}
    return [
        pool if feature in refusing else np.append(pool, np.full(-(-len(pool) // _MISSING_ONE_IN), np.nan, pool.dtype))
        for feature, pool in enumerate(pools)
    ]


def _needed(ensemble: Ensemble) -> set[int]:
    """The columns that take no missing value, nor a number that is no category."""
    return {*ensemble.needed} if ensemble.takes_missing else {*range(ensemble.width)}


def _codes(ensemble: Ensemble, column: int, known: int) -> NDArray[Any]:
    """The categories of a column as they are asked, and some that are none.

    Args:
        ensemble: the ensemble.
        column: one that is split by category.
        known: how many codes a split knows.
    """
    if column in ensemble.codes:
        numbers = ensemble.codes[column]
        if column in _needed(ensemble):
            return numbers
        return np.concatenate([numbers, np.nextafter(numbers, np.inf)])
    # Categories that have names are asked by them, so that there are no others.
    names = ensemble.categorical.get(column, ())
    return np.arange(len(names)) if names else np.arange(-1, known + 2)


def _refuses(tree: Tree) -> NDArray[np.bool_]:
    """(n,) the splits that take no missing value."""
    refuses: NDArray[np.bool_] = tree.splits & (tree.missing == Missing.REFUSED)
    return refuses


def _free_rows(pools: list[NDArray[Any]], count: int, draw: np.random.Generator) -> NDArray[Any]:
    """(count, n_features): each value is one of its feature's pool."""
    out = np.empty((count, len(pools)), dtype=pools[0].dtype)
    for column, pool in enumerate(pools):
        out[:, column] = draw.choice(pool, size=count)
    return out


class _Paths:
    """The ways to the splits of one tree."""

    def __init__(self, tree: Tree, dtype: type[np.floating]) -> None:
        self._splits = np.flatnonzero(tree.splits)
        self._feature = tree.feature
        self._threshold = round_down(tree.threshold, dtype)
        self._number = np.isfinite(tree.threshold)
        if tree.category is not None:
            self._number = self._number & (tree.category == NUMERIC)
        self._left = tree.left
        self._parent = np.full(len(tree.left), -1)
        self._parent[self._left[self._splits]] = self._splits
        self._parent[tree.right[self._splits]] = self._splits

    def lead(self, row: NDArray[Any], draw: np.random.Generator, rows: list[NDArray[Any]]) -> None:
        """Append three rows that are led to a split; they have the values of ``row`` where the way leaves them free."""
        node = target = int(draw.choice(self._splits))
        lowest: dict[int, Any] = {}
        highest: dict[int, Any] = {}
        while (parent := int(self._parent[node])) >= 0:
            feature, threshold = int(self._feature[parent]), self._threshold[parent]
            # Going up, the first bound met is the tightest. A category's value is left as it was drawn, and so is one
            # that is only to be missing or not.
            if self._number[parent]:
                if self._left[parent] == node:
                    highest.setdefault(feature, threshold)
                else:
                    lowest.setdefault(feature, _near(threshold, 1))
            node = parent
        for feature in lowest.keys() | highest.keys():
            bounds = [bound[feature] for bound in (lowest, highest) if feature in bound]
            row[feature] = draw.choice(bounds)
        for step in (-1, 0, 1):
            led = row.copy()
            if self._number[target]:
                led[self._feature[target]] = _near(self._threshold[target], step)
            rows.append(led)


def _near(value: Any, step: int) -> Any:  # noqa: ANN401 - of either type, one or many
    """The number of its type next below (-1) or above (1) each value, or the value itself (0)."""
    if step == 0:
        return value
    with np.errstate(over="ignore"):
        return np.nextafter(value, value.dtype.type(step * np.inf))
