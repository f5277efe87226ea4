"""The Open Inference Protocol over HTTP: what it takes, what it refuses, and how it answers."""

import contextlib
import json
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forest import Prediction
from preprocessing import Field, InvalidBody, Schema, covertype
from preprocessing.block import Rows
from serving.codecs import Frame
from serving.codecs.asking import Wants
from serving.codecs.frame import read_frame
from serving.codecs.tensors import BYTES, DTYPES, Output, input_infos, output_infos, pack, unpack
from serving.codecs.v2 import OpenInference
from serving.errors import ModelNotReady, NoProbabilities, UnencodableLabels
from serving.exchange import Answer
from serving.model import Model
from serving.table import Table
from tests.helpers.formats import HEADER_LENGTH, columns_of, encoded, matrix, row_of, tensors

CODEC = OpenInference()
TABLE = Table(covertype.SCHEMA, max_rows_per_request=10, max_batch_rows=10)
ROW = row_of(3000)


class Engine:
    """Stands for what has computed an answer."""

    name = "stub"
    bounded = True
    dtype = np.float32

    def __init__(self, classes: list[Any] | None = None) -> None:
        self.classes = None if classes is None else np.array(classes)

    def predict(self, matrix: Any) -> Prediction:  # noqa: ANN401
        """Not asked."""
        raise NotImplementedError


def asked(body: bytes, headers: dict[str, str] | None = None, table: Table = TABLE) -> tuple[Rows, Frame]:
    """What a body asks."""
    told = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return CODEC.decode(table, body, read_frame(CODEC, b"", told))


def of(document: dict[str, Any], table: Table = TABLE) -> tuple[Rows, Frame]:
    """What a document asks."""
    return asked(encoded(document), table=table)


def in_binary(described: list[dict[str, Any]], data: bytes, **more: Any) -> tuple[Rows, Frame]:  # noqa: ANN401
    """What a request in binary form asks."""
    head = encoded({"inputs": described, **more})
    return asked(head + data, {HEADER_LENGTH: str(len(head))})


def values(rows: Rows) -> list[Any]:
    """The matrix of some rows."""
    matrix: list[Any] = TABLE.matrix.build([rows], np.float64).tolist()
    return matrix


def test_rows_come_as_a_matrix_or_as_a_tensor_for_each_field() -> None:
    """In any order, of either shape, flat or nested."""
    expected = columns_of([ROW])
    for inputs in (
        [matrix([ROW])],
        [{**matrix([ROW]), "data": [list(ROW)]}],
        tensors([ROW]),
        tensors([ROW])[::-1],
        [{**each, "shape": [1], "parameters": {"content_type": "np"}} for each in tensors([ROW])],
        [{**each, "data": [each["data"]]} for each in tensors([ROW])],
        [matrix(columns_of([ROW]))],
    ):
        assert values(of({"inputs": inputs})[0]) == expected


@pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT64", "INT8", "UINT16", "UINT64"])
def test_any_datatype_that_has_a_value_will_do(datatype: str) -> None:
    """In JSON and in binary form."""
    row = [100.0, *[1.0] * 9, 2.0, 7.0]
    inputs = [{**each, "datatype": datatype, "data": [int(row[n])]} for n, each in enumerate(tensors([ROW]))]
    expected = columns_of([tuple(row)])
    assert values(of({"inputs": inputs})[0]) == expected
    data = np.array(row, DTYPES[datatype])
    described = {"name": "features", "shape": [1, 12], "datatype": datatype}
    size = {"parameters": {"binary_data_size": data.nbytes}}
    assert values(in_binary([{**described, **size}], data.tobytes())[0]) == expected


def test_a_number_is_what_its_datatype_has() -> None:
    """0.1 in FP32 is not 0.1 in FP64."""
    for datatype, kind in (("FP64", np.float64), ("FP32", np.float32), ("FP16", np.float16)):
        (row,) = values(of({"inputs": [matrix([(0.1, *ROW[1:])], datatype)]})[0])
        assert row[0] == float(kind(0.1))


