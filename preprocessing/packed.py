"""Rows that were read straight from JSON into numbers, where a C compiler has built what does that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from preprocessing.schema import Schema

__all__ = ["PackedRows", "RowScanner", "RowWriter", "row_scanner", "row_writer"]

try:
    from preprocessing.native._rows import PackedRows, RowScanner, RowWriter
except ImportError:  # it was not built: msgspec reads everything, and numpy writes it

    class PackedRows:  # type: ignore[no-redef]
        """What there is none of."""

    RowScanner = RowWriter = None  # type: ignore[misc,assignment]


def row_scanner(schema: Schema, max_rows: int) -> RowScanner | None:
    """What reads the common body of a table; None if it was not built.

    Args:
        schema: the table that rows are of.
        max_rows: most rows of a request.
    """
    if RowScanner is None:
        return None
    fields = schema.fields
    least, greatest = zip(*(field.limits for field in fields), strict=True)
    whole = [field.type != "number" for field in fields]
    return RowScanner(least, greatest, whole, [field.missing for field in fields], max_rows)


def row_writer(schema: Schema, matrix: NDArray[np.floating]) -> RowWriter | None:
    """What writes the columns for rows that ``row_scanner`` has read; None if it was not built.

    Args:
        schema: the table that rows are of.
        matrix: (max_rows, n_columns) float32 or float64, C-contiguous: where they are written.
    """
    if RowWriter is None:
        return None
    return RowWriter([len(field.categories) if field.is_one_hot else 0 for field in schema.fields], matrix)
