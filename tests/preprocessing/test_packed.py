"""Rows that are read straight into numbers: the same as msgspec reads, to the last bit, or left to it."""

import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preprocessing import InvalidBody, RowDecoder, Schema, covertype
from preprocessing.block import Block, Rows
from preprocessing.matrix import MatrixBuilder
from preprocessing.packed import PackedRows, row_scanner
from preprocessing.schema import Field

MOST = 5
TABLE = Schema(
    (
        Field("number", missing=True),
        Field("bounded", least=-10.0, greatest=10.0),
        Field("whole", "integer"),
        Field("flag", "boolean"),
        Field("code", "category", categories=("a", "b", "c")),
        Field("ordinal", "category", categories=("a", "b"), encoding="ordinal", missing=True),
    )
)
GOOD = "1.5, 2, 3, 1, 2, 0"

BLANKS = st.text(" \n\r\t", max_size=2)
DIGITS = st.text("0123456789", min_size=1, max_size=22)
NUMBERS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "-", "+", "--"]),
        DIGITS,
        st.sampled_from(["", "."]) | DIGITS.map(lambda digits: "." + digits),
        st.sampled_from(["", "", "", "e5", "E-3", "e"]),
    ),
)
TOKENS = NUMBERS | st.floats().map(repr) | st.sampled_from(["null", "true", "false", '"a"', "nul", "[", "]", "", "0"])
SMALL = st.sampled_from(["0", "1", "2", "-1", "1.0", "0.5", "-0", "-0.0", "null", "9.75", "1e0", "true", "3"])


def read(schema: Schema, body: bytes) -> Any:  # noqa: ANN401 - numbers as bytes, or the error
    """What msgspec reads."""
    try:
        rows = RowDecoder(schema, MOST).decode(body)
    except InvalidBody as error:
        return error
    return np.array(rows, dtype=np.float64).tobytes()


def check(schema: Schema, body: bytes) -> bool:
    """Hold what was read against msgspec; returns whether it was."""
    scanner = row_scanner(schema, MOST)
    assert scanner is not None
    found = scanner.scan(body)
    if found is None:
        return False
    assert scanner.scan(bytearray(body)).array().tobytes() == found.array().tobytes()  # type: ignore[union-attr]
    assert scanner.scan(b"head" + body, 4).array().tobytes() == found.array().tobytes()  # type: ignore[union-attr]
    assert read(schema, body) == found.array().tobytes()
    return True


@given(TOKENS)
@example("9007199254740993")
@example("9007199254740992")
@example("0.1")
@example("123456789012345678901234567890")
@example("1.7976931348623157")
@example("-0")
@example("00")
@example("1.")
@example(".5")
def test_a_number_is_read_as_msgspec_reads_it(token: str) -> None:
    """Whatever stands where a number should: to the last bit, or not at all."""
    check(Schema((Field("only"),)), b'{"features": [%b]}' % token.encode())


@given(st.lists(st.lists(SMALL, min_size=5, max_size=7), min_size=0, max_size=7), st.booleans(), BLANKS)
def test_rows_are_read_as_msgspec_reads_them(rows: list[list[str]], several: bool, blanks: str) -> None:
    """Whether they fit the table or not, and wherever blanks stand."""
    texts = [f"[{(',' + blanks).join(row)}{blanks}]" for row in rows]
    content = f"[{blanks}{f'{blanks},'.join(texts)}{blanks}]" if several else "".join(texts[:1])
    check(TABLE, f'{blanks}{{"features"{blanks}:{blanks}{content}{blanks}}}{blanks}'.encode())


@given(st.lists(st.floats(-1e15, 1e15) | st.integers(-(2**53), 2**53), min_size=10, max_size=10))
def test_usual_rows_are_read_without_msgspec(numbers: list[float]) -> None:
    """Numbers as they are written, if they have no exponent and no more digits than a double can tell apart."""
    texts = [text if "e" not in text else "7" for text in map(repr, numbers)]
    plain = [
        text if len(text.strip("-").replace(".", "")) <= 15 and text not in {"-0", "-0.0"} else "7" for text in texts
    ]
    assert check(covertype.SCHEMA, f'{{"features": [{",".join(plain)}, 3, 39]}}'.encode())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f'{{"features": [{GOOD}], "features": [{GOOD}]}}', id="twice"),
        pytest.param(f'{{"features": [{GOOD}], "more": 1}}', id="more"),
        pytest.param(f'{{"instances": [{GOOD}]}}', id="another name"),
        pytest.param(f'{{"features": [[{GOOD}], {GOOD}]}}', id="rows and values"),
        pytest.param('{"features": []}', id="no value"),
        pytest.param('{"features": [[]]}', id="an empty row"),
        pytest.param(f'{{"features": [{", ".join([f"[{GOOD}]"] * (MOST + 1))}]}}', id="too many"),
        pytest.param(f'{{"features": [{GOOD}]}} x', id="something behind"),
        pytest.param(f'{{"features": [{GOOD}]}}\0', id="a zero byte behind"),
        pytest.param(f'{{"features": [{GOOD}]', id="no end"),
        pytest.param('{"features": [1', id="broken off"),
        pytest.param('{"feat', id="broken off in the name"),
        pytest.param("", id="nothing"),
        pytest.param(f'\ufeff{{"features": [{GOOD}]}}', id="a byte order mark"),
        pytest.param('{"features": [1.5, 2, 3, 1, 3, 0]}', id="an unknown code"),
        pytest.param('{"features": [1.5, 11, 3, 1, 2, 0]}', id="beyond a limit"),
        pytest.param('{"features": [1.5, 2, 3.5, 1, 2, 0]}', id="not whole"),
        pytest.param('{"features": [1.5, null, 3, 1, 2, 0]}', id="missing"),
        pytest.param('{"features": [1.5, 2, 3, true, 2, 0]}', id="a boolean"),
    ],
)
def test_what_is_not_beyond_doubt_is_left_to_msgspec(body: str) -> None:
    """Faults, which it explains, and what is rare."""
    assert not check(TABLE, body.encode())