def test_categories_come_by_name() -> None:
    """As strings, in JSON and in binary form beside numbers; MLServer says so by ``pd`` and ``str``."""
    expected = columns_of([(*ROW[:10], 3.0, 6.0)])
    named = [
        *tensors([ROW])[:10],
        {"name": "Wilderness_Area", "shape": [1], "datatype": "BYTES", "data": ["Rawah"]},
        {
            "name": "Soil_Type",
            "shape": [1],
            "datatype": "BYTES",
            "data": ["UCI7"],
            "parameters": {"content_type": "str"},
        },
    ]
    assert values(of({"inputs": named, "parameters": {"content_type": "pd"}})[0]) == expected
    described, data = [], b""
    for each in named:
        part = pack(
            Output("", each["datatype"], [1], each["data"] if each["datatype"] == BYTES else np.array(each["data"]))
        )
        described.append(
            {key: each[key] for key in ("name", "shape", "datatype")} | {"parameters": {"binary_data_size": len(part)}}
        )
        data += part
    assert values(in_binary(described, data)[0]) == expected


def test_missing_values_are_null_or_nan() -> None:
    """Where the table allows them."""
    table = Table(
        Schema((Field("a", missing=True), Field("b", "category", categories=("x", "y"), encoding="ordinal"))),
        max_rows_per_request=3,
        max_batch_rows=3,
    )
    inputs = [
        {"name": "b", "shape": [2], "datatype": "BYTES", "data": ["y", "x"]},
        {"name": "a", "shape": [2], "datatype": "FP32", "data": [None, 0.5]},
    ]
    expected = [[np.nan, 1.0], [0.5, 0.0]]
    np.testing.assert_array_equal(table.matrix.build([of({"inputs": inputs}, table)[0]]), expected)
    parts = [pack(Output("", BYTES, [2], ["y", "x"])), np.array([np.nan, 0.5], "<f4").tobytes()]
    described = [
        {**{key: each[key] for key in ("name", "shape", "datatype")}, "parameters": {"binary_data_size": len(part)}}
        for each, part in zip(inputs, parts, strict=True)
    ]
    head = encoded({"inputs": described})
    rows, _ = asked(head + b"".join(parts), {HEADER_LENGTH: str(len(head))}, table)
    np.testing.assert_array_equal(table.matrix.build([rows]), expected)


