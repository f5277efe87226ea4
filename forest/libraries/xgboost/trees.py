"""XGBoost's trees, as ``forest.ensemble`` has them.

Sources are XGBoost's: ``src/tree/tree_model.cc`` and ``multi_target_tree_model.cc`` for what is stored,
``src/predictor/predict_fn.h`` and ``src/common/categorical.h`` for what is done with it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from forest.ensemble import NUMERIC, Categories, Missing, Tree
from forest.files.stored import Unreadable
from forest.libraries.xgboost.document import Document

_MOST_CODES: Final = (1 << 24) - 1
"""Codes of categories are below it: 2 ** 24 and the number after it are one in float32."""

_MOST_IN_TREE: Final = 1 << 26
"""Of all splits of a tree together; each code takes a byte."""

_CATEGORICAL: Final = 1
"""In ``split_type``."""


def read_tree(stored: Document, group: int, *, zero_is_missing: bool = False) -> Tree:
    """One tree.

    Args:
        stored: as the file has it.
        group: the output that it is for, if its leaves have one number each.
        zero_is_missing: whether 0 counts as missing.

    Returns:
        The tree, with leaves of float32.

    Raises:
        Unreadable: it is damaged, or no tree that XGBoost would walk as it is stored.
    """
    parameters = stored.part("tree_param")
    size, width = parameters.whole("num_nodes"), parameters.whole("size_leaf_vector", 1)
    left, right = (stored.integers(f"{side}_children", size) for side in ("left", "right"))
    order = _order(left, right)
    split = left[order] >= 0
    number = np.zeros(size, dtype=np.int64)
    number[order] = np.arange(len(order))
    first = np.where(split, number[left[order]], -1)
    category, sets = _categories(stored, size, order, split)
    leaf = order[~split]
    vectors = width > 1
    sides = (Missing.ZERO_LEFT, Missing.ZERO_RIGHT) if zero_is_missing else (Missing.LEFT, Missing.RIGHT)
    return Tree(
        left=first,
        right=np.where(split, first + 1, -1),
        feature=np.where(split, stored.integers("split_indices", size)[order], 0),
        threshold=_thresholds(
            stored.floats("split_conditions", size)[order], split & (True if category is None else category == NUMERIC)
        ),
        missing=np.where(stored.integers("default_left", size)[order] != 0, *sides).astype(np.uint8),
        visits=_visits(stored, size)[order],
        leaves=_vectors(stored, right, leaf, width) if vectors else stored.floats("split_conditions")[leaf, np.newaxis],
        output=0 if vectors else group,
        category=category,
        sets=sets,
    )


def _order(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the nodes that the root leads to, parents before their children.

    A pruned tree has nodes that nothing leads to, and others in their places.
    """
    size = len(left)
    if not size or (left < -1).any():
        raise Unreadable("a tree has no nodes, or damaged ones")
    levels = [np.zeros(1, dtype=np.int64)]
    known = 1
    while len(splits := levels[-1][left[levels[-1]] >= 0]):
        # XGBoost does not look at the right child, but takes the node behind the left one.
        if (left[splits] >= size - 1).any() or (right[splits] != left[splits] + 1).any():
            raise Unreadable("a tree's nodes are damaged: two children are not side by side")
        levels.append(np.column_stack([left[splits], right[splits]]).ravel())
        if (known := known + len(levels[-1])) > size:
            raise Unreadable("a tree's nodes do not make a tree")
    return np.concatenate(levels)


def _thresholds(conditions: NDArray[np.float32], numeric: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n,) the greatest number in float32 that is below each condition, which a number is to be below to go left."""
    if not (conditions[numeric] > -np.inf).all():
        raise Unreadable("a tree has a split that no number is below")
    found = np.zeros(len(conditions))
    found[numeric] = np.nextafter(conditions[numeric], np.float32(-np.inf))
    return found


def _visits(stored: Document, size: int) -> NDArray[np.float64]:
    """(n,) the sums of the hessians, which are of no consequence for an answer."""
    if "sum_hessian" not in stored:  # XGBoost 2 to 3.1 tells none of trees with vectors
        return np.zeros(size)
    with np.errstate(invalid="ignore"):  # of a damaged file
        return np.nan_to_num(stored.floats("sum_hessian", size).astype(np.float64), nan=0.0).clip(0.0)


def _vectors(stored: Document, right: NDArray[np.int64], leaf: NDArray[np.int64], width: int) -> NDArray[np.float32]:
    """(n_leaves, width) the leaves of a tree for all outputs."""
    alone = "leaf_weights" in stored  # since XGBoost 3.2, and then a leaf's right child is its place among them
    weights = stored.floats("leaf_weights" if alone else "base_weights")
    places = right[leaf] if alone else leaf
    if len(weights) % width or (places < 0).any() or (places >= len(weights) // width).any():
        raise Unreadable("a tree's leaves do not fit its nodes")
    found: NDArray[np.float32] = weights.reshape(-1, width)[places]
    return found


def _categories(
    stored: Document, size: int, order: NDArray[np.int64], split: NDArray[np.bool_]
) -> tuple[NDArray[np.int64] | None, tuple[Categories, ...]]:
    """Which splits are by category, and what they send left: all but the categories that are stored."""
    if "split_type" not in stored:
        return None, ()
    types = stored.integers("split_type", size)
    nodes = stored.integers("categories_nodes")
    if not np.array_equal(nodes, np.flatnonzero(types == _CATEGORICAL)) or not np.isin(types, (0, _CATEGORICAL)).all():
        raise Unreadable("a tree's splits by category are damaged")
    if not len(nodes):
        return None, ()
    starts, sizes = (stored.integers(f"categories_{name}", len(nodes)) for name in ("segments", "sizes"))
    codes = stored.integers("categories")
    most = len(codes)
    if ((starts < 0) | (starts > most) | (sizes < 1) | (sizes > most - starts)).any() or sizes.sum() > most:
        raise Unreadable("a tree's splits by category are damaged")
    if len(codes) and not 0 <= codes.min() <= codes.max() < _MOST_CODES:
        raise Unreadable("a tree has a code that no category can have")
    place = np.full(size, NUMERIC, dtype=np.int64)
    place[nodes] = np.arange(len(nodes))
    category = np.where(split, place[order], NUMERIC)
    used = np.unique(category[category != NUMERIC])
    renumbered = np.full(len(nodes) + 1, NUMERIC, dtype=np.int64)  # NUMERIC is the last place, too
    renumbered[used] = np.arange(len(used))
    sets = [codes[starts[each] : starts[each] + sizes[each]] for each in used]
    if sum(int(right.max()) + 1 for right in sets) > _MOST_IN_TREE:
        raise Unreadable(f"a tree's splits by category have more than {_MOST_IN_TREE} codes")
    return renumbered[category], tuple(map(_left, sets))


def _left(right: NDArray[np.int64]) -> Categories:
    left = np.ones(int(right.max()) + 1, dtype=np.bool_)
    left[right] = False
    return Categories(left, unknown_left=True)
