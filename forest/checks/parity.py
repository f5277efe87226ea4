"""A compiled forest held against scikit-learn, on rows that are chosen to find a difference."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.artifact import Parity
from forest.compile import Progress, round_down
from forest.engine import Engine
from forest.estimator import fitted_forest
from forest.fitted import FittedTree

_CHUNK = 1000
_ROWS_A_SPLIT = 3
_GREATEST = np.finfo(np.float32).max


def compare(
    engine: Engine,
    reference: Engine,
    rows: NDArray[np.float32],
    progress: Progress = lambda _done, _total: None,
) -> Parity:
    """Count the rows for which an engine gives another label, or other bits of a probability, than scikit-learn.

    Args:
        engine: the engine to be checked.
        reference: scikit-learn, or ``ReferenceEngine``, on the same forest, with the same column order.
        rows: (n, n_features) float32, without NaN.
        progress: told of the rows done.

    Raises:
        ValueError: the engines have different numbers of classes or columns.
    """
    different = 0
    for start in range(0, len(rows), _CHUNK):
        progress(start, len(rows))
        chunk = np.ascontiguousarray(rows[start : start + _CHUNK])
        expected, found = reference.predict(chunk), engine.predict(chunk)
        if expected.probabilities is None or found.probabilities is None:
            raise TypeError("an engine without probabilities cannot be compared")
        if expected.probabilities.shape != found.probabilities.shape:
            raise ValueError(
                f"{found.probabilities.shape[1]} classes cannot be compared with {expected.probabilities.shape[1]}"
            )
        differing_bits = expected.probabilities.view(np.uint64) != found.probabilities.view(np.uint64)
        differs = (expected.labels != found.labels) | differing_bits.any(axis=1)
        different += int(differs.sum())
    progress(len(rows), len(rows))
    return Parity(rows=len(rows), different=different)


def threshold_rows(
    forest: Any,  # noqa: ANN401 - sklearn is untyped
    count: int,
    *,
    order: NDArray[np.intp] | None = None,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Draw rows that stand on the thresholds of a forest, and one float32 below and above.

    Each row is led to a split drawn at random: on the way there its values are those where each earlier decision just
    falls that way. The split's own feature is then put on the threshold, just below or just above it. Features that
    the way does not test get thresholds of other splits.

    Args:
        forest: a fitted forest, see ``fitted_forest``.
        count: rows to draw; fewer if no tree has a split.
        order: (n_features,) for each of the model's columns, where it stands in the rows; None if they agree.
        seed: of the draw.

    Returns:
        (n, n_features) float32, n at least ``count`` unless there is no split.
    """
    draw = np.random.default_rng(seed)
    forest = fitted_forest(forest)
    width = forest.width
    trees = [tree for tree in forest.trees if len(tree.nodes) > 1]
    if not trees:
        return np.zeros((min(count, 1), width), dtype=np.float32)
    pool = [np.zeros(1, dtype=np.float32)] * width
    for tree in trees:
        features, thresholds = tree.feature[tree.splits], round_down(tree.threshold[tree.splits])
        for feature in np.unique(features):
            here = thresholds[features == feature]
            pool[feature] = np.concatenate([pool[feature], here])
    paths = [_Paths(tree) for tree in trees]
    rows: list[NDArray[np.float32]] = []
    for row in _free_rows(pool, -(-count // _ROWS_A_SPLIT), draw):
        paths[draw.integers(len(paths))].lead(row, draw, rows)
    found = np.clip(np.array(rows, dtype=np.float32).reshape(-1, width), -_GREATEST, _GREATEST)
    if order is None:
        return found
    out = np.empty_like(found)
    out[:, order] = found
    return out


def _free_rows(pool: list[NDArray[np.float32]], count: int, draw: np.random.Generator) -> NDArray[np.float32]:
    """(count, n_features) float32: each value is one of its feature's thresholds in ``pool``, or next to it."""
    out = np.empty((count, len(pool)), dtype=np.float32)
    for column, known in enumerate(pool):
        out[:, column] = draw.choice(known, size=count)
    towards = draw.choice(np.array([-np.inf, 0, np.inf], dtype=np.float32), size=out.shape)
    with np.errstate(over="ignore"):
        return np.where(towards == 0, out, np.nextafter(out, towards))


class _Paths:
    """The ways to the splits of one tree."""

    def __init__(self, tree: FittedTree) -> None:
        self._splits = np.flatnonzero(tree.splits)
        self._feature = tree.feature
        self._threshold = round_down(tree.threshold)
        self._left = tree.left
        self._parent = np.full(len(tree.nodes), -1)
        self._parent[self._left[self._splits]] = self._splits
        self._parent[tree.right[self._splits]] = self._splits

    def lead(self, row: NDArray[np.float32], draw: np.random.Generator, rows: list[NDArray[np.float32]]) -> None:
        """Append three rows that are led to a split; they have the values of ``row`` where the way leaves them free."""
        node = target = int(draw.choice(self._splits))
        lowest: dict[int, np.float32] = {}
        highest: dict[int, np.float32] = {}
        while (parent := int(self._parent[node])) >= 0:
            feature, threshold = int(self._feature[parent]), self._threshold[parent]
            # Going up, the first bound met is the tightest.
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
            led[self._feature[target]] = _near(self._threshold[target], step)
            rows.append(led)


def _near(value: np.float32, step: int) -> np.float32:
    """The float32 next below (-1) or above (1) a value, or the value itself (0)."""
    if step == 0:
        return value
    with np.errstate(over="ignore"):
        near: np.float32 = np.nextafter(value, np.float32(step * np.inf))
    return near