GOOD = matrix([ROW])
FAULTS: dict[str, tuple[object, str]] = {
    "not-json": (b"{", "the JSON ends before it is complete"),
    "array": ([], "$: expected an object, got an array"),
    "no-inputs": ({}, "$: lacks the field `inputs`"),
    "empty": ({"inputs": []}, "$.inputs: has no tensor"),
    "unknown-member": ({"inputs": [GOOD], "input": 1}, "$: has the unknown field `input`"),
    "twice": (b'{"inputs": [], "inputs": []}', "$.inputs: is there more than once"),
    "name-twice": (
        b'{"inputs": [{"name": "a", "name": "features", "shape": [1], "datatype": "FP32", "data": [1]}]}',
        "ame: ",
    ),
    "unnamed": ({"inputs": [{"shape": [1], "datatype": "FP32", "data": [1]}]}, "$.inputs[0]: lacks the field `name`"),
    "datatype": ({"inputs": [{**GOOD, "datatype": "FLOAT"}]}, "$.inputs[0].datatype: 'FLOAT' is none of BOOL"),
    "wrong-name": ({"inputs": [{**GOOD, "name": "x"}]}, "$.inputs[0]: 'x' has the shape [1, 12]"),
    "no-field": (
        {"inputs": [{**GOOD, "name": "x", "shape": [1], "data": [1]}]},
        "$.inputs[0]: 'x' is neither a field nor a column",
    ),
    "shape": ({"inputs": [{**GOOD, "shape": [1, 11]}]}, "data: has 12 elements, and the shape [1, 11] says 11"),
    "dimensions": ({"inputs": [{**GOOD, "shape": [12]}]}, "$.inputs[0]: has the shape [12], and not [n, width]"),
    "negative": ({"inputs": [{**GOOD, "shape": [-1, 12]}]}, "$.inputs[0].shape[0]: expected a whole number >= 0"),
    "width": ({"inputs": [matrix([ROW[:5]])]}, "$.inputs[0]: has 5 values a row, and not the 12 fields or"),
    "no-data": ({"inputs": [{**GOOD, "data": None}]}, "$.inputs[0].data: expected an array, got null"),
    "neither": (
        {"inputs": [{key: value for key, value in GOOD.items() if key != "data"}]},
        "$.inputs[0]: has neither `data` nor the parameter binary_data_size",
    ),
    "element": (
        {"inputs": [{**GOOD, "data": [*ROW[:11], "x"]}]},
        "$.inputs[0].data[11]: expected a number or null, got a string, which no FP64 is",
    ),
    "ragged": ({"inputs": [{**GOOD, "data": [[1.0], 2.0]}]}, "$.inputs[0].data[1]: expected an array, got a number"),
    "nested-otherwise": (
        {"inputs": [{**GOOD, "shape": [2, 12], "data": [[1, 2]] * 12}]},
        "$.inputs[0].data: is nested otherwise than the shape [2, 12] says",
    ),
    "nested-unevenly": ({"inputs": [{**GOOD, "data": [[1] * 5, [1] * 7]}]}, "is nested otherwise than the shape"),
    "nested-deep": ({"inputs": [{**GOOD, "data": [[[1]] * 12]}]}, "is nested otherwise than the shape [1, 12] says"),
    "many-dimensions": ({"inputs": [{**GOOD, "shape": [1 << 32] * 90_000}]}, "shape: has 90000 dimensions"),
    "no-dimension": ({"inputs": [{**GOOD, "shape": []}]}, "shape: has 0 dimensions"),
    "far-number": (
        {"inputs": [{**each, "datatype": "INT64", "data": [2**53]} for each in tensors([ROW])]},
        "$.inputs[0].data[0]: expected a whole number <= 9007199254740991",
    ),
    "too-large": (
        b'{"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP64", "data": [1e400, 1]}]}',
        "out of",
    ),
    "boolean-number": (
        {"inputs": [{**each, "datatype": "BOOL", "data": [True]} for each in tensors([ROW])]},
        "expected a number, got a boolean",
    ),
    "content-type-list": ({"inputs": [GOOD], "parameters": {"content_type": []}}, "content_type: '[]' is none of"),
    "long-timeout": (
        b'{"inputs": [], "parameters": {"timeout": 1%b}}' % (b"0" * 400),
        "must be a number of microseconds",
    ),
    "deep-parameters": (
        b'{"inputs": [], "parameters": {"x": %b}}' % (b"[" * 600 + b"]" * 600),
        "$.inputs: has no tensor",
    ),
    "other-model": ({"inputs": [GOOD], "model_name": "X"}, "the model is still being loaded"),
    "fraction": (
        {"inputs": [{**each, "datatype": "INT64", "data": [1.5]} for each in tensors([ROW])]},
        "$.inputs[0].data[0]: expected a whole number or null, got a number, which no INT64 is",
    ),
    "range": (
        {"inputs": [{**each, "datatype": "INT8", "data": [128]} for each in tensors([ROW])]},
        "$.inputs[0].data[0]: expected a whole number <= 127",
    ),
    "code": ({"inputs": [matrix([(*ROW[:11], 40.0)])]}, "$.inputs[0].data[11]: expected a number <= 39.0 (Soil_Type"),
    "second-row": ({"inputs": [matrix([ROW, (*ROW[:10], 9.0, 0.0)])]}, "$.inputs[0].data[22]: expected a number <= 3"),
    "field-value": (
        {"inputs": [*tensors([ROW, ROW])[:11], {**tensors([ROW, ROW])[11], "data": [0, 40]}]},
        "$.inputs[11].data[1]: expected a number <= 39.0",
    ),
    "rows-differ": (
        {"inputs": [*tensors([ROW, ROW])[:11], tensors([ROW])[11]]},
        "$.inputs[11]: has 1 rows, and 'Elevation' has 2",
    ),
    "half": (
        {"inputs": [*tensors([ROW])[:11], {**tensors([ROW])[11], "name": "Soil_Type_C2702"}]},
        "$.inputs: 'Wilderness_Area' is a field and 'Soil_Type_C2702' a column of the model",
    ),
    "too-many": ({"inputs": [matrix([ROW] * 11)]}, "$.inputs[0]: has 11 rows, more than the 10"),
    "no-rows": ({"inputs": [{**GOOD, "shape": [0, 12], "data": []}]}, "$.inputs[0]: has no row"),
    "output": ({"inputs": [GOOD], "outputs": [{"name": "x"}]}, "$.outputs[0].name: 'x' is neither 'predict' nor"),
    "output-twice": (
        {"inputs": [GOOD], "outputs": [{"name": "predict"}, {"name": "predict"}]},
        "$.outputs[1].name: 'predict' is there more than once",
    ),
    "classification": (
        {"inputs": [GOOD], "outputs": [{"name": "predict", "parameters": {"classification": 3}}]},
        "$.outputs[0].parameters.classification: is not given here",
    ),
    "shared-memory": (
        {"inputs": [{**GOOD, "parameters": {"shared_memory_region": "x"}}]},
        "$.inputs[0].parameters.shared_memory_region: is not taken here",
    ),
    "sequence": ({"inputs": [GOOD], "parameters": {"sequence_id": 1}}, "$.parameters.sequence_id: is not taken here"),
    "content-type": (
        {"inputs": [GOOD], "parameters": {"content_type": "datetime"}},
        "$.parameters.content_type: 'datetime' is none of np, pd, str",
    ),
    "timeout": ({"inputs": [GOOD], "parameters": {"timeout": "1"}}, "$.parameters.timeout: must be a number"),
    "binary-output": (
        {"inputs": [GOOD], "parameters": {"binary_data_output": 1}},
        "$.parameters.binary_data_output: must be true or false",
    ),
    "size-without-length": (
        {"inputs": [{**GOOD, "data": [], "parameters": {"binary_data_size": 8}}]},
        "$.inputs[0]: has both `data` and the parameter binary_data_size",
    ),
}


