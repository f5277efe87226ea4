"""Rows → the model's matrix."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocessing.block import Block, Rows
from preprocessing.packed import PackedRows, RowWriter, row_writer
from preprocessing.schema import Field, Row, Schema

_LARGEST_TABLE: Final = 1024
"""Rows of a table of indicators; categories with more combinations than that have a table each."""


class _Part(NamedTuple):
    """Fields that stand side by side, and the columns that they become.

    Attributes:
        fields: where they stand in a row.
        columns: where these stand in the matrix.
        weights: (fields,) the codes times these are a row of the table; None for fields that are columns as they are.
        indicators: (combinations of codes, columns) float32: the columns of each; None for a single category with so
            many codes that they are not kept.
    """

    fields: slice
    columns: slice
    weights: NDArray[np.float64] | None
    indicators: NDArray[np.float32] | None


class Expansion:
    """Writes the columns of a schema's rows.

    Args:
        schema: the table.
    """

    def __init__(self, schema: Schema) -> None:
        self.width = len(schema.expanded)
        self._parts = list(_parts(schema))

    def write(self, rows: NDArray[Any], out: NDArray[np.floating]) -> None:
        """Write the model's columns for some rows.

        Args:
            rows: (n, n_fields) of any numeric or boolean dtype, validated: codes are in range, a missing value is NaN.
            out: (n, n_columns) float32 or float64, overwritten; the columns are ``schema.expanded``.
        """
        for fields, columns, weights, indicators in self._parts:
            if weights is None:
                out[:, columns] = rows[:, fields]
            elif indicators is None:
                out[:, columns] = 0
                out[np.arange(len(rows)), columns.start + rows[:, fields.start].astype(np.intp)] = 1
            else:
                out[:, columns] = indicators.take((rows[:, fields] @ weights).astype(np.intp), axis=0)


class _Buffer(NamedTuple):
    """Where matrices of one type are built.

    Attributes:
        matrix: (max_rows, n_columns).
        writer: writes packed rows there; None if it was not built.
    """

    matrix: NDArray[np.floating]
    writer: "RowWriter | None"


class MatrixBuilder:
    """Builds matrices in a buffer of (max_rows, n_columns), allocated once for each type that is asked for.

    Args:
        schema: the table that rows are of.
        max_rows: most rows of a matrix.
    """

    def __init__(self, schema: Schema, max_rows: int) -> None:
        self.max_rows = max_rows
        self._expansion = Expansion(schema)
        self._schema = schema
        self._buffers: dict[type[np.floating], _Buffer] = {}
        self._write: dict[type, Callable[[list[Any], NDArray[np.floating]], None]] = {
            list: self._write_lists,
            Block: self._write_blocks,
        }

    def build(self, parts: list[Rows], dtype: type[np.floating] = np.float32) -> NDArray[Any]:
        """Build the matrix of some validated rows.

        Args:
            parts: n rows, 1 <= n <= max_rows, in whatever form.
            dtype: float32, or float64, which has every number as it was sent.

        Returns:
            A C-contiguous (n, n_columns) view of the buffer, valid until the next call.

        Raises:
            ValueError: there are more rows than the buffer holds.
        """
        buffer = self._buffers.get(dtype) or self._allocate(dtype)
        matrix, writer = buffer
        count = -1 if writer is None else writer.write(parts)
        if count < 0:  # not all are packed, or there are too many
            count = self._write_any(parts, buffer)
        return matrix[:count]

    def _allocate(self, dtype: type[np.floating]) -> _Buffer:
        matrix = np.zeros((self.max_rows, self._expansion.width), dtype=dtype)
        buffer = self._buffers[dtype] = _Buffer(matrix, row_writer(self._schema, matrix))
        return buffer

    def _write_any(self, parts: list[Rows], buffer: _Buffer) -> int:
        """Write rows in whatever forms, those of one form that stand together at once; returns how many there are."""
        count = sum(map(len, parts))
        if count > self.max_rows:
            raise ValueError(f"{count} rows do not fit a buffer of {self.max_rows}")
        start = 0
        for kind, neighbours in groupby(parts, key=type):
            together = list(neighbours)
            end = start + sum(map(len, together))
            if kind is PackedRows:
                buffer.writer.write(together, start)  # type: ignore[union-attr]  # there are none without it
            else:
                self._write[kind](together, buffer.matrix[start:end])
            start = end
        return count

    def _write_lists(self, parts: list[list[Row]], out: NDArray[np.floating]) -> None:
        self._expansion.write(np.array(list(chain.from_iterable(parts)), dtype=np.float64), out)

    def _write_blocks(self, blocks: list[Block], out: NDArray[np.floating]) -> None:
        start = 0
        for block in blocks:
            end = start + len(block)
            if block.expanded:
                out[start:end] = block.values
            else:
                self._expansion.write(block.values, out[start:end])
            start = end


_Group: TypeAlias = list[Field]


def _parts(schema: Schema) -> Iterator[_Part]:
    """The parts of a table, in the order of its fields."""
    field = column = 0
    for one_hot, neighbours in groupby(schema.fields, key=lambda each: each.is_one_hot):
        for group in _groups(list(neighbours)) if one_hot else [list(neighbours)]:
            sizes = [len(each.categories) for each in group]
            width = sum(sizes) if one_hot else len(group)
            weights = np.array([math.prod(sizes[number + 1 :]) for number in range(len(sizes))], dtype=np.float64)
            yield _Part(
                slice(field, field + len(group)),
                slice(column, column + width),
                weights if one_hot else None,
                _indicators(sizes) if one_hot and math.prod(sizes) <= _LARGEST_TABLE else None,
            )
            field, column = field + len(group), column + width


def _groups(fields: _Group) -> Iterator[_Group]:
    """Neighbours that share a table: one look-up is quicker than several, while the table is small."""
    group: _Group = []
    for field in fields:
        if group and math.prod(len(each.categories) for each in [*group, field]) > _LARGEST_TABLE:
            yield group
            group = []
        group.append(field)
    yield group


def _indicators(sizes: Sequence[int]) -> NDArray[np.float32]:
    """The one-hot columns for every combination of codes: (product of the sizes, their sum) float32."""
    codes = np.indices(sizes).reshape(len(sizes), -1)
    tables = [np.eye(size, dtype=np.float32)[of_field] for size, of_field in zip(sizes, codes, strict=True)]
    return np.hstack(tables)
