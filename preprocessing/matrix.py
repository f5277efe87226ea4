"""Rows → the model's matrix."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocessing import schema
from preprocessing.rows import Row


def _indicators() -> NDArray[np.float32]:
    """The one-hot columns for every pair of codes: (areas x soils, areas + soils) float32."""
    areas, soils = len(schema.WILDERNESS_AREAS), len(schema.SOIL_TYPES)
    area = np.repeat(np.eye(areas, dtype=np.float32), soils, axis=0)
    soil = np.tile(np.eye(soils, dtype=np.float32), (areas, 1))
    return np.hstack([area, soil])


_INDICATORS: Final = _indicators()
_NUMERIC: Final = len(schema.NUMERIC)
_WEIGHTS: Final = np.array([len(schema.SOIL_TYPES), 1.0])
"""A pair of codes times these is its row in the table."""


def one_hot(rows: NDArray[np.float64], out: NDArray[np.float32]) -> None:
    """Write the model's columns for some rows.

    Args:
        rows: (n, 12) float64, validated: the columns are ``schema.FIELDS``, the last two hold codes in range.
        out: (n, 54) float32, overwritten; the columns are ``schema.COLUMNS``.
    """
    out[:, :_NUMERIC] = rows[:, :_NUMERIC]
    pairs = rows[:, _NUMERIC:] @ _WEIGHTS
    out[:, _NUMERIC:] = _INDICATORS.take(pairs.astype(np.intp), axis=0)


class MatrixBuilder:
    """Builds matrices in one buffer of (max_rows, 54) float32, allocated once."""

    def __init__(self, max_rows: int) -> None:
        self.max_rows = max_rows
        self._buffer = np.zeros((max_rows, len(schema.COLUMNS)), dtype=np.float32)

    def build(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Build the matrix of some validated rows.

        Args:
            rows: n rows of 12 values, 1 <= n <= max_rows.

        Returns:
            A C-contiguous (n, 54) float32 view of the buffer, valid until the next call.

        Raises:
            ValueError: there are more rows than the buffer holds.
        """
        if len(rows) > self.max_rows:
            raise ValueError(f"{len(rows)} rows do not fit a buffer of {self.max_rows}")
        matrix = self._buffer[: len(rows)]
        one_hot(np.array(rows, dtype=np.float64), matrix)
        return matrix
