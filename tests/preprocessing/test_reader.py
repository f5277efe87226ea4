"""Rows of any format: fields or columns, by name or by position, as objects or as numbers."""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from preprocessing import Field, InvalidRow, RowDecoder, Schema, covertype
from preprocessing.block import Block, Rows
from preprocessing.layout import Layouts
from preprocessing.matrix import MatrixBuilder
from preprocessing.reader import RowReader

FIELDS = (
    Field("length"),
    Field("weight", missing=True),
    Field("rings", "integer", missing=True),
    Field("alive", "boolean"),
    Field("sex", "category", categories=("F", "M", "I")),
    Field("size", "category", categories=("small", "large"), encoding="ordinal", missing=True, aliases={"big": 1}),
)
SCHEMA = Schema(FIELDS)
ORDER = (3, 1, 0, 2, 7, 6, 5, 4)
"""For each of the columns of a model that has them in an order of its own, where it stands in the schema's."""

ALIASES = {"Weight": "weight"}
READER = RowReader(SCHEMA, 50, Layouts(SCHEMA, ORDER, ALIASES))
DECODER = RowDecoder(SCHEMA, 50)
BUILDER = MatrixBuilder(SCHEMA, 100)

NUMBERS = st.floats(-1e6, 1e6, width=32)
VALUES = [
    NUMBERS,
    st.none() | NUMBERS,
    st.none() | st.integers(-(2**24), 2**24),
    st.booleans(),
    st.sampled_from([0, 1, 2, "F", "M", "I"]),
    st.sampled_from([None, 0, 1, "small", "large", "big"]),
]
ROWS = st.lists(st.tuples(*VALUES), min_size=1, max_size=8)


def place(row: int | None, position: int | None) -> str:
    """Where a value stood, for the tests."""
    return f"row {row} position {position}"


