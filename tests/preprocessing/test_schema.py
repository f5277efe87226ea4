"""Tables as values: read, compared, and rows of any of them decoded."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing import BadSchema, Field, InvalidRow, RowDecoder, Schema, covertype
from preprocessing.matrix import MatrixBuilder
from tests.preprocessing.tables import rows, schemas


@given(schemas())
def test_a_schema_is_read_as_it_was_written(schema: Schema) -> None:
    """Whatever names are in it."""
    assert Schema.read(schema.encode()) == schema


def test_the_forest_cover_table_is_one() -> None:
    """With all that it has: aliases and an example."""
    assert Schema.read(covertype.SCHEMA.encode()) == covertype.SCHEMA
    assert Schema.of_columns(["a", "b"]).expanded == ("a", "b")
    assert Schema.unnamed(3).names == ("f0", "f1", "f2")
    assert Schema.unnamed(3) != Schema.unnamed(2)


def columns_by_hand(schema: Schema, row: list[Any]) -> list[float]:
    """The columns of a row, one by one."""
    found: list[float] = []
    for field, value in zip(schema.fields, row, strict=True):
        if field.is_one_hot:
            found += [float(code == value) for code in range(len(field.categories))]
        else:
            found.append(math.nan if value is None else float(value))
    return found


@given(st.data())
def test_rows_of_any_table_become_its_columns(data: st.DataObject) -> None:
    """By position and by name, codes and their names, in whatever order; and nothing of one row is in another."""
    schema = data.draw(schemas())
    several = data.draw(st.lists(rows(schema), min_size=1, max_size=4))
    decoder, builder = RowDecoder(schema, 4), MatrixBuilder(schema, 4)
    expected = np.array([columns_by_hand(schema, row) for row in several], dtype=np.float32)
    by_position = decoder.decode(json.dumps({"features": several}).encode())
    np.testing.assert_array_equal(builder.build([by_position]), expected)
    records = []
    for row in several:
        record = {}
        for field, value in data.draw(st.permutations(list(zip(schema.fields, row, strict=True)))):
            spoken = [name for name, code in field.codes.items() if code == value and value is not None]
            record[field.name] = data.draw(st.sampled_from([value, *spoken]))
        records.append(record)
    by_name = decoder.decode(json.dumps({"instances": records}, ensure_ascii=data.draw(st.booleans())).encode())
    np.testing.assert_array_equal(builder.build([by_name]), expected)


@given(st.data())
def test_a_name_that_comes_twice_is_refused_in_any_table(data: st.DataObject) -> None:
    """Also if names have quotation marks in them."""
    schema = data.draw(schemas())
    (row,) = data.draw(st.lists(rows(schema), min_size=1, max_size=1))
    record = json.dumps(dict(zip(schema.names, row, strict=True)))
    again = json.dumps({schema.names[0]: row[0]})
    body = f'{{"instances": [{record[:-1]}, {again[1:]}]}}'.encode()
    with pytest.raises(InvalidRow, match="more than once"):
        RowDecoder(schema, 4).decode(body)


TABLE = Schema(
    (
        Field("mean radius"),
        Field("count", "integer"),
        Field("ill", "boolean"),
        Field("kind", "category", categories=("x", "y"), encoding="ordinal"),
        Field("age", missing=True),
    )
)


@pytest.mark.parametrize(
    ("record", "path", "reason"),
    [
        pytest.param(
            {"mean radius": "x"}, '$.instances[0]["mean radius"]', "expected a number, got a string", id="name"
        ),
        pytest.param({"count": 2.5}, "$.instances[0].count", "multiple of 1", id="fraction"),
        pytest.param({"ill": "yes"}, "$.instances[0].ill", "expected a boolean or a number", id="boolean"),
        pytest.param({"ill": 2}, "$.instances[0].ill", "<= 1", id="no-boolean"),
        pytest.param({"kind": "z"}, "$.instances[0].kind", "(kind is one of x, y, a code 0..1)", id="category"),
        pytest.param({"age": "old"}, "$.instances[0].age", "a number or null", id="missing"),
        pytest.param({"count": None}, "$.instances[0].count", "got null", id="not-missing"),
    ],
)
def test_a_value_that_is_none_of_the_fields_is_refused_by_its_path(
    record: dict[str, Any], path: str, reason: str
) -> None:
    """In words for who sent it."""
    good = {"mean radius": 1.5, "count": 3, "ill": True, "kind": "y", "age": None}
    with pytest.raises(InvalidRow) as raised:
        RowDecoder(TABLE, 4).decode(json.dumps({"instances": [good | record]}).encode())
    assert raised.value.path == path
    assert reason in raised.value.reason


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        pytest.param("{", "$", "no JSON", id="no-json"),
        pytest.param("[]", "$", "expected an object, got an array", id="array"),
        pytest.param("{}", "$", "lacks the field `fields`", id="nothing"),
        pytest.param('{"fields": []}', "$.fields", "at least one field", id="no-fields"),
        pytest.param('{"fields": [{"name": ""}]}', "$.fields[0].name", "is empty", id="no-name"),
        pytest.param('{"fields": [{"name": "a\\n"}]}', "$.fields[0].name", "control character", id="awkward-name"),
        pytest.param('{"fields": [{"name": "a"}, {"name": "a"}]}', "$.fields", "more than once", id="twice"),
        pytest.param(
            '{"fields": [{"name": "a", "typ": "number"}]}', "$.fields[0]", "unknown field `typ`", id="unknown"
        ),
        pytest.param('{"fields": [{"name": "a", "type": "x"}]}', "$.fields[0].type", "'x'", id="type"),
        pytest.param('{"fields": [{"name": "a", "type": "category"}]}', "$.fields[0]", "`categories`", id="no-codes"),
        pytest.param('{"fields": [{"name": "a", "categories": ["b"]}]}', "$.fields[0]", "not for number", id="codes"),
        pytest.param(
            '{"fields": [{"name": "a", "type": "category", "categories": ["b"], "missing": true}]}',
            "$.fields[0].missing",
            "cannot say",
            id="missing-indicator",
        ),
        pytest.param(
            '{"fields": [{"name": "a", "type": "category", "categories": ["b"], "aliases": {"x y": 1}}]}',
            '$.fields[0].aliases["x y"]',
            "0..0",
            id="alias",
        ),
        pytest.param(
            '{"fields": [{"name": "a", "columns": ["b", "c"]}]}', "$.fields[0].columns", "2 names for 1", id="columns"
        ),
        pytest.param(
            '{"fields": [{"name": "a"}, {"name": "b", "columns": ["a"]}]}',
            "$.fields",
            "the column 'a'",
            id="same-column",
        ),
        pytest.param('{"fields": [{"name": "a"}], "example": [1, 2]}', "$.example", "2 values for 1", id="example"),
        pytest.param(
            '{"fields": [{"name": "a", "type": "integer"}], "example": [0.5]}', "$.example[0]", "whole", id="value"
        ),
        pytest.param('{"fields": [{"name": "a"}], "example": [true]}', "$.example[0]", "a number", id="no-boolean"),
    ],
)
def test_a_description_that_means_no_table_is_refused_by_the_path_of_its_fault(
    text: str, path: str, reason: str
) -> None:
    """In words for who wrote it."""
    with pytest.raises(BadSchema) as raised:
        Schema.read(text.encode())
    assert raised.value.path == path
    assert reason in raised.value.reason


LIMITED = Schema((Field("month", "integer", least=1, greatest=12), Field("length", least=-2.5), Field("rest")))


def test_a_number_beyond_what_the_model_takes_is_refused_by_its_path() -> None:
    """Integers and numbers; a row to try the model with is within, too."""
    decoder = RowDecoder(LIMITED, 10)
    assert LIMITED.row == (1.0, 0.0, 0.0)
    assert Schema.read(LIMITED.encode()) == LIMITED
    assert decoder.decode(b'{"features": [12, -2.5, 1e30]}') == [(12.0, -2.5, 1e30)]
    for body, path in (
        (b'{"features": [13, 0, 0]}', "$.features[0]"),
        (b'{"features": [1, -2.6, 0]}', "$.features[1]"),
        (b'{"instances": [{"month": 0, "length": 0, "rest": 0}]}', "$.instances[0].month"),
    ):
        with pytest.raises(InvalidRow) as refused:
            decoder.decode(body)
        assert refused.value.path == path


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(Field("a", "boolean", least=0), id="no number"),
        pytest.param(Field("a", least=2, greatest=1), id="no number within"),
    ],
)
def test_limits_that_mean_nothing_are_refused(field: Field) -> None:
    """Of what is no number, and where there is none within them."""
    with pytest.raises(BadSchema, match="least"):
        Schema((field,))
