"""What the splits of an ensemble compare: its keys, the thresholds of each, and its sets of categories."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.arrays import PAYLOAD
from forest.engine import UnsupportedModel
from forest.ensemble import NUMERIC, Categories, Ensemble, Missing, Tree

_WORD: Final = 32
_MOST_CODES: Final = 1 << 20
"""Codes of a category: each has a bit in each set."""

_WAYS: Final = 8
"""More than there are kinds of ``Missing``."""


class Keys:
    """The keys of an ensemble, see ``forest.arrays`` for them and the arrays.

    Args:
        ensemble: the ensemble.
        trees: its trees.
        order: (n_features,) for each of the model's columns, where it stands in the matrices; None if they agree.
        most: how many keys there may be.

    Raises:
        UnsupportedModel: there are more, or a word has no room for what there is to compare.
    """

    features: NDArray[np.uint32]
    missing: NDArray[np.uint8]
    codes: NDArray[np.uint32]
    thresholds: NDArray[Any]
    offsets: NDArray[np.uint32]
    sets: NDArray[np.uint32]
    bits: int

    def __init__(
        self, ensemble: Ensemble, trees: Sequence[Tree], order: NDArray[np.intp] | None = None, *, most: int
    ) -> None:
        self._order, self._width, self._dtype = order, ensemble.width, ensemble.dtype
        self._numbers = {
            column if order is None else int(order[column]): numbers.astype(ensemble.dtype)
            for column, numbers in ensemble.codes.items()
        }
        self._names = self._all_names(ensemble, trees)
        if len(self._names) > most:
            raise UnsupportedModel(
                f"the model compares {len(self._names)} features, more than {most}; one that has missing values sent "
                "both ways counts twice"
            )
        rest, of_category = self._names % (_WAYS * self._width), self._names >= _WAYS * self._width
        self.features = (rest // _WAYS).astype(np.uint32)
        self.missing = (rest % _WAYS).astype(np.uint8)
        self.bits = max(1, (len(self._names) - 1).bit_length())
        self._room = 1 << (_WORD - PAYLOAD - self.bits)
        self.codes = self._count_codes(trees, of_category)
        self._find_thresholds(trees)
        self._places: dict[tuple[int, bytes, bool], int] = {}
        self.sets = self._make_sets(trees)

    def of_splits(self, tree: Tree) -> NDArray[np.int64]:
        """(n_splits,) the key of each split of a tree."""
        found: NDArray[np.int64] = np.searchsorted(self._names, self._name(tree))
        return found

    def ranks(self, tree: Tree, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n_splits,) what the word of each split compares a rank with, or where its set is.

        Args:
            tree: the tree.
            keys: (n_splits,) of its splits.
        """
        splits = tree.splits
        thresholds, category = self._rounded(tree), _category(tree)
        out = np.empty(len(keys), dtype=np.int64)
        for key in np.unique(keys):
            here = keys == key
            if self.codes[key]:
                out[here] = [self._places[_identity(key, tree.sets[place])] for place in category[splits][here]]
            else:
                known = self.thresholds[self.offsets[key] : self.offsets[key + 1]]
                out[here] = np.searchsorted(known, thresholds[here])
        return out

    def _all_names(self, ensemble: Ensemble, trees: Sequence[Tree]) -> NDArray[np.int64]:
        """The names of all keys in ascending order, those of categories last."""
        names = [self._name(tree) for tree in trees]
        in_splits = np.unique(np.concatenate(names))
        as_numbers = in_splits[in_splits < _WAYS * self._width] // _WAYS
        if mixed := self._numbers.keys() & set(as_numbers.tolist()):
            raise UnsupportedModel(f"column {min(mixed)} is compared as a number and as a category")
        # A value that no split looks at must not be missing either.
        needed = np.array(ensemble.needed if ensemble.takes_missing else range(self._width), dtype=np.int64)
        needed = needed if self._order is None else self._order[needed]
        # Of numbers that are categories, one that is none is refused as well.
        as_category = np.isin(needed, list(self._numbers))
        names.append(needed * _WAYS + Missing.REFUSED + as_category * (_WAYS * self._width))
        found = np.unique(np.concatenate(names))
        return found if len(found) else np.array([Missing.LEFT], dtype=np.int64)

    def _name(self, tree: Tree) -> NDArray[np.int64]:
        """(n_splits,) a number for each split that says what it compares: column, way of missing values, kind."""
        splits = tree.splits
        feature = tree.feature[splits]
        if self._order is not None:
            feature = self._order[feature]
        name = feature * _WAYS + tree.missing[splits]
        found: NDArray[np.int64] = name + (_category(tree)[splits] != NUMERIC) * (_WAYS * self._width)
        return found

    def _count_codes(self, trees: Sequence[Tree], of_category: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """(n_keys,) how many codes each key tells apart; 0 for a number."""
        codes = of_category.astype(np.uint32)
        for tree in trees:
            for key, categories in self._sets_of(tree):
                codes[key] = max(codes[key], len(categories.left))
        if codes.max() > _MOST_CODES:
            raise UnsupportedModel(f"a category has the code {codes.max() - 1}; {_MOST_CODES} can be told apart")
        return codes

    def _find_thresholds(self, trees: Sequence[Tree]) -> None:
        """Set the distinct thresholds of each key, and where they begin."""
        keys = np.concatenate([self.of_splits(tree) for tree in trees])
        thresholds = np.concatenate([self._rounded(tree) for tree in trees])
        of_key = [
            self._numbers.get(int(self.features[key]), np.empty(0, self._dtype))
            if codes
            else np.unique(thresholds[keys == key])
            for key, codes in enumerate(self.codes)
        ]
        self.thresholds = np.concatenate(of_key)
        self.offsets = np.concatenate([[0], np.cumsum([len(found) for found in of_key])]).astype(np.uint32)
        if (most := max(map(len, of_key))) > self._room:
            raise UnsupportedModel(
                f"a feature has {most} distinct thresholds; with {len(self.codes)} features, {self._room} can be told "
                "apart"
            )

    def _make_sets(self, trees: Sequence[Tree]) -> NDArray[np.uint32]:
        """The sets, each as often as it differs."""
        parts: list[NDArray[np.uint32]] = []
        used = 0
        for tree in trees:
            for key, categories in self._sets_of(tree):
                identity = _identity(key, categories)
                if identity in self._places:
                    continue
                self._places[identity] = used
                parts.append(self._set(key, categories))
                used += len(parts[-1])
                if used > self._room:
                    raise UnsupportedModel(
                        f"the model's sets of categories take more than {self._room} words of {_WORD} bits"
                    )
        # A key that no split has still has codes, for which there must be a set.
        parts.append(np.zeros(int(self.codes.max() > 0 and not parts), dtype=np.uint32))
        return np.concatenate(parts)

    def _set(self, key: int, categories: Categories) -> NDArray[np.uint32]:
        """The words of a set: what goes right."""
        codes = int(self.codes[key])
        right = np.zeros(-(-(codes + 2) // _WORD) * _WORD, dtype=bool)
        right[: codes + 1] = not categories.unknown_left
        right[: len(categories.left)] = ~categories.left
        right[codes + 1] = self.missing[key] not in (Missing.LEFT, Missing.ZERO_LEFT)
        return np.packbits(right, bitorder="little").view("<u4").astype(np.uint32)

    def _sets_of(self, tree: Tree) -> list[tuple[int, Categories]]:
        """The key and the categories of each split by category."""
        if tree.category is None:
            return []
        category = tree.category[tree.splits]
        keys = self.of_splits(tree)
        return [(int(keys[at]), tree.sets[category[at]]) for at in np.flatnonzero(category != NUMERIC)]

    def _rounded(self, tree: Tree) -> NDArray[Any]:
        """(n_splits,) the thresholds in the type of the values."""
        rounded: NDArray[Any] = round_down(tree.threshold[tree.splits], self._dtype) + self._dtype(0)  # makes -0 a 0
        return rounded


def round_down(thresholds: NDArray[np.float64], dtype: type[np.floating] = np.float32) -> NDArray[Any]:
    """The greatest number of a type not above each threshold: it parts numbers of the type as the threshold does."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(dtype)
        below = np.nextafter(nearest, dtype(-np.inf))
    return np.where(nearest.astype(np.float64) > thresholds, below, nearest)


def _category(tree: Tree) -> NDArray[np.int64]:
    return np.full(len(tree.left), NUMERIC, dtype=np.int64) if tree.category is None else tree.category


def _identity(key: int, categories: Categories) -> tuple[int, bytes, bool]:
    """What tells a set of a key from another."""
    return int(key), np.packbits(categories.left).tobytes() + len(categories.left).to_bytes(4), categories.unknown_left