def test_all_kinds_of_values_are_read() -> None:
    """Codes, booleans as numbers, and missing values where there may be some."""
    assert check(TABLE, f'{{"features": [[{GOOD}], [null, -10.0, -3, 0, 0, null]]}}'.encode())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_are_those_of_rows_in_other_forms(dtype: type[np.floating[Any]]) -> None:
    """Whatever stands beside each other in a batch: packed rows, lists, arrays."""
    scanner = row_scanner(TABLE, MOST)
    assert scanner is not None
    values = [[1.1, -9.9, 3.0, 1.0, 2.0, 0.0], [math.nan, 0.25, -7.0, 0.0, 0.0, math.nan]]
    texts = [json.dumps(row).replace("NaN", "null") for row in values]
    packed = scanner.scan(f'{{"features": [{", ".join(texts)}]}}'.encode())
    assert packed is not None
    assert packed.array().tobytes() == struct.pack("12d", *values[0], *values[1])
    lists = [tuple(row) for row in values]
    block = Block(np.array(values))
    builder = MatrixBuilder(TABLE, 20)
    expected = builder.build([lists], dtype).copy()
    assert builder.build([packed], dtype).tobytes() == expected.tobytes()
    mixed = builder.build([packed, lists, packed, packed, block, packed], dtype)
    assert mixed.tobytes() == np.concatenate([expected] * 6).tobytes()
    assert type(packed) is PackedRows


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from(["packed", "packed", "lists", "block"]))))
def test_packed_rows_alone_and_among_others_have_the_same_matrix(parts: list[tuple[int, str]]) -> None:
    """What goes straight to what writes it, and what is sorted by its form first."""
    scanner = row_scanner(TABLE, MOST)
    assert scanner is not None
    packed: list[Rows] = []
    mixed: list[Rows] = []
    for number, (rows, form) in enumerate([(1, "packed"), *parts]):
        values = [[number + row / 4, -row, number, row % 2, number % 3, row % 2] for row in range(rows)]
        one = scanner.scan(json.dumps({"features": values}).encode())
        assert one is not None
        packed.append(one)
        lists = [tuple(row) for row in values]
        forms: dict[str, Rows] = {"packed": one, "lists": lists, "block": Block(np.array(values))}
        mixed.append(forms[form])
    count = sum(map(len, packed))
    builder, other = MatrixBuilder(TABLE, count), MatrixBuilder(TABLE, count)
    assert builder.build(packed).tobytes() == other.build(mixed).tobytes()
    short = MatrixBuilder(TABLE, count - 1)
    for some in (packed, mixed):
        with pytest.raises(ValueError, match=f"{count} rows do not fit a buffer of {count - 1}"):
            short.build(some)


def test_a_matrix_without_room_is_refused() -> None:
    """Nothing is written beyond its end."""
    scanner = row_scanner(TABLE, MOST)
    assert scanner is not None
    packed = scanner.scan(f'{{"features": [[{GOOD}], [{GOOD}]]}}'.encode())
    assert packed is not None
    with pytest.raises(ValueError, match="do not fit"):
        MatrixBuilder(TABLE, 1).build([packed])


@pytest.mark.parametrize("rows", [1, 2, 3, 700, 1000])
def test_however_many_rows_there_are_all_are_read(rows: int) -> None:
    """In their order."""
    scanner = row_scanner(TABLE, 1000)
    assert scanner is not None
    values = [[row / 4, row % 10, row, row % 2, row % 3, row % 2] for row in range(rows)]
    packed = scanner.scan(json.dumps({"features": values}).encode())
    assert packed is not None
    assert len(packed) == rows
    assert packed.array().tolist() == values
