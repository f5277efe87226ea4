"""Columns on their way through a pipeline: each is made of one of the columns that the pipeline is given.

What a column holds follows from the value that is given: a number, by steps that keep the order of numbers; one of some
categories, by a table; and a missing value becomes one value.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel

Step = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""What is done to numbers, one by one: a greater one never becomes the smaller, and NaN stays NaN."""

REFUSED: Final = None
"""In place of what a value becomes: the pipeline takes no such value."""

Held = float | str | None
"""What a column holds for a value: a number, NaN for one that is still missing, a name, or ``REFUSED``."""

Categories = tuple[str, ...] | NDArray[np.float64]
"""Names in the order of their codes, or ascending numbers, of which a missing value is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What a column holds for each of the given column's categories.

    Attributes:
        categories: of the given column.
        values: (n_categories,) for each of them.
        unknown: for any other value, which is not missing.
    """

    categories: Categories
    values: NDArray[np.float64]
    unknown: Held


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of what one of a pipeline's steps gives to the next.

    Attributes:
        source: which of the given columns it is made of.
        steps: what was done to numbers, in order; of a column with a table, nothing.
        missing: what it holds where the given value is missing.
        table: what it holds for categories; None if it is made of numbers, or is still as it was given.
    """

    source: int
    steps: tuple[Step, ...] = ()
    missing: Held = math.nan
    table: Table | None = None

    @property
    def is_given(self) -> bool:
        """Whether it is as it was given, but for missing values."""
        return not self.steps and self.table is None

    def numbers(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) what it holds for numbers that are given."""
        for step in self.steps:
            values = step(values)
        return values

    def after(self, step: Step) -> "Column":
        """The column after one more step.

        Raises:
            UnsupportedModel: it has names in it.
        """
        missing = _one(step, self.missing)
        if self.table is None:
            return replace(self, steps=(*self.steps, step), missing=missing)
        return replace(self, missing=missing, table=_mapped(self.table, step))

    def filled(self, value: float | str) -> "Column":
        """The column with a value in place of missing ones.

        Raises:
            UnsupportedModel: a name is put among numbers.
        """
        missing = value if is_missing(self.missing) else self.missing
        if isinstance(value, str):
            if not self.is_given:
                raise UnsupportedModel("a name is put in place of missing numbers")
            return replace(self, missing=missing)
        if self.table is None:
            return replace(self, missing=missing)
        return replace(
            self, missing=missing, table=_mapped(self.table, lambda held: np.where(np.isnan(held), value, held))
        )

    def indicator(self) -> "Column":
        """A column that holds 1 where this one misses a value, else 0."""
        missing = self.missing if self.missing is REFUSED else float(is_missing(self.missing))
        if self.table is None:
            return replace(self, steps=(np.zeros_like,), missing=missing)
        return replace(self, missing=missing, table=_mapped(self.table, lambda held: np.isnan(held).astype(np.float64)))


def is_missing(held: Held) -> bool:
    """Whether a value is missing still."""
    return isinstance(held, float) and math.isnan(held)


def _one(step: Step, held: Held) -> Held:
    if isinstance(held, str):
        raise UnsupportedModel("numbers are made of a column in which a name is put in place of missing values")
    return held if held is REFUSED else float(step(np.array([held]))[0])


def _mapped(table: Table, step: Step) -> Table:
    return replace(table, values=step(table.values), unknown=_one(step, table.unknown))
