"""MLflow's and KServe's formats: what they take besides what every format does, and what they refuse."""

import io
import json
import math
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing import Field, InvalidBody, Schema, covertype
from preprocessing.block import Rows
from serving.codecs import Codec
from serving.codecs.frame import read_frame
from serving.codecs.invocations import Invocations
from serving.codecs.predict import Predict
from serving.codecs.v1 import Instances
from serving.errors import ModelNotReady, NotServed
from serving.table import Table
from tests.helpers.formats import columns_of, encoded, records, row_of

TABLE = Table(covertype.SCHEMA, max_rows_per_request=10, max_batch_rows=10)
ROW = row_of(3000)
MIXED = Table(
    Schema(
        (
            Field("length", missing=True),
            Field("alive", "boolean"),
            Field("ward", "category", categories=("1", "2", "10")),
            Field("sex", "category", categories=("F", "M"), encoding="ordinal", missing=True),
        )
    ),
    max_rows_per_request=10,
    max_batch_rows=10,
)


def read(codec: Codec, body: bytes, content_type: str = "application/json", table: Table = TABLE) -> Rows:
    """The rows of a body."""
    frame = read_frame(codec, b"", [(b"content-type", content_type.encode())])
    return codec.decode(table, body, frame)[0]


def built(rows: Rows, table: Table = TABLE) -> list[Any]:
    """The matrix of some rows."""
    matrix: list[Any] = table.matrix.build([rows], np.float64).tolist()
    return matrix


def test_a_frame_as_pandas_writes_it() -> None:
    """In every orientation that MLflow takes, and as CSV; columns without names are numbered."""
    named = pd.DataFrame([ROW, ROW], columns=covertype.FIELDS)
    numbered = pd.DataFrame(columns_of([ROW, ROW]))
    for frame in (named, numbered):
        for name, orient in (("dataframe_split", "split"), ("dataframe_records", "records")):
            if orient == "records" and frame is numbered:
                continue  # whose names would be numbers
            body = encoded({name: json.loads(frame.to_json(orient=orient))})
            assert built(read(Invocations(), body)) == columns_of([ROW, ROW])
        text = io.StringIO()
        frame.to_csv(text, index=False)
        assert built(read(Invocations(), text.getvalue().encode(), "text/csv; charset=utf-8")) == columns_of([ROW, ROW])


def test_tensors_of_columns() -> None:
    """A value each, or a list of one each; an empty `params` says nothing."""
    for wrap in (float, lambda value: [value]):
        inputs = {name: [wrap(value)] for name, value in records([ROW])[0].items()}
        assert built(read(Invocations(), encoded({"inputs": inputs, "params": {}}))) == columns_of([ROW])


