"""A fitted forest → the arrays that the kernel walks. See ``forest.arrays`` for their meaning."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.arrays import LEAF, LINE, PAYLOAD, ForestArrays
from forest.artifact import storable
from forest.engine import UnsupportedModel
from forest.estimator import fitted_forest
from forest.fitted import FittedForest, FittedTree
from forest.native import native

Progress = Callable[[int, int], None]
"""Told how many of how many steps are done."""

_Place = tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]
"""What ``_layout.place`` returns."""

_WORD: Final = 32
_MOST_LEAVES: Final = 1 << (_WORD - PAYLOAD)
_MOST_LINES: Final = (1 << _WORD) // LINE
_MOST_LEADS: Final = 15
"""How many lines the words of a line can lead to."""


def compile_forest(
    forest: Any,  # noqa: ANN401 - sklearn is untyped
    *,
    order: NDArray[np.intp] | None = None,
    columns: Sequence[str] | None = None,
    progress: Progress = lambda _done, _total: None,
) -> ForestArrays:
    """Compile a fitted RandomForestClassifier or ExtraTreesClassifier.

    Args:
        forest: the fitted forest, an estimator or what was read of one, see ``fitted_forest``; not changed.
        order: (n_features,) for each of the model's columns, where it stands in the matrices to come; None if they
            have the model's order.
        columns: names of the columns of the matrices to come; the model's own names if neither this nor ``order`` is
            given.
        progress: told of each tree.

    Raises:
        UnsupportedModel: the arrays cannot hold the forest; the message says why.
        ImportError: the kernel was not built.
    """
    forest = fitted_forest(forest)
    kernel, layout = native()
    width = forest.width
    if width > kernel.MAX_FEATURES:
        raise UnsupportedModel(f"the forest has {width} features, more than {kernel.MAX_FEATURES}")
    if not storable(forest.classes):
        raise UnsupportedModel(f"class labels of type {forest.classes.dtype} are neither plain numbers nor strings")
    if order is None and columns is None:
        columns = forest.columns
    trees = [_Tree(forest, tree, order) for tree in forest.trees]
    thresholds, offsets = _thresholds(trees, width)
    bits = _feature_bits(width, int(np.diff(offsets).max()))
    leaves, leaf_numbers = _distinct_leaves(trees)
    if len(leaves) > _MOST_LEAVES:
        raise UnsupportedModel(f"the forest has {len(leaves)} distinct leaves, more than {_MOST_LEAVES}")
    parts: list[NDArray[np.uint32]] = []
    firsts: list[int] = []
    lines = 0
    for done, (tree, numbers) in enumerate(zip(trees, leaf_numbers, strict=True)):
        progress(done, len(trees))
        firsts.append(lines)
        place = layout.place(tree.left, tree.right, tree.visits)
        parts.append(_words(tree, tree.payload(thresholds, offsets, numbers, bits), place, lines))
        lines += len(parts[-1])
        if lines > _MOST_LINES:
            raise UnsupportedModel(f"the forest has too many nodes for {_MOST_LINES} lines of {LINE} words")
    progress(len(trees), len(trees))
    return ForestArrays(
        words=np.concatenate(parts),
        trees=np.array(firsts, dtype=np.uint32),
        thresholds=thresholds,
        offsets=offsets,
        leaves=leaves,
        feature_bits=bits,
        classes=forest.classes.copy(),
        columns=None if columns is None else tuple(map(str, columns)),
        nodes=sum(len(tree.left) for tree in trees),
        depth=max(tree.depth for tree in forest.trees),
    )


def round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The greatest float32 not above each threshold: it parts the float32 numbers as the threshold does."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > thresholds, below, nearest)


class _Tree:
    """The arrays of one of scikit-learn's trees, with thresholds as float32 and features in the matrix's order."""

    def __init__(self, forest: FittedForest, tree: FittedTree, order: NDArray[np.intp] | None) -> None:
        if forest.saw_missing_values(tree):
            raise UnsupportedModel("the forest was trained on missing values")
        self.left, self.right, self.split = tree.left, tree.right, tree.splits
        self.visits = tree.samples.astype(np.float64)
        self.distributions = forest.distributions(tree)
        feature = tree.feature[self.split]
        self.feature = feature if order is None else order[feature]
        self.threshold = round_down(tree.threshold[self.split])

    def payload(
        self,
        thresholds: NDArray[np.float32],
        offsets: NDArray[np.uint32],
        leaf_numbers: NDArray[np.int64],
        bits: int,
    ) -> NDArray[np.uint32]:
        """(n,) the words of the nodes, without where their children are."""
        out = np.empty(len(self.left), dtype=np.uint32)
        out[~self.split] = leaf_numbers << PAYLOAD | LEAF
        ranks = np.empty(len(self.feature), dtype=np.uint32)
        for feature in np.unique(self.feature):
            here = self.feature == feature
            known = thresholds[offsets[feature] : offsets[feature + 1]]
            ranks[here] = np.searchsorted(known, self.threshold[here])
        out[self.split] = ranks << np.uint32(PAYLOAD + bits) | self.feature.astype(np.uint32) << np.uint32(PAYLOAD)
        return out


def _thresholds(trees: list[_Tree], width: int) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """The distinct thresholds of each feature, and where each feature's begin."""
    features = np.concatenate([tree.feature for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees]) + np.float32(0)  # which makes -0 a 0
    of_feature = [np.unique(thresholds[features == feature]) for feature in range(width)]
    offsets = np.concatenate([[0], np.cumsum([len(found) for found in of_feature])])
    return np.concatenate(of_feature), offsets.astype(np.uint32)


