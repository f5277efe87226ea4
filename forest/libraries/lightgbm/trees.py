"""The trees of LightGBM's model texts, see ``forest.libraries.lightgbm.text``.

Their loader is ``Tree::Tree(const char*, size_t*)`` of src/io/tree.cpp in https://github.com/microsoft/LightGBM.
Floating-point numbers are rounded correctly there (a fast parser, else strtod), as Python's ``float`` does.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import NUMERIC, Categories, Missing, Tree

_INTEGER: Final = rb"-?[0-9]{1,10}"
_FLOAT: Final = rb"-?(?:[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|inf)"
_INTEGERS: Final = re.compile(rb"(?:%b)?(?: %b)*" % (_INTEGER, _INTEGER))
_FLOATS: Final = re.compile(rb"(?:%b)?(?: %b)*" % (_FLOAT, _FLOAT))

_WORD: Final = 32
"""Bits of a word of a set of categories."""

_IS_CATEGORICAL: Final = 1
"""A bit of ``decision_type``."""

_MISSING: Final = np.full(12, 255, dtype=np.uint8)
"""A ``Missing`` for each ``decision_type``: 1 for a split by category, 2 for default left, 4 and 8 for what is missing.

Of NumericalDecision and CategoricalDecision in include/LightGBM/tree.h: NaN is 0 unless it is what is missing, and of
no category.
"""
_MISSING[[0, 2]] = Missing.ZERO
_MISSING[[4, 6]] = Missing.ZERO_RIGHT, Missing.ZERO_LEFT
_MISSING[[8, 10]] = Missing.RIGHT, Missing.LEFT
_MISSING[1::2] = Missing.RIGHT


def read_tree(lines: dict[bytes, bytes], output: int) -> Tree:
    """One tree: its splits keep their numbers, and its leaves come behind them.

    Args:
        lines: its keys and values.
        output: the output that it adds to.

    Raises:
        UnsupportedModel: it is damaged, or of a kind that is not known. Whether the nodes make a tree is not looked at.
    """
    leaves = whole(lines, b"num_leaves")
    splits = leaves - 1
    if leaves < 1:
        raise UnsupportedModel("a tree has no leaves")
    if b"is_linear" in lines and whole(lines, b"is_linear"):
        raise UnsupportedModel("its leaves have linear models")
    if splits:
        kinds = integers(lines, b"decision_type", splits)
        if (kinds < 0).any() or (kinds >= len(_MISSING)).any():
            raise UnsupportedModel("a tree's splits are of unknown kinds")
        children = [integers(lines, key, splits) for key in (b"left_child", b"right_child")]
        feature, threshold = integers(lines, b"split_feature", splits), floats(lines, b"threshold", splits)
    else:  # the loader looks at nothing else, and there are texts with other lines of a tree that was cut
        kinds = feature = np.zeros(0, dtype=np.int64)
        children, threshold = [feature, feature], np.zeros(0)
    category, sets = _sets(lines, kinds, threshold)
    values = floats(lines, b"leaf_value", leaves)
    without = np.full(leaves, -1, dtype=np.int64)
    left, right = (np.concatenate([np.where(each < 0, splits + ~each, each), without]) for each in children)
    return Tree(
        left=left,
        right=right,
        feature=np.concatenate([feature, without]),
        threshold=np.concatenate([threshold, np.zeros(leaves)]),
        missing=np.concatenate([_MISSING[kinds], np.zeros(leaves, dtype=np.uint8)]),
        visits=np.concatenate([_counts(lines, b"internal_count", splits), _counts(lines, b"leaf_count", leaves)]),
        leaves=values[:, np.newaxis],
        output=output,
        category=None if category is None else np.concatenate([category, np.full(leaves, NUMERIC)]),
        sets=sets,
    )


def _counts(lines: dict[bytes, bytes], key: bytes, count: int) -> NDArray[np.float64]:
    """How many rows came to each node, as far as is known: no answer depends on it."""
    try:
        return np.maximum(integers(lines, key, count), 0).astype(np.float64)
    except UnsupportedModel:
        return np.zeros(count)


def _sets(
    lines: dict[bytes, bytes], kinds: NDArray[np.int64], threshold: NDArray[np.float64]
) -> tuple[NDArray[np.int64] | None, list[Categories]]:
    """For each split its place in the sets, and the sets."""
    by_category = (kinds & _IS_CATEGORICAL) > 0
    if not (count := whole(lines, b"num_cat")) or not len(kinds):
        if by_category.any():  # the loader takes such a split for one by number
            raise UnsupportedModel("a tree's splits by category have no sets")
        return None, []
    if count < 0:
        raise UnsupportedModel("a tree's sets of categories are damaged")
    bounds = integers(lines, b"cat_boundaries", count + 1)
    if bounds[0] != 0 or (np.diff(bounds) < 0).any():
        raise UnsupportedModel("a tree's sets of categories are damaged")
    words = integers(lines, b"cat_threshold", int(bounds[-1]))
    if (words < 0).any() or (words >= 1 << _WORD).any():
        raise UnsupportedModel("a tree's sets of categories are damaged")
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little").astype(np.bool_)
    sets = [Categories(bits[start * _WORD : end * _WORD]) for start, end in pairwise(bounds.tolist())]
    places = threshold[by_category]
    if not ((places >= 0) & (places < count) & (places == np.floor(places))).all():
        raise UnsupportedModel("a tree's splits by category have no sets")
    category = np.full(len(kinds), NUMERIC, dtype=np.int64)
    category[by_category] = places.astype(np.int64)
    return category, sets


def pairs(text: bytes, with_equals: frozenset[bytes] = frozenset()) -> dict[bytes, bytes]:
    """The keys and values of lines.

    Args:
        text: the lines.
        with_equals: keys whose values may have ``=`` in them.

    Raises:
        UnsupportedModel: another value has.
    """
    found = {}
    for line in text.split(b"\n"):
        key, _, value = line.partition(b"=")
        if b"\r" in line or (b"=" in value and key not in with_equals):
            raise UnsupportedModel(f"it has a line that LightGBM writes otherwise: {line[:40]!a}")
        found[key] = value
    return found


def integers(lines: dict[bytes, bytes], key: bytes, count: int | None = None) -> NDArray[np.int64]:
    """Whole numbers, so many if that is given.

    Raises:
        UnsupportedModel: there are others.
    """
    return np.array(_numbers(lines, key, count, _INTEGERS, int), dtype=np.int64)


def floats(lines: dict[bytes, bytes], key: bytes, count: int) -> NDArray[np.float64]:
    """So many floating-point numbers.

    Raises:
        UnsupportedModel: there are others.
    """
    return np.array(_numbers(lines, key, count, _FLOATS, float), dtype=np.float64)


def whole(lines: dict[bytes, bytes], key: bytes) -> int:
    """One whole number.

    Raises:
        UnsupportedModel: it is none.
    """
    return int(integers(lines, key, 1)[0])


def _numbers(
    lines: dict[bytes, bytes], key: bytes, count: int | None, form: re.Pattern[bytes], read: Callable[[bytes], Any]
) -> list[Any]:
    if (value := lines.get(key)) is None or not form.fullmatch(value):
        raise UnsupportedModel(f"{key.decode()} is missing or damaged")
    words = value.split()
    if count is not None and len(words) != count:
        raise UnsupportedModel(f"{key.decode()} has {len(words)} numbers, not {count}")
    return list(map(read, words))