FAULTS: dict[str, tuple[object, str]] = {
    "array": ([], "$: expected an object with one of dataframe_split"),
    "none": ({}, "$: has none of dataframe_split"),
    "two": ({"instances": [], "inputs": []}, "$: has instances and inputs of"),
    "unknown": ({"data": []}, "$: has the unknown field 'data'"),
    "params": ({"inputs": [ROW], "params": {"a": 1}}, "$.params: is not taken here"),
    "scalar": ({"instances": 1}, "$.instances: expected an array of rows, got a number"),
    "empty": ({"instances": []}, "$.instances: has no row"),
    "flat": ({"instances": [1, 2]}, "$.instances[0]: expected an array or an object for each row, got a number"),
    "ragged": ({"instances": [ROW, ROW[:3]]}, "$.instances[1]: has 3 values, and not 12"),
    "mixed": ({"instances": [records([ROW])[0], ROW]}, "$.instances[1]: expected an object, got an array"),
    "mixed-lists": ({"instances": [ROW, records([ROW])[0]]}, "$.instances[1]: expected an array, got an object"),
    "missing-name": ({"instances": [records([ROW])[0], {"Elevation": 1}]}, "$.instances[1]: lacks the field 'Aspect'"),
    "columns-beside-fields": (
        {"instances": [records([ROW])[0], dict(zip(covertype.COLUMNS, columns_of([ROW])[0], strict=True))]},
        "$.instances[1]: has columns where others have fields",
    ),
    "value": (
        {"dataframe_records": [{**records([ROW])[0], "Slope": "x"}]},
        "$.dataframe_records[0].Slope: expected a n",
    ),
    "lists-as-records": ({"dataframe_records": [ROW]}, "$.dataframe_records: expected an array of objects"),
    "split-array": ({"dataframe_split": []}, "$.dataframe_split: expected an object with `columns` and `data`"),
    "split-data": ({"dataframe_split": {"columns": []}}, "$.dataframe_split: lacks the field `data`"),
    "split-unknown": ({"dataframe_split": {"data": [], "rows": 1}}, "$.dataframe_split: has the unknown field 'rows'"),
    "split-columns": ({"dataframe_split": {"data": [ROW], "columns": 3}}, "columns: expected an array of names"),
    "split-names": ({"dataframe_split": {"data": [ROW], "columns": [1, "a"]}}, "columns: expected an array of names"),
    "split-width": (
        {"dataframe_split": {"data": [ROW[:3]], "columns": covertype.FIELDS}},
        "$.dataframe_split.data[0]: has 3 values, and not 12",
    ),
    "split-unknown-name": (
        {"dataframe_split": {"data": [ROW], "columns": [*covertype.FIELDS[:11], "Colour"]}},
        "$.dataframe_split.data: 'Colour' is neither a field nor a column",
    ),
    "inputs-lengths": (
        {"inputs": {**{name: [1] for name in covertype.FIELDS}, "Slope": [1, 2]}},
        "$.inputs.Slope: has 2 values, and 'Elevation' has 1",
    ),
    "inputs-scalar": ({"inputs": {"Slope": 1}}, "$.inputs.Slope: expected an array of values, got a number"),
    "inputs-empty": ({"inputs": {}}, "$.inputs: has no column"),
    "inputs-value": (
        {"inputs": {**{name: [1] for name in covertype.FIELDS}, "Slope": [None]}},
        "$.inputs.Slope[0]: expected a number, got null",
    ),
}


@pytest.mark.parametrize(("sent", "said"), [pytest.param(*fault, id=name) for name, fault in FAULTS.items()])
def test_a_fault_is_told_with_its_path(sent: object, said: str) -> None:
    """Whatever part of the body has it."""
    with pytest.raises(InvalidBody) as caught:
        read(Invocations(), json.dumps(sent).encode())
    assert said in str(caught.value)


def test_a_name_that_comes_twice_is_refused() -> None:
    """Instead of one of the values taken without a word."""
    body = json.dumps({"instances": records([ROW])}).replace('"Slope"', '"Aspect"').encode()
    for codec in (Invocations(), Instances()):
        with pytest.raises(InvalidBody, match=r"\$\.instances\[0\]\.Aspect: is there more than once"):
            read(codec, body)


def test_csv_has_names_numbers_and_nothing() -> None:
    """A number is a name where names are numbers; pandas's words for booleans and missing values count."""
    text = "ward,sex,length,alive\n2,F,1.5,True\n10,,nan,false\r\n1,M,-2e3,0\n\n"
    rows = read(Invocations(), text.encode(), "text/csv", MIXED)
    expected = [[1.5, 1, 0, 1, 0, 0], [np.nan, 0, 0, 0, 1, np.nan], [-2000, 0, 1, 0, 0, 1]]
    np.testing.assert_array_equal(built(rows, MIXED), expected)
    assert built(read(Invocations(), b"\xef\xbb\xbf" + text.encode(), "text/csv", MIXED), MIXED)[0] == expected[0]


CSV_FAULTS = {
    "empty": (b"", "line 1: is empty"),
    "no-rows": (b"length,alive,ward,sex\n", "line 1: has no row"),
    "no-names": (b"1,2,3,4\n1,2,3,4\n", "line 1: has numbers where names should be"),
    "unknown": (b"length,alive,ward,colour\n1,1,1,F\n", "line 1, column 4: 'colour' is neither a field"),
    "short": (b"length,alive,ward,sex\n1,1,1\n", "line 2: has 3 values below 4 names"),
    "blank": (b"length,alive,ward,sex\n\n1,1,1,F\n", "line 2: is empty"),
    "code": (
        b"length,alive,ward,sex\n1,1,1,F\n1,1,0,F\n",
        "line 3, column 3: Invalid enum value '0' (ward, one of 1, 2, 10",
    ),
    "missing": (
        b"length,alive,ward,sex\n1,,1,F\n",
        "line 2, column 2: expected a boolean or a number, got null (alive)",
    ),
    "underscore": (b"length,alive,ward,sex\n1_0,1,1,F\n", "line 2, column 1: expected a number or null, got a string"),
    "quote": (b'length,alive,ward,sex\n"1,1,1,F\n', "is no CSV"),
    "latin-1": (b"length,alive,ward,sex\n\xfc,1,1,F\n", "is not UTF-8"),
}


