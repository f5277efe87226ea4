"""Several ensembles over the same columns as one, whose outputs are those of each side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble, Missing, Tree


def beside(parts: Sequence[Ensemble]) -> Ensemble:
    """One ensemble of some: each has equally many of its outputs, those of a smaller one filled up with zeros.

    A value that one of them refuses is refused.

    Args:
        parts: at least one.

    Returns:
        An ensemble like the first, with the trees and outputs of all; its link is to be told.

    Raises:
        UnsupportedModel: they differ in what a split or a sum means.
    """
    first = parts[0]
    for part in parts[1:]:
        if (name := next((name for name, same in _ALIKE.items() if not same(first, part)), None)) is not None:
            raise UnsupportedModel(f"the models in it have not the same {name}")
    width = max(len(part.base) for part in parts)
    takes_missing = all(part.takes_missing for part in parts)
    needed = sorted({column for part in parts for column in part.needed}) if takes_missing else []
    return replace(
        first,
        trees=_Trees(parts, width, takes_missing=takes_missing),
        base=np.concatenate([_filled_up(part.base, width) for part in parts]),
        takes_missing=takes_missing,
        needed=tuple(needed),
        limits=_limits(parts),
    )


_ALIKE: Final[dict[str, Callable[[Ensemble, Ensemble], bool]]] = {
    "library": lambda one, other: (one.library, one.version) == (other.library, other.version),
    "columns": lambda one, other: (one.width, one.columns) == (other.width, other.columns),
    "categories": lambda one, other: one.categorical == other.categorical and _same_codes(one.codes, other.codes),
    "precision": lambda one, other: one.dtype is other.dtype and one.base.dtype == other.base.dtype,
    "number of trees to divide by": lambda one, other: one.divisor == other.divisor,
    "way to compare": lambda one, other: (one.zero, one.least_code) == (other.zero, other.least_code),
    "way to answer": lambda one, other: one.link == other.link,
}
"""What has to be the same of two, for people, and whether it is."""


def _limits(parts: Sequence[Ensemble]) -> dict[int, tuple[float, float]]:
    """The numbers that all take."""
    found: dict[int, tuple[float, float]] = {}
    for part in parts:
        for column, (least, greatest) in part.limits.items():
            low, high = found.get(column, (least, greatest))
            found[column] = max(low, least), min(high, greatest)
    return found


def _same_codes(one: dict[int, NDArray[np.float64]], other: dict[int, NDArray[np.float64]]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[column], other[column]) for column in one)


def _filled_up(numbers: NDArray[Any], width: int) -> NDArray[Any]:
    """The same with zeros behind the last axis' numbers, so that there are ``width``."""
    missing = [(0, 0)] * (numbers.ndim - 1) + [(0, width - numbers.shape[-1])]
    return np.pad(numbers, missing)


class _Trees(Sequence[Tree]):
    """The trees of all, each made when it is asked for."""

    def __init__(self, parts: Sequence[Ensemble], width: int, *, takes_missing: bool) -> None:
        self._parts, self._width, self._takes_missing = parts, width, takes_missing

    def __len__(self) -> int:
        return sum(len(part.trees) for part in self._parts)

    def __iter__(self) -> Iterator[Tree]:
        for place, part in enumerate(self._parts):
            for tree in part.trees:
                yield self._moved(tree, place)

    def __getitem__(self, number: Any) -> Any:  # noqa: ANN401 - a Tree, for a number; no slices are asked for
        if not 0 <= number < len(self):
            raise IndexError(number)
        place = 0
        while number >= len(self._parts[place].trees):
            number -= len(self._parts[place].trees)
            place += 1
        return self._moved(self._parts[place].trees[number], place)

    def _moved(self, tree: Tree, place: int) -> Tree:
        """A tree of one part, adding to that part's outputs."""
        # Leaves with a number for each class are as wide as the outputs; others have one number.
        leaves = tree.leaves if tree.leaves.shape[1] == 1 else _filled_up(tree.leaves, self._width)
        missing = tree.missing if self._takes_missing else np.full_like(tree.missing, Missing.REFUSED)
        return replace(tree, output=tree.output + place * self._width, leaves=leaves, missing=missing)
