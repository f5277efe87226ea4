"""CatBoost's trees: symmetric ones, in which all splits of a level are one, and others.

Sources are in catboost/libs/model of https://github.com/catboost/catboost: ``flatbuffers/model.fbs`` for the fields,
``TModelTrees::CalcBinFeatures`` of ``model.cpp`` for the splits, and ``cpu/evaluator_impl.cpp`` for the walk.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import Tree
from forest.libraries.catboost.buffer import Table
from forest.libraries.catboost.columns import Splits

_SPLITS, _SIZES, _STARTS, _LEAVES, _WEIGHTS, _STEPS, _LEAF_OF_NODE, _BINS = 1, 2, 3, 8, 9, 10, 11, 17
_BIN: Final = [("bucket", "<u2"), ("mask", "u1"), ("border", "u1")]
_STEP: Final = [("left", "<u2"), ("right", "<u2")]

_DEEPEST: Final = 30
"""Levels of a symmetric tree; CatBoost grows 16."""


class _Stored(NamedTuple):
    """What the trees have in common.

    Attributes:
        splits: (n,) int64, tree after tree: of each level of a symmetric one, of each node of others.
        sizes: (n_trees,) int64, how many of them each tree has.
        leaves: (n_leaves, outputs) float64.
        weights: (n_leaves,) float64, how much came to each in training; zeros if it is not told.
    """

    splits: NDArray[np.int64]
    sizes: NDArray[np.int64]
    leaves: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """(n_trees,) where the splits of each tree begin."""
        return np.cumsum(self.sizes) - self.sizes


def read_trees(model: Table, known: Splits, outputs: int) -> list[Tree]:
    """Read all trees.

    Args:
        model: the table ``TModelTrees``.
        known: the splits that there are.
        outputs: how many numbers a leaf has.

    Raises:
        UnsupportedModel: they are damaged. Whether nodes make a tree is not looked at.
    """
    stored = _stored(model, outputs)
    steps, leaf_of_node = model.array(_STEPS, _STEP), model.array(_LEAF_OF_NODE, "<u4").astype(np.int64)
    if not len(steps) and not len(leaf_of_node):
        _check_splits(model, stored.splits, known)
        return _symmetric(stored, known)
    if len(steps) != len(stored.splits) or len(leaf_of_node) != len(stored.splits):
        raise UnsupportedModel("its trees are damaged: their nodes do not fit each other")
    left, right = steps["left"].astype(np.int64), steps["right"].astype(np.int64)
    inner = (left > 0) | (right > 0)
    _check_splits(model, stored.splits, known, inner)
    return [
        _grown(stored, known, slice(start, start + size), left, right, leaf_of_node)
        for start, size in zip(stored.starts.tolist(), stored.sizes.tolist(), strict=True)
    ]


def _stored(model: Table, outputs: int) -> _Stored:
    splits, sizes, starts = (model.array(each, "<i4").astype(np.int64) for each in (_SPLITS, _SIZES, _STARTS))
    leaves, weights = model.array(_LEAVES, "<f8"), model.array(_WEIGHTS, "<f8")
    if (sizes < 0).any() or sizes.sum() != len(splits) or not np.array_equal(starts, np.cumsum(sizes) - sizes):
        raise UnsupportedModel("its trees are damaged: their splits do not fit their sizes")
    if len(leaves) % outputs or len(weights) not in (0, len(leaves) // outputs):
        raise UnsupportedModel("its trees are damaged: their leaves do not fit each other")
    # Where likely paths lie is told by the weights; no answer depends on them.
    with np.errstate(invalid="ignore"):
        known = np.where(np.isfinite(weights) & (weights > 0), weights, 0.0)
    return _Stored(
        splits,
        sizes,
        leaves.astype(np.float64).reshape(-1, outputs),
        known if len(known) else np.zeros(len(leaves) // outputs),
    )


def _check_splits(
    model: Table, splits: NDArray[np.int64], known: Splits, inner: NDArray[np.bool_] | None = None
) -> None:
    """Make sure that the splits are among those that are known, and stored twice alike."""
    used = splits if inner is None else splits[inner]
    if ((used < 0) | (used >= len(known.border))).any():
        raise UnsupportedModel("its trees are damaged: a split in them is none")
    if not len(bins := model.array(_BINS, _BIN)):
        return
    if len(bins) != len(splits):
        raise UnsupportedModel("its trees are damaged: their splits are stored in two ways that differ")
    bins = bins if inner is None else bins[inner]
    if (
        not np.array_equal(bins["bucket"], known.bucket[used])
        or not np.array_equal(bins["border"], known.place[used])
        or bins["mask"].any()
    ):
        raise UnsupportedModel("its trees are damaged: their splits are stored in two ways that differ")


def _symmetric(stored: _Stored, known: Splits) -> list[Tree]:
    if (stored.sizes > _DEEPEST).any() or (1 << stored.sizes).sum() != len(stored.leaves):
        raise UnsupportedModel("its trees are damaged: their leaves do not fit their depths")
    ends = np.cumsum(1 << stored.sizes)
    return [
        _levels(
            stored.splits[start : start + depth],
            known,
            stored.leaves[end - (1 << depth) : end],
            stored.weights[end - (1 << depth) : end],
        )
        for start, depth, end in zip(stored.starts.tolist(), stored.sizes.tolist(), ends.tolist(), strict=True)
    ]


def _levels(
    splits: NDArray[np.int64], known: Splits, leaves: NDArray[np.float64], weights: NDArray[np.float64]
) -> Tree:
    """A symmetric tree, level by level: the first split is the lowest bit of a leaf's number, so the lowest level."""
    depth = len(splits)
    inner = len(leaves) - 1
    nodes = np.arange(inner, dtype=np.int64)
    without = np.full(len(leaves), -1, dtype=np.int64)
    of_node = np.repeat(splits[::-1], 1 << np.arange(depth))
    levels = [weights]
    for _ in range(depth):
        levels.append(levels[-1].reshape(-1, 2).sum(axis=1))
    return Tree(
        left=np.concatenate([2 * nodes + 1, without]),
        right=np.concatenate([2 * nodes + 2, without]),
        feature=np.concatenate([known.column[of_node], without]),
        threshold=np.concatenate([known.border[of_node], np.zeros(len(leaves))]),
        missing=np.concatenate([known.missing[of_node], np.zeros(len(leaves), dtype=np.uint8)]),
        visits=np.concatenate(levels[::-1]),
        leaves=leaves,
    )