@pytest.mark.parametrize(("sent", "said"), [pytest.param(*fault, id=name) for name, fault in FAULTS.items()])
def test_a_fault_is_told_with_its_path(sent: object, said: str) -> None:
    """Whatever part of the body has it."""
    with pytest.raises((InvalidBody, ModelNotReady)) as caught:
        asked(sent if isinstance(sent, bytes) else msgspec.json.encode(sent))
    assert said in str(caught.value)


DOUBLE = {"name": "features", "shape": [1, 12], "datatype": "FP64"}


@pytest.mark.parametrize(
    ("described", "data", "said"),
    [
        pytest.param(
            [{**DOUBLE, "parameters": {"binary_data_size": 96}}], bytes(95), "is 96, and 95 bytes", id="short"
        ),
        pytest.param([{**DOUBLE, "parameters": {"binary_data_size": 96}}], bytes(97), "1 bytes behind", id="long"),
        pytest.param([{**DOUBLE, "parameters": {"binary_data_size": 95}}], bytes(95), "are 96", id="size"),
        pytest.param([{**DOUBLE, "parameters": {"binary_data_size": -1}}], b"", "a number of bytes", id="negative"),
        pytest.param(
            [{**DOUBLE, "datatype": "BOOL", "parameters": {"binary_data_size": 12}}],
            b"\2" * 12,
            "other than",
            id="bool",
        ),
        pytest.param(
            [{**DOUBLE, "datatype": "BYTES", "parameters": {"binary_data_size": 3}}], bytes(3), "strings", id="bytes"
        ),
        pytest.param(
            [{**DOUBLE, "datatype": "BOOL", "parameters": {"binary_data_size": 12}}],
            b"\1" * 12,
            "is a boolean, and Elevation a number",
            id="boolean-number",
        ),
        pytest.param(
            [{"name": "Soil_Type", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}}],
            b"\1\0\0\0\xff",
            "codec can't decode",
            id="utf-8",
        ),
        pytest.param(
            [{**DOUBLE, "parameters": {"binary_data_size": 96}}],
            struct.pack("<12d", *[np.nan] * 12),
            "$.inputs[0].data[0]: is missing (NaN), and Elevation must have a value",
            id="nan",
        ),
    ],
)
def test_a_fault_in_the_binary_form_is_told(described: list[dict[str, Any]], data: bytes, said: str) -> None:
    """Sizes that do not fit, and values that do not."""
    with pytest.raises(InvalidBody) as caught:
        in_binary(described, data)
    assert said in str(caught.value)


def test_the_length_of_the_json_is_at_most_that_of_the_body() -> None:
    """Or the body is not what the header says."""
    with pytest.raises(InvalidBody, match="has 2 bytes, and Inference-Header-Content-Length says that 3"):
        asked(b"{}", {HEADER_LENGTH: "3"})


def test_what_a_body_asks_besides_rows() -> None:
    """Outputs, their form, an id, a time-out and parameters to be given back; a null is nothing."""
    _, frame = of({"inputs": [GOOD], "id": None, "outputs": None, "parameters": None})
    assert (frame.options, frame.timeout, frame.constant) == (Wants(), None, True)
    _, frame = of(
        {
            "inputs": [GOOD],
            "id": "seven",
            "parameters": {"timeout": 2_000_000, "colour": "blue", "binary_data_output": True},
            "outputs": [{"name": "predict_proba", "parameters": {"binary_data": False}}, {"name": "predict"}],
        }
    )
    outputs = (("predict_proba", False), ("predict", True))
    assert frame.options == Wants(outputs, "seven", b'{"colour":"blue"}')
    assert (frame.timeout, frame.constant) == (2.0, False)
    body = encoded({"inputs": [GOOD], "parameters": {"timeout": 2_000_000}})
    assert asked(body, {"Canopy-Deadline-Ms": "500"})[1].timeout == 0.5


