"""A fitted ensemble → the arrays that the kernel walks. See ``forest.arrays`` for their meaning."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.arrays import LEAF, LINE, PAYLOAD, ForestArrays
from forest.artifact import storable
from forest.engine import UnsupportedModel
from forest.ensemble import Tree
from forest.keys import Keys
from forest.libraries.scikit_learn.estimator import ensemble_of
from forest.native.extensions import native

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
    model: Any,  # noqa: ANN401 - sklearn is untyped
    *,
    order: NDArray[np.intp] | None = None,
    columns: Sequence[str] | None = None,
    progress: Progress = lambda _done, _total: None,
) -> ForestArrays:
    """Compile a fitted ensemble.

    Args:
        model: the ensemble, or an estimator that ``ensemble_of`` makes one of; not changed.
        order: (n_features,) for each of the model's columns, where it stands in the matrices to come; None if they
            have the model's order.
        columns: names of the columns of the matrices to come; the model's own names if neither this nor ``order`` is
            given.
        progress: told of each tree.

    Raises:
        UnsupportedModel: the arrays cannot hold the ensemble; the message says why.
        ImportError: the kernel was not built.
    """
    ensemble = ensemble_of(model)
    kernel, layout = native()
    if ensemble.classes is not None and not storable(ensemble.classes):
        raise UnsupportedModel(f"class labels of type {ensemble.classes.dtype} are neither plain numbers nor strings")
    if order is None and columns is None:
        columns = ensemble.columns
    trees = list(ensemble.trees)
    keys = Keys(ensemble, trees, order, most=kernel.MAX_KEYS)
    leaves, leaf_numbers = _distinct_leaves(trees)
    if len(leaves) > _MOST_LEAVES:
        raise UnsupportedModel(f"the model has {len(leaves)} distinct leaves, more than {_MOST_LEAVES}")
    parts: list[NDArray[np.uint32]] = []
    firsts: list[int] = []
    lines = nodes = depth = 0
    for done, (tree, numbers) in enumerate(zip(trees, leaf_numbers, strict=True)):
        progress(done, len(trees))
        firsts.append(lines)
        place = layout.place(tree.left, tree.right, tree.visits)
        parts.append(_words(tree, _payload(tree, keys, numbers), place, lines))
        lines, nodes, depth = lines + len(parts[-1]), nodes + len(tree.left), max(depth, tree.depth)
        if lines > _MOST_LINES:
            raise UnsupportedModel(f"the model has too many nodes for {_MOST_LINES} lines of {LINE} words")
    progress(len(trees), len(trees))
    return ForestArrays(
        words=np.concatenate(parts),
        trees=np.array(firsts, dtype=np.uint32),
        outputs=np.array([tree.output for tree in trees], dtype=np.uint32),
        thresholds=keys.thresholds,
        offsets=keys.offsets,
        features=keys.features,
        missing=keys.missing,
        codes=keys.codes,
        sets=keys.sets,
        leaves=leaves,
        base=ensemble.base.copy(),
        divisor=ensemble.divisor,
        zero=ensemble.zero,
        least_code=ensemble.least_code,
        link=ensemble.link,
        key_bits=keys.bits,
        width=ensemble.width,
        classes=None if ensemble.classes is None else ensemble.classes.copy(),
        columns=None if columns is None else tuple(map(str, columns)),
        nodes=nodes,
        depth=depth,
        limits={column if order is None else int(order[column]): both for column, both in ensemble.limits.items()},
    )


def _payload(tree: Tree, keys: Keys, leaf_numbers: NDArray[np.int64]) -> NDArray[np.uint32]:
    """(n,) the words of the nodes, without where their children are."""
    splits = tree.splits
    out = np.empty(len(tree.left), dtype=np.uint32)
    out[~splits] = leaf_numbers << PAYLOAD | LEAF
    of_split = keys.of_splits(tree)
    ranks = keys.ranks(tree, of_split).astype(np.uint32)
    out[splits] = ranks << np.uint32(PAYLOAD + keys.bits) | of_split.astype(np.uint32) << np.uint32(PAYLOAD)
    return out


def _distinct_leaves(trees: list[Tree]) -> tuple[NDArray[Any], list[NDArray[np.int64]]]:
    """The distinct leaves, the most frequent first; and which of them each leaf of each tree is."""
    if len({tree.leaves.shape[1] for tree in trees}) != 1:
        raise UnsupportedModel("the model has leaves of one number and of several")
    per_tree = [_unique_rows(tree.leaves, tree.visits[~tree.splits]) for tree in trees]
    rows, numbers, visits = _unique_rows(
        np.concatenate([rows for rows, _, _ in per_tree]), np.concatenate([visits for _, _, visits in per_tree])
    )
    order = np.argsort(-visits, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    starts = np.cumsum([0, *(len(rows) for rows, _, _ in per_tree)])
    return rows[order], [place[numbers[start:]][own] for start, (_, own, _) in zip(starts[:-1], per_tree, strict=True)]


def _unique_rows(
    rows: NDArray[Any], weights: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
    """The rows that differ in a bit; which of them each row is; and the sum of the weights of each."""
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
    sums = np.bincount(numbers, weights, len(first)).astype(np.float64)
    return rows[first], numbers, sums


def _words(tree: Tree, payload: NDArray[np.uint32], place: _Place, first: int) -> NDArray[np.uint32]:
    """The (lines, 16) words of one tree whose first line will be ``first``."""
    line, pair, begins = place
    out = np.full((len(begins), LINE), LEAF, dtype=np.uint32)  # words that stand for no node are leaves
    out[:, :2] = 0
    leading = begins > 0
    out[leading, 0] = (begins[leading] + first - 1) * LINE
    split = np.flatnonzero(tree.splits)
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
