"""What the categories of a LightGBM model's columns are called."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import NUMERIC, Tree
from forest.libraries.lightgbm.text import ModelText


def categorical(
    text: ModelText, categories: list[list[Any]] | None, named: Sequence[int] | None
) -> dict[int, tuple[str, ...]]:
    """What the categories of each column are called, as ``Ensemble.categorical`` has it.

    The Python package codes a column of pandas' category type by the place of its value in the categories, see
    ``_data_from_pandas`` of its basic.py, whether LightGBM then takes it for categories or for numbers.

    Args:
        text: the model.
        categories: those of each column that was of pandas' category type, column by column.
        named: which columns those are; None if that is not known: then it is told from what the text says of them, and
            if they may be several, none has names.

    Raises:
        UnsupportedModel: categories are numbers, or of another number of columns than ``named``.
    """
    by_set = {place for place, info in enumerate(text.infos) if re.fullmatch(rb"-?[0-9]+(:-?[0-9]+)*", info)}
    found: dict[int, tuple[str, ...]] = dict.fromkeys(sorted(by_set.union(*map(_set_columns, text.trees))), ())
    if not categories:
        return found
    if not all(isinstance(each, str) for names in categories for each in names):
        # 5 may then be the sixth category, or the one that is called 5.
        raise UnsupportedModel("it was trained on pandas' categories that are numbers, not names")
    if named is not None and (
        len(named) != len(categories) or any(each >= len(text.infos) or each < 0 for each in named)
    ):
        raise UnsupportedModel(f"it was trained on {len(categories)} columns of pandas' categories, not {len(named)}")
    places = named if named is not None else _only_places(text.infos, [len(names) for names in categories])
    found.update(zip(places, map(tuple, categories), strict=False))
    return found


def _set_columns(tree: Tree) -> set[int]:
    return set() if tree.category is None else set(tree.feature[tree.category != NUMERIC].tolist())


def _only_places(infos: Sequence[bytes], sizes: Sequence[int]) -> list[int]:
    """The columns that so many categories may be of, in order; none if they may be of others as well.

    A column's info tells the codes that it had, or its least and greatest value, or ``none``.
    """
    greatest = np.array([_greatest_code(info) for info in infos])
    firsts, lasts = _taken(greatest, sizes), _taken(greatest[::-1], sizes[::-1])
    agree = len(firsts) == len(sizes) and firsts == [len(infos) - 1 - place for place in reversed(lasts)]
    return firsts if agree else []


def _taken(greatest: NDArray[np.float64], sizes: Sequence[int]) -> list[int]:
    """For each size the next column whose codes are below it; ends where there is none."""
    found: list[int] = []
    places = iter(enumerate(greatest.tolist()))
    for size in sizes:
        place = next((place for place, code in places if code < size), None)
        if place is None:
            break
        found.append(place)
    return found


def _greatest_code(info: bytes) -> float:
    """The greatest code that a column had; infinite if it had values that are none, -1 if nothing is known."""
    if info == b"none":
        return -1
    words = info.strip(b"[]").split(b":")
    if not all(re.fullmatch(rb"-1|[0-9]{1,10}", word) for word in words):
        return math.inf
    least = min(map(int, words))
    return math.inf if least < 0 and info.startswith(b"[") else max(map(int, words))