def answer(labels: list[Any], classes: list[Any] | None = None) -> Answer:
    """What a model has answered, with certainty."""
    model = Model("Forest", "3", Engine(classes), label=labels[0])
    batch = None if classes is None else np.eye(len(classes))[[classes.index(label) for label in labels]]
    return Answer(labels, model, batch, 0, len(labels))


@pytest.mark.parametrize(
    ("labels", "datatype"), [([2, 1], "INT64"), ([1.5, 2.0], "FP64"), (["a", "ß"], "BYTES"), ([True, False], "BOOL")]
)
def test_labels_of_any_kind_have_their_datatype(labels: list[Any], datatype: str) -> None:
    """In JSON and in binary form, as metadata tell."""
    told = answer(labels, sorted(labels))
    document = json.loads(CODEC.encode(told, Wants()).content)
    assert document == {
        "model_name": "Forest",
        "model_version": "3",
        "outputs": [{"name": "predict", "datatype": datatype, "shape": [2, 1], "data": labels}],
    }
    content, media_type, headers = CODEC.encode(told, Wants((("predict", True), ("predict_proba", True)), "x"))
    assert media_type == "application/octet-stream"
    length = int(dict(headers)["inference-header-content-length"])
    document = json.loads(content[:length])
    assert document["id"] == "x"
    first, second = document["outputs"]
    size = first["parameters"]["binary_data_size"]
    found = unpack(datatype, content[length : length + size], 2)
    assert list(found) == labels
    probabilities = np.frombuffer(content[length + size :], "<f8").reshape(second["shape"])
    np.testing.assert_array_equal(probabilities, told.probabilities)
    infos = {info.name: (info.datatype, info.shape) for info in output_infos(told.model)}
    assert infos == {"predict": (datatype, [-1, 1]), "predict_proba": ("FP64", [-1, 2])}


def test_what_cannot_be_told_is_refused() -> None:
    """Probabilities that there are not, and labels without a datatype."""
    with pytest.raises(NoProbabilities):
        CODEC.encode(answer([1]), Wants((("predict_proba", False),)))
    for labels in ([None], [1, "a"], [2**70], [[1]]):
        with pytest.raises(UnencodableLabels):
            CODEC.encode(answer(labels), Wants())


def test_metadata_tell_the_tables_fields() -> None:
    """A tensor for each, in order, of a datatype that has its values."""
    infos = input_infos(covertype.SCHEMA)
    assert [info.name for info in infos] == list(covertype.FIELDS)
    assert [info.datatype for info in infos] == ["FP64"] * 10 + ["INT64"] * 2
    assert infos[10].categories == covertype.WILDERNESS_AREAS
    kinds = Schema((Field("a", "boolean"), Field("b", "integer"), Field("c", "integer", missing=True)))
    assert [info.datatype for info in input_infos(kinds)] == ["BOOL", "INT64", "FP64"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_strings_survive_the_binary_form(strings: list[str]) -> None:
    """Whatever they have, and however many there are."""
    assert unpack(BYTES, pack(Output("", BYTES, [len(strings)], strings)), len(strings)) == strings


@given(st.binary(max_size=40), st.integers(0, 5))
def test_bytes_of_any_kind_are_strings_or_refused(data: bytes, count: int) -> None:
    """Never another exception, nor a string that is not there."""
    try:
        found = unpack(BYTES, data, count)
    except ValueError:
        return
    assert pack(Output("", BYTES, [count], found)) == data


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["inputs", "name", "shape", "datatype", "data", "parameters", "outputs", "id"]), inner
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_taken_or_refused_in_words(document: Any) -> None:  # noqa: ANN401
    """Nothing that a client can send is a fault of the server's."""
    for sent in (document, {"inputs": document}, {"inputs": [document]}, {"inputs": [{**GOOD, "data": document}]}):
        with contextlib.suppress(InvalidBody):
            asked(json.dumps(sent).encode())