def _feature_bits(width: int, most_thresholds: int) -> int:
    """How many bits of a word name the feature; the rest must be enough for the rank of a threshold."""
    bits = max(1, (width - 1).bit_length())
    if most_thresholds > 1 << (_WORD - PAYLOAD - bits):
        raise UnsupportedModel(
            f"a feature has {most_thresholds} distinct thresholds; with {width} features, "
            f"{1 << (_WORD - PAYLOAD - bits)} can be told apart"
        )
    return bits


def _distinct_leaves(trees: list[_Tree]) -> tuple[NDArray[np.float64], list[NDArray[np.int64]]]:
    """The distinct class distributions, the most frequent first; and which of them each leaf of each tree has."""
    per_tree = [_unique_rows(tree.distributions, tree.visits[~tree.split]) for tree in trees]
    rows, numbers, visits = _unique_rows(
        np.concatenate([rows for rows, _, _ in per_tree]), np.concatenate([visits for _, _, visits in per_tree])
    )
    order = np.argsort(-visits, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    starts = np.cumsum([0, *(len(rows) for rows, _, _ in per_tree)])
    return rows[order], [place[numbers[start:]][own] for start, (_, own, _) in zip(starts[:-1], per_tree, strict=True)]


def _unique_rows(
    rows: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """The rows that differ in a bit; which of them each row is; and the sum of the weights of each."""
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
    sums = np.bincount(numbers, weights, len(first)).astype(np.float64)
    return rows[first], numbers, sums


def _words(tree: _Tree, payload: NDArray[np.uint32], place: _Place, first: int) -> NDArray[np.uint32]:
    """The (lines, 16) words of one tree whose first line will be ``first``."""
    line, pair, begins = place
    out = np.full((len(begins), LINE), LEAF, dtype=np.uint32)  # words that stand for no node are leaves
    out[:, :2] = 0
    leading = begins > 0
    out[leading, 0] = (begins[leading] + first - 1) * LINE
    split = np.flatnonzero(tree.split)
    at = np.empty(len(payload), dtype=np.int64)  # the word of each node
    at[0] = 2
    at[tree.left[split]] = line[split] * LINE + pair[split] * 2
    at[tree.right[split]] = at[tree.left[split]] + 1
    own = at[split] // LINE
    delta = np.where(line[split] == own, 0, line[split] - begins[own] + 1)
    if len(delta) and not 0 <= delta.min() <= delta.max() <= _MOST_LEADS:
        raise AssertionError("the layout put a node out of its parent's reach")
    words = payload.copy()
    words[split] |= (delta << 4 | pair[split].astype(np.int64) << 1).astype(np.uint32)
    out.reshape(-1)[at] = words
    return out
