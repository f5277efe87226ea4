"""scikit-learn's encoders of categories (sklearn/preprocessing/_encoders.py): what each category becomes."""

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.files.stored import Named, Stored, Unreadable, array, dtype, what
from forest.libraries.pipelines.columns import REFUSED, Categories, Column, Held, Table
from forest.libraries.scikit_learn.attributes import Attributes, plain

_LARGEST: Final = 2**53
"""Whole numbers that are larger may not be kept apart by float64."""

_MOST: Final = 1 << 14
"""Categories of a column, each of which may become a column with a table of all."""

_PYTHON_TYPES: Final[dict[str, type]] = {"int": int, "float": float, "bool": bool}


class _Known(NamedTuple):
    """The categories of one column.

    Attributes:
        categories: without the missing value.
        with_missing: whether a missing value is a category, which is the last then.
    """

    categories: Categories
    with_missing: bool

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.categories) + self.with_missing

    def place(self, held: Held) -> int | None:
        """Which category a value is; None if it is none."""
        if isinstance(held, float) and math.isnan(held):
            return len(self.categories) if self.with_missing else None
        found = [place for place, each in enumerate(self.categories) if type(held) is not bool and each == held]
        return found[0] if found else None


def one_hot(encoder: Attributes, columns: list[Column]) -> list[Column]:
    """What a OneHotEncoder makes of columns: for each category one that says whether it is there.

    Raises:
        UnsupportedModel: that is not so, or something else than what was given is encoded.
    """
    known = _known(encoder, columns)
    unknown: Held = REFUSED if encoder.scalar("handle_unknown") == "error" else 0.0
    dropped: list[Any] = [None] * len(columns)
    if encoder.get("drop_idx_") is not None:
        dropped = encoder.array("drop_idx_").tolist()
        if len(dropped) != len(columns):
            raise Unreadable("the OneHotEncoder drops categories of other columns than it has")
    made = []
    for column, own, drop in zip(columns, known, dropped, strict=True):
        left_out = None if drop is None else plain(drop)
        # All indicators are parts of one array: a table each would take the square of the categories.
        one = np.zeros(2 * own.size)
        one[own.size] = 1.0
        made += [
            _encoded(column, own, one[own.size - place : 2 * own.size - place], unknown)
            for place in range(own.size)
            if place != left_out
        ]
    return made


def ordinal(encoder: Attributes, columns: list[Column]) -> list[Column]:
    """What an OrdinalEncoder makes of columns: the codes of their categories.

    Raises:
        UnsupportedModel: that is not so, or something else than what was given is encoded.
    """
    type_ = _type(encoder.get("dtype"))
    unknown: Held = REFUSED
    if encoder.scalar("handle_unknown") != "error":
        unknown = _as(type_, encoder.scalar("unknown_value"))
    made = []
    for column, own in zip(columns, _known(encoder, columns), strict=True):
        codes = np.arange(own.size).astype(type_).astype(np.float64)
        if own.with_missing:
            codes[-1] = _as(type_, encoder.scalar("encoded_missing_value"))
        made.append(_encoded(column, own, codes, unknown))
    return made


ENCODERS: Final[dict[str, Callable[[Attributes, list[Column]], list[Column]]]] = {
    "OneHotEncoder": one_hot,
    "OrdinalEncoder": ordinal,
}


def _encoded(column: Column, known: _Known, values: NDArray[np.float64], unknown: Held) -> Column:
    """A column that holds a value for each category, of which the missing value is the last if it is one."""
    missing = column.missing
    if missing is not REFUSED:
        place = known.place(missing)
        missing = unknown if place is None else float(values[place])
    table = Table(known.categories, values[: len(known.categories)], unknown)
    return Column(column.source, missing=missing, table=table)


def _known(encoder: Attributes, columns: list[Column]) -> list[_Known]:
    """The categories of each column."""
    if encoder.get("min_frequency") is not None or encoder.get("max_categories") is not None:
        raise UnsupportedModel(f"the {encoder.kind} puts rare categories together")
    if not all(column.is_given for column in columns):
        raise UnsupportedModel(f"the {encoder.kind} encodes what another step has made")
    found = [_categories(array(each)) for each in encoder.items("categories_")]
    if len(found) != len(columns):
        raise Unreadable(f"the {encoder.kind} has categories of {len(found)} columns, and is given {len(columns)}")
    return found


def _categories(found: NDArray[Any]) -> _Known:
    if found.ndim != 1 or len(found) > _MOST:
        raise Unreadable(f"the categories of a column are no list of at most {_MOST}")
    if found.dtype.kind in "biuf":
        return _numbers(found)
    if found.dtype.kind not in "OU":
        raise Unreadable("the categories of a column are neither numbers nor names")
    names: list[Any] = [None if each is None else plain(each) for each in found.tolist()]
    with_missing = bool(names) and isinstance(names[-1], float) and math.isnan(names[-1])
    if with_missing:
        del names[-1]
    if any(type(each) is not str for each in names) or len(set(names)) != len(names):
        raise UnsupportedModel("the categories of a column are neither numbers nor names, of which none is there twice")
    return _Known(tuple(names), with_missing)


def _numbers(found: NDArray[Any]) -> _Known:
    numbers = found.astype(np.float64)
    with_missing = bool(len(numbers)) and bool(np.isnan(numbers[-1]))
    if with_missing:
        numbers = numbers[:-1]
    large = found.dtype.kind in "iu" and bool((np.abs(numbers) > _LARGEST).any())
    if large or not np.isfinite(numbers).all() or not (numbers[:-1] < numbers[1:]).all():
        raise UnsupportedModel("the categories of a column are no ascending numbers that float64 tells apart")
    return _Known(numbers, with_missing)


def _type(value: Any) -> np.dtype[Any]:  # noqa: ANN401
    """The type of an encoder's codes, which may be given as a class or as numpy's description of it."""
    name = value.name if isinstance(value, Named) else value.__name__ if isinstance(value, type) else None
    if name is None:
        found = np.dtype(value) if isinstance(value, str) and value in ("float64", "float32") else dtype(value)
    else:
        try:
            found = np.dtype(_PYTHON_TYPES.get(name, name))
        except TypeError:
            raise Unreadable(f"the codes of an encoder are of the type {name[:40]!a}") from None
    if found.kind not in "iuf":
        raise Unreadable(f"the codes of an encoder are {what(Stored(str(found)))}, no numbers")
    return found


def _as(type_: np.dtype[Any], value: Any) -> float:  # noqa: ANN401
    """A number as an encoder writes it among its codes."""
    if type(value) not in (int, float):
        raise Unreadable("a code that an encoder gives to what is no category is no number")
    try:
        return (
            float(np.array([value]).astype(np.float64).astype(type_)[0])
            if type_.kind == "f"
            else float(np.array([int(value)], dtype=type_)[0])
        )
    except (OverflowError, ValueError):
        raise Unreadable(f"a code that an encoder gives to what is no category is no {type_}") from None