def coded(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """The same rows with codes instead of names, as only an array of numbers needs them."""
    return [
        [
            field.codes.get(value, value) if isinstance(value, str) else value
            for field, value in zip(FIELDS, row, strict=True)
        ]
        for row in rows
    ]


def expected(rows: list[tuple[Any, ...]]) -> NDArray[Any]:
    """What Canopy's own format makes of the rows."""
    records = [dict(zip(SCHEMA.names, row, strict=True)) for row in rows]
    return BUILDER.build([DECODER.decode(msgspec.json.encode({"instances": records}))]).copy()


def built(rows: Rows) -> NDArray[Any]:
    """The matrix of the rows."""
    return BUILDER.build([rows])


@given(ROWS, st.permutations(range(len(FIELDS))))
def test_every_way_to_send_fields_gives_the_same_matrix(rows: list[tuple[Any, ...]], order: list[int]) -> None:
    """By position, and by name in any order; with names of categories and with codes; as objects and as numbers."""
    matrix = expected(rows)
    names = [SCHEMA.names[number] for number in order]
    np.testing.assert_array_equal(built(READER.rows(None, rows, place)), matrix)
    np.testing.assert_array_equal(
        built(READER.rows(names, [[row[number] for number in order] for row in rows], place)), matrix
    )
    numbers = np.array(coded(rows), dtype=np.float64)
    np.testing.assert_array_equal(built(READER.array(None, numbers, place)), matrix)
    np.testing.assert_array_equal(built(READER.array(names, numbers[:, order], place)), matrix)
    columns = [numbers[:, number] for number in order]
    np.testing.assert_array_equal(built(READER.columns(names, columns, place)), matrix)
    mixed = [column.astype(np.float32) if number else column for number, column in enumerate(columns)]
    np.testing.assert_array_equal(built(READER.columns(names, mixed, place)), matrix)


@given(ROWS, st.permutations(range(len(SCHEMA.expanded))))
def test_a_models_own_columns_give_the_same_matrix(rows: list[tuple[Any, ...]], order: list[int]) -> None:
    """By name in any order, or by position in the model's own."""
    matrix = expected(rows)
    missing = [[None if value != value else value for value in row] for row in matrix.tolist()]
    names = [SCHEMA.expanded[number] for number in order]
    shuffled = [[row[number] for number in order] for row in missing]
    np.testing.assert_array_equal(built(READER.rows(names, shuffled, place)), matrix)
    own = [[row[number] for number in ORDER] for row in missing]
    np.testing.assert_array_equal(built(READER.rows(None, own, place)), matrix)
    np.testing.assert_array_equal(built(READER.array(None, matrix[:, ORDER], place)), matrix)
    np.testing.assert_array_equal(built(READER.array(names, matrix[:, order], place)), matrix)


@given(st.lists(st.tuples(ROWS, st.sampled_from(["objects", "fields", "columns"])), min_size=1, max_size=6))
def test_a_batch_has_rows_of_every_kind(parts: list[tuple[list[tuple[Any, ...]], str]]) -> None:
    """Each stands where its request does."""
    made: list[Rows] = []
    for rows, kind in parts:
        if kind == "objects":
            made.append(READER.rows(None, rows, place))
        elif kind == "fields":
            made.append(READER.array(None, np.array(coded(rows), dtype=np.float64), place))
        else:
            made.append(READER.array(None, expected(rows)[:, ORDER], place))
    matrix = BUILDER.build(made, np.float64).copy()
    np.testing.assert_array_equal(matrix, np.concatenate([expected(rows) for rows, _ in parts]))


GOOD = (1.5, 2.5, 3, True, "M", "large")
NAMES = SCHEMA.names
COLUMNS = SCHEMA.expanded


def changed(position: int, value: object) -> list[Any]:
    """The good row with another value."""
    return [value if number == position else each for number, each in enumerate(GOOD)]


FAULTS = {
    "no-row": (None, [], "row None position None: has no row"),
    "too-many": (None, [GOOD] * 51, "has 51 rows, more than the 50"),
    "width": (None, [GOOD[:5]], "has 5 values a row, and not the 6 fields or the model's 8 columns"),
    "unknown-name": ((*NAMES[:5], "colour"), [GOOD], "row None position 5: 'colour' is neither a field nor a column"),
    "missing-name": (NAMES[:5], [GOOD[:5]], "lacks the field 'size'"),
    "twice": ((*NAMES[:5], "length"), [GOOD], "position 5: 'length' is there more than once"),
    "half": ((*NAMES[:5], "sex_F"), [GOOD], "'sex' is a field and 'sex_F' a column of the model"),
    "missing-column": ((*NAMES[:4], "sex_F", "sex_M"), [[1, 2, 3, 1, 0, 1]], "lacks the column 'sex_I' and 1 more"),
    "alias": ((*COLUMNS, "Weight"), [[1, 2, 3, 1, 0, 1, 0, 1, 2]], "has a column by more than one name"),
    "type": (None, [changed(0, "x")], "row 0 position 0: expected a number, got a string (length)"),
    "boolean-number": (None, [changed(0, True)], "row 0 position 0: expected a number, got a boolean (length)"),
    "missing": (None, [changed(0, None)], "row 0 position 0: expected a number, got null (length)"),
    "name": (None, [GOOD, changed(4, "X")], "row 1 position 4: Invalid enum value 'X' (sex, one of F, M, I"),
    "code": (None, [changed(4, 3)], "row 0 position 4: expected a number <= 2.0 (sex, one of F, M, I, a code 0..2)"),
    "whole": (NAMES[::-1], [changed(2, 1.5)[::-1]], "row 0 position 3: expected a number that's a multiple of 1.0"),
    "indicator": (COLUMNS, [[1, 2, 3, 1, 0.5, 1, 0, 1]], "row 0 position 4: expected a number that's a multiple"),
}


@pytest.mark.parametrize(("names", "rows", "said"), [pytest.param(*fault, id=name) for name, fault in FAULTS.items()])
def test_a_fault_is_told_with_its_place(names: list[str] | None, rows: list[Any], said: str) -> None:
    """Where it stood in what was sent, however that was ordered."""
    with pytest.raises(InvalidRow) as caught:
        READER.rows(names, rows, place)
    assert said in str(caught.value)


def number_faults() -> dict[str, tuple[Callable[[], Block], str]]:
    """Arrays that break the schema, and what is said of them."""
    good = np.array([[1.5, 2.5, 3, 1, 1, 1]])

    def of(position: int, value: float, dtype: Any = np.float64) -> Callable[[], Block]:  # noqa: ANN401
        array = good.astype(dtype)
        array[0, position] = value
        return lambda: READER.array(None, array, place)

    columns = [np.array([1.0])] * 5 + [np.array([2**53 + 1])]
    return {
        "nan": (of(0, math.nan), "row 0 position 0: is missing (NaN), and length must have a value"),
        "infinite": (of(1, math.inf), "row 0 position 1: expected a number <= 3.4"),
        "code": (of(4, 3), "row 0 position 4: expected a number <= 2.0 (sex, a code 0..2)"),
        "whole": (of(2, 0.5, np.float16), "row 0 position 2: expected a number that's a multiple of 1.0"),
        "far": (of(2, 2**53 + 1, np.int64), "position 2: is 9007199254740993, and whole numbers are exact below 2**53"),
        "far-unsigned": (of(2, 2**64 - 1, np.uint64), "is 18446744073709551615, and whole numbers are exact below"),
        "far-beside-others": (lambda: READER.columns(NAMES, columns, place), "row 0 position 5: is 9007199254740993"),
        "width": (lambda: READER.array(None, good[:, :5], place), "has 5 values a row"),
        "no-row": (lambda: READER.array(None, good[:0], place), "has no row"),
    }


@pytest.mark.parametrize("name", list(number_faults()))
def test_a_fault_in_an_array_is_told_with_its_place(name: str) -> None:
    """NaN where there must be a value, what is no code, and whole numbers that a float64 has not."""
    read, said = number_faults()[name]
    with pytest.raises(InvalidRow) as caught:
        read()
    assert said in str(caught.value)


def test_nan_is_a_missing_value_where_there_may_be_one() -> None:
    """In an array, which has nothing else for it."""
    block = READER.array(None, np.array([[1, np.nan, np.nan, 0, 2, np.nan]]), place)
    np.testing.assert_array_equal(built(block), expected([(1, None, None, False, "I", None)]))


def test_as_many_fields_as_columns_in_another_order_need_names() -> None:
    """By position it could be either."""
    schema = Schema((Field("a"), Field("b")), columns=("b", "a"))
    reader = RowReader(schema, 5, Layouts(schema, (1, 0)))
    with pytest.raises(InvalidRow, match="which are others: send names"):
        reader.rows(None, [[1, 2]], place)
    assert reader.rows(["b", "a"], [[1, 2]], place) == [(2.0, 1.0)]


def test_names_and_widths_that_may_be_both_are_refused() -> None:
    """Fields that become one another's columns, and an indicator that looks like a code."""
    swapped = Schema((Field("a", columns=("b",)), Field("b", columns=("a",))))
    with pytest.raises(InvalidRow, match="these names are those of the fields and, of others among them,"):
        RowReader(swapped, 5, Layouts(swapped)).rows(["a", "b"], [[1, 2]], place)
    single = Schema((Field("a"), Field("b", "category", categories=("x",))))
    with pytest.raises(InvalidRow, match="the model's columns, which are others: send names"):
        RowReader(single, 5, Layouts(single)).rows(None, [[1, 0]], place)


def test_a_whole_number_is_never_another_one() -> None:
    """2**53 + 1 would be rounded to 2**53, whatever brings it."""
    schema = Schema((Field("a", "integer"), Field("b")))
    reader = RowReader(schema, 5, Layouts(schema))
    decoder = RowDecoder(schema, 5)
    for number in (2**53, 2**53 + 1):
        with pytest.raises(InvalidRow):
            reader.rows(None, [[number, 1]], place)
        with pytest.raises(InvalidRow):
            decoder.decode(b'{"features": [%d, 1]}' % number)
    assert reader.rows(None, [[2**53 - 1, 1]], place) == [(2**53 - 1, 1.0)]


def test_the_forest_cover_columns_go_by_uci_names_too() -> None:
    """As a model that was fitted on ``fetch_covtype``'s frame knows them."""
    order = tuple(covertype.COLUMNS.index(name) for name in covertype.UCI_COLUMNS)
    reader = RowReader(covertype.SCHEMA, 5, Layouts(covertype.SCHEMA, order, covertype.UCI_ALIASES))
    builder = MatrixBuilder(covertype.SCHEMA, 5)
    row = (*map(float, range(10)), 2.0, 7.0)
    matrix = builder.build([[row]]).copy()
    uci = [*covertype.NUMERIC, *(f"Wilderness_Area{n}" for n in range(1, 5)), *(f"Soil_Type{n}" for n in range(1, 41))]
    values = matrix[:, order]
    for rows in (reader.rows(uci, values.tolist(), place), reader.array(None, values, place)):
        np.testing.assert_array_equal(builder.build([rows]), matrix)
