"""Rows that came as an array, or as a model's own columns."""

from typing import Any, TypeAlias

import msgspec
from numpy.typing import NDArray

from preprocessing.packed import PackedRows
from preprocessing.schema import Row


class Block(msgspec.Struct, frozen=True, gc=False):
    """Rows as an array: validated, a missing value is NaN.

    Attributes:
        values: (n, width), n >= 1, of any numeric or boolean dtype.
        expanded: whether the values are the columns ``schema.expanded``, instead of the fields.
    """

    values: NDArray[Any]
    expanded: bool = False

    def __len__(self) -> int:
        return len(self.values)


Rows: TypeAlias = list[Row] | Block | PackedRows
"""The rows of a request; those of a list and packed ones have the fields."""