@pytest.mark.parametrize(("sent", "said"), [pytest.param(*fault, id=name) for name, fault in CSV_FAULTS.items()])
def test_a_fault_in_csv_is_told_with_its_line(sent: bytes, said: str) -> None:
    """And column; what pandas would take for names without a word is refused."""
    with pytest.raises(InvalidBody) as caught:
        read(Invocations(), sent, "text/csv", MIXED)
    assert said in str(caught.value)


V1_FAULTS: dict[str, tuple[object, str]] = {
    "array": ([], "$: expected an object with `instances`"),
    "none": ({"inputs": []}, "$: expected an object with `instances`"),
    "unknown": ({"instances": [ROW], "rows": 1}, "$: has the unknown field 'rows'"),
    "parameters": ({"instances": [ROW], "parameters": {"a": 1}}, "$.parameters: is not taken here"),
    "signature": ({"instances": [ROW], "signature_name": "other"}, "$.signature_name: is not taken here"),
}


@pytest.mark.parametrize(("sent", "said"), [pytest.param(*fault, id=name) for name, fault in V1_FAULTS.items()])
def test_v1_refuses_what_it_does_not_know(sent: object, said: str) -> None:
    """And takes what says nothing."""
    with pytest.raises(InvalidBody) as caught:
        read(Instances(), json.dumps(sent).encode())
    assert said in str(caught.value)
    quiet = {"instances": [ROW], "parameters": {}, "signature_name": "serving_default"}
    assert built(read(Instances(), encoded(quiet))) == columns_of([ROW])


def test_canopys_own_format_takes_columns_too() -> None:
    """One row, several, or records; what has neither fields nor columns is told as before."""
    (columns,) = columns_of([ROW])
    named = dict(zip(covertype.COLUMNS, columns, strict=True))
    for body in (
        {"features": columns},
        {"features": [columns]},
        {"instances": [named]},
        {"features": ROW},
        {"instances": records([ROW])},
    ):
        for start in (b"", b"\xef\xbb\xbf"):
            assert built(read(Predict(), start + encoded(body))) == [columns]
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"features": [*columns[:53], 2]}, "$.features[53]: expected a number <= 1.0 (Soil_Type_C8776)"),
        ({"features": [columns, columns[:53]]}, "$.features[1]: has 53 values, and not 54"),
        ({"features": columns[:53]}, "$.features: expected an array of length 12"),
        ({"instances": [{**named, "Slope": None}]}, "$.instances[0].Slope: expected a number, got null"),
        ({"instances": [{**records([ROW])[0], "Soil_Type_C2702": 1}]}, "$.instances[0]: has the unknown field `Soil_"),
    )
    for faulty, said in wrong:
        with pytest.raises(InvalidBody) as caught:
            read(Predict(), encoded(faulty))
        assert said in str(caught.value)


def test_names_that_are_numbers_are_names() -> None:
    """Where the table has them; else a frame's numbers stand for no names."""
    table = Table(Schema.of_columns(["1", "0"]), max_rows_per_request=9, max_batch_rows=9)
    csv = read(Invocations(), b"0,1\n10,20\n", "text/csv", table)
    split = [
        read(Invocations(), encoded({"dataframe_split": {"columns": columns, "data": [[10, 20]]}}), table=table)
        for columns in ([0, 1], ["0", "1"])
    ]
    records = read(Invocations(), b'{"dataframe_records": [{"0": 10, "1": 20}]}', table=table)
    assert [built(rows, table) for rows in (csv, *split, records)] == [[[20, 10]]] * 4
    tens = Table(Schema.of_columns(["10", "20"]), max_rows_per_request=9, max_batch_rows=9)
    assert built(read(Invocations(), b"20,10\n1,2\n", "text/csv", tens), tens) == [[2, 1]]