def _grown(
    stored: _Stored,
    known: Splits,
    part: slice,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    leaf_of_node: NDArray[np.int64],
) -> Tree:
    """A tree whose walk may end at any node, a split as well: such an end is made a leaf of its own.

    Args:
        stored: what the trees have in common.
        known: the splits that there are.
        part: which nodes are the tree's.
        left: (n,) how far the left child of each node stands behind it; 0 if the walk ends there.
        right: (n,) likewise.
        leaf_of_node: (n,) for each node at which a walk may end, where its leaf's numbers begin.
    """
    left, right, ends = left[part], right[part], leaf_of_node[part]
    size = len(left)
    inner = (left > 0) | (right > 0)
    nodes = np.arange(size, dtype=np.int64)
    # A split that has one child gets a leaf for the other, behind all nodes.
    halves = np.flatnonzero(inner & ((left == 0) | (right == 0)))
    own = size + np.arange(len(halves), dtype=np.int64)
    children = [np.where(inner, nodes + each, -1) for each in (left, right)]
    for child, each in zip(children, (left, right), strict=True):
        without = each[halves] == 0
        child[halves[without]] = own[without]
    numbers = np.concatenate([ends[~inner], ends[halves]])
    outputs = stored.leaves.shape[1]
    if (numbers % outputs).any() or (numbers >= stored.leaves.size).any():
        raise UnsupportedModel("its trees are damaged: a leaf in them is none")
    leaves = numbers // outputs
    split = np.where(inner, stored.splits[part], 0)
    more = np.full(len(halves), -1, dtype=np.int64)
    is_leaf = np.concatenate([~inner, np.ones(len(halves), dtype=np.bool_)])
    visits = np.zeros(len(is_leaf))
    visits[is_leaf] = stored.weights[leaves]
    left, right = (np.concatenate([child, more]) for child in children)
    _add_up(visits, left, right)
    column, border, missing = known.of_nodes(split, inner, len(halves))
    return Tree(left, right, column, border, missing, visits, stored.leaves[leaves])


def _add_up(visits: NDArray[np.float64], left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Give each split the visits of its children, which stand behind it; damaged trees get whatever comes of it."""
    for node in np.flatnonzero(left >= 0)[::-1].tolist():
        if left[node] < len(visits) and right[node] < len(visits):
            visits[node] = visits[left[node]] + visits[right[node]]
