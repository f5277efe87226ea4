"""Building the matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing import Row, covertype
from preprocessing.matrix import MatrixBuilder
from preprocessing.schema import FLOAT32_MAX

VALUES = st.floats(-FLOAT32_MAX, FLOAT32_MAX)
ROWS = st.tuples(*[VALUES] * 10, st.integers(0, 3).map(float), st.integers(0, 39).map(float))
BUILDER = MatrixBuilder(covertype.SCHEMA, max_rows=16)


def by_hand(row: Row) -> list[float]:
    """The 54 columns of a row, one by one and by name."""
    values = dict(zip(covertype.FIELDS, row, strict=True))
    area = covertype.WILDERNESS_AREAS[int(values["Wilderness_Area"])]
    soil = covertype.SOIL_TYPES[int(values["Soil_Type"])]
    hot = {f"Wilderness_Area_{area}", f"Soil_Type_{soil}"}
    return [values[column] if column in values else float(column in hot) for column in covertype.COLUMNS]


@given(st.lists(ROWS, min_size=1, max_size=16))
def test_the_matrix_equals_the_columns_built_by_name(rows: list[Row]) -> None:
    """Each row is its ten numbers, rounded to float32, and one indicator of each kind; no trace of the last call."""
    matrix = BUILDER.build([rows])
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert matrix.shape == (len(rows), 54)
    np.testing.assert_array_equal(matrix, np.array([by_hand(row) for row in rows], dtype=np.float32))


def test_the_buffer_is_reused() -> None:
    """Building allocates no second matrix."""
    row: Row = (1.0,) * 10 + (0.0, 0.0)
    assert np.shares_memory(BUILDER.build([[row]]), BUILDER.build([[row] * 16]))


def test_more_rows_than_the_buffer_holds_are_refused() -> None:
    """The bound is an error, not a silent cut."""
    with pytest.raises(ValueError, match="17 rows do not fit a buffer of 16"):
        BUILDER.build([[(1.0,) * 10 + (0.0, 0.0)] * 17])