def test_nan_is_a_missing_value_as_pythons_encoder_writes_it() -> None:
    """MLflow's client does; nothing else becomes lawful by it."""
    row = [math.nan, True, "10", math.nan]
    names = MIXED.schema.names
    body = json.dumps({"dataframe_split": {"columns": names, "data": [row]}}).encode()
    np.testing.assert_array_equal(built(read(Invocations(), body, table=MIXED), MIXED), [[np.nan, 1, 0, 0, 1, np.nan]])
    for sent, said in (
        (body.replace(b"true", b"Infinity"), "inf is not a number that JSON can carry"),
        (body.replace(b'"data"', b'"columns"'), "$.dataframe_split.columns: is there more than once"),
        (body.replace(b"true", b"NaN"), "data[0][1]: expected a boolean or a number, got null"),
        (body[:-1], "Expecting ',' delimiter"),
        (b"[" * 50_000 + b"NaN", "nested too deeply"),
    ):
        with pytest.raises(InvalidBody) as caught:
            read(Invocations(), sent, table=MIXED)
        assert said in str(caught.value)
    with pytest.raises(InvalidBody, match="nan is not a number that JSON can carry"):
        read(Instances(), body.replace(b"dataframe_split", b"instances"), table=MIXED)


DEEP = b"[" * 600 + b"]" * 600


def test_a_small_body_neither_takes_long_nor_is_a_fault_of_the_servers() -> None:
    """However deep it is, and however long its names and numbers are; nor is what it says repeated in full."""
    started = time.process_time()
    for codec, sent, content_type in (
        (Invocations(), b"length,alive,ward,sex\n" + b"1" * 500_000 + b"x,1,1,F\n", "text/csv"),
        (Invocations(), b"length,alive,ward,sex\n" + b"1" * 500_000 + b",1,1,F\n", "text/csv"),
        (Invocations(), b'{"instances": ' + DEEP + b"}", "application/json"),
        (Instances(), b'{"instances": ' + DEEP + b"}", "application/json"),
        (Instances(), b'{"instances": [{"a": 1, "a": ' + DEEP + b"}]}", "application/json"),
        (Instances(), b'{"' + b"x" * 400_000 + b'": [' + b"0," * 3000 + b"NaN]}", "application/json"),
        (Invocations(), b'{"inputs": {"' + b"a" * 300_000 + b'": [1], "b": [1, 2]}}', "application/json"),
    ):
        with pytest.raises(InvalidBody) as caught:
            read(codec, sent, content_type, MIXED)
        assert len(str(caught.value)) < 2000
    assert time.process_time() - started < 20  # each took that long, or for ever


def test_errors_have_the_protocols_form() -> None:
    """MLflow's code and message, and V1's error."""
    for error, status, code in (
        (NotServed("x"), 404, "ENDPOINT_NOT_FOUND"),
        (KeyError("secret"), 500, "INTERNAL_ERROR"),
    ):
        response = Invocations().error(error)
        document = json.loads(bytes(response.body))
        assert (response.status_code, document["error_code"]) == (status, code)
        assert "secret" not in document["message"]
    response = Instances().error(ModelNotReady())
    assert response.headers["retry-after"] == "1"
    assert json.loads(bytes(response.body)) == {"error": "the model is still being loaded"}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(covertype.FIELDS), inner),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs"]), st.text())
def test_anything_is_taken_or_refused_in_words(document: Any, form: str, text: str) -> None:  # noqa: ANN401
    """Nothing that a client can send is a fault of the server's."""
    split = {"dataframe_split": {"columns": document, "data": [document]}}
    for codec in (Invocations(), Instances()):
        for sent in (document, {form: document}, {form: [document]}, split):
            try:
                read(codec, json.dumps(sent).encode())
            except InvalidBody:
                continue
    for sent in (text, f"length,alive,ward,sex\n{text}"):
        try:
            read(Invocations(), sent.encode("utf-8", "replace"), "text/csv", MIXED)
        except InvalidBody:
            continue
