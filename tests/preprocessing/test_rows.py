"""Decoding and validation of request bodies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing import InvalidBody, InvalidRow, MalformedJSON, Row, RowDecoder, schema
from preprocessing.rows import FLOAT32_MAX

GOOD = [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 1, 28]
NAMED = dict(zip(schema.FIELDS, GOOD, strict=True))
DECODER = RowDecoder(max_rows=5)

NUMBERS = st.floats(-FLOAT32_MAX, FLOAT32_MAX) | st.integers(-(2**53), 2**53)
ROWS = st.tuples(*[NUMBERS] * 10, st.integers(0, 3), st.integers(0, 39)).map(list)


def features(value: object) -> bytes:
    """A body of the positional form."""
    return json.dumps({"features": value}).encode()


def instances(*records: object) -> bytes:
    """A body of the named form."""
    return json.dumps({"instances": records}).encode()


def replaced(index: int, value: object) -> list[Any]:
    """The good row with another value at one place."""
    return [*GOOD[:index], value, *GOOD[index + 1 :]]


@given(ROWS)
def test_one_row_is_decoded_as_it_is(row: list[float]) -> None:
    """The reference's own form: twelve numbers, codes last."""
    assert DECODER.decode(features(row)) == [tuple(map(float, row))]


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_many_rows_are_decoded_in_order(rows: list[list[float]]) -> None:
    """A list of rows, however short, is a request of many rows."""
    assert DECODER.decode(features(rows)) == [tuple(map(float, row)) for row in rows]


@given(st.lists(ROWS, min_size=1, max_size=5), st.randoms())
def test_named_records_mean_the_same_as_rows(rows: list[list[float]], random: Any) -> None:  # noqa: ANN401 - Random-like
    """Whatever the order of the keys, and whether codes or names are given, the rows are the same."""
    records = []
    for row in rows:
        items = list(zip(schema.FIELDS, row, strict=True))
        random.shuffle(items)
        record: dict[str, object] = dict(items)
        record["Wilderness_Area"] = random.choice([row[10], schema.WILDERNESS_AREAS[int(row[10])]])
        soil = int(row[11])
        record["Soil_Type"] = random.choice([soil, float(soil), schema.SOIL_TYPES[soil], f"UCI{soil + 1}"])
        records.append(record)
    assert DECODER.decode(instances(*records)) == [tuple(map(float, row)) for row in rows]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_garbage_is_refused_as_an_invalid_body(body: bytes) -> None:
    """Nothing but rows and InvalidBody ever comes out."""
    with pytest.raises(InvalidBody):
        DECODER.decode(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=13) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(["features", "instances", "other"]), JSON, max_size=2))
def test_any_json_is_refused_with_a_path_or_decoded_to_whole_rows(document: dict[str, object]) -> None:
    """What is well-formed is either valid or named by the path of its fault."""
    try:
        rows = DECODER.decode(json.dumps(document).encode())
    except InvalidRow as error:
        fault = error
    else:
        assert all(len(row) == 12 for row in rows)
        return
    assert fault.path.startswith("$")
    assert str(fault) == f"{fault.path}: {fault.reason}"


FAULTS = [
    pytest.param(features(GOOD[:11]), "$.features", "length 12", id="too-few"),
    pytest.param(features([*GOOD, 1]), "$.features", "length 12", id="too-many"),
    pytest.param(features([]), "$.features", "length 12", id="empty-row"),
    pytest.param(features([GOOD, GOOD[:11]]), "$.features[1]", "length 12", id="too-few-in-second-row"),
    pytest.param(features([[]]), "$.features[0]", "length 12", id="empty-first-row"),
    pytest.param(features(replaced(2, "3")), "$.features[2]", "(Slope)", id="string"),
    pytest.param(features(replaced(0, None)), "$.features[0]", "(Elevation)", id="null"),
    pytest.param(features(replaced(1, True)), "$.features[1]", "(Aspect)", id="boolean"),
    pytest.param(features(replaced(10, True)), "$.features[10]", "bool", id="boolean-code"),
    pytest.param(features(replaced(3, [1])), "$.features[3]", "array", id="array"),
    pytest.param(features(replaced(3, {})), "$.features[3]", "object", id="object"),
    pytest.param(features(replaced(4, float("nan"))), "$.features[4]", "nan", id="nan"),
    pytest.param(features(replaced(5, float("inf"))), "$.features[5]", "inf", id="infinity"),
    pytest.param(features([GOOD, replaced(5, float("-inf"))]), "$.features[1][5]", "-inf", id="minus-infinity"),
    pytest.param(instances(NAMED | {"Slope": float("nan")}), "$.instances[0].Slope", "nan", id="named-nan"),
    pytest.param(features(replaced(6, 3.5e38)), "$.features[6]", "Hillshade_9am", id="beyond-float32"),
    pytest.param(features(replaced(6, -3.5e38)), "$.features[6]", "Hillshade_9am", id="beyond-negative-float32"),
    pytest.param(features(replaced(6, 10**400)), "$.features[6]", "range", id="beyond-float64"),
    pytest.param(features(replaced(10, 4)), "$.features[10]", "code 0..3", id="wilderness-out-of-range"),
    pytest.param(features(replaced(10, -1)), "$.features[10]", ">= 0", id="wilderness-negative"),
    pytest.param(features(replaced(10, 1.5)), "$.features[10]", "multiple of 1", id="wilderness-fractional"),
    pytest.param(features(replaced(11, 40)), "$.features[11]", "code 0..39", id="soil-out-of-range"),
    pytest.param(features(replaced(11, 0.25)), "$.features[11]", "multiple of 1", id="soil-fractional"),
    pytest.param(features([replaced(11, 40)]), "$.features[0][11]", "Soil_Type", id="soil-of-first-row"),
    pytest.param(features([GOOD, None]), "$.features[1]", "null", id="null-row"),
    pytest.param(features([GOOD] * 6), "$.features", "more rows than the 5", id="too-many-rows"),
    pytest.param(instances(*[NAMED] * 6), "$.instances", "more rows than the 5", id="too-many-records"),
    pytest.param(features("3000"), "$.features", "array", id="features-string"),
    pytest.param(features(None), "$.features", "array", id="features-null"),
    pytest.param(features({}), "$.features", "array", id="features-object"),
    pytest.param(instances(), "$.instances", "has no row", id="no-records"),
    pytest.param(instances({}), "$.instances[0]", "Elevation", id="empty-record"),
    pytest.param(instances(GOOD), "$.instances[0]", "object", id="row-as-record"),
    pytest.param(instances(NAMED | {"Slop": 1}), "$.instances[0]", "Slop", id="unknown-field"),
    pytest.param(
        instances(NAMED, {k: v for k, v in NAMED.items() if k != "Slope"}),
        "$.instances[1]",
        "Slope",
        id="missing-field",
    ),
    pytest.param(instances(NAMED | {"Slope": None}), "$.instances[0].Slope", "null", id="named-null"),
    pytest.param(
        instances(NAMED | {"Wilderness_Area": "Yosemite"}), "$.instances[0].Wilderness_Area", "Neota", id="unknown-area"
    ),
    pytest.param(
        instances(NAMED | {"Wilderness_Area": 4}), "$.instances[0].Wilderness_Area", "0..3", id="area-out-of-range"
    ),
    pytest.param(instances(NAMED | {"Soil_Type": "C7746 "}), "$.instances[0].Soil_Type", "C2702", id="unknown-soil"),
    pytest.param(instances(NAMED | {"Soil_Type": "UCI0"}), "$.instances[0].Soil_Type", "UCI1..UCI40", id="uci-zero"),
    pytest.param(
        instances(NAMED | {"Soil_Type": "7"}), "$.instances[0].Soil_Type", "code 0..39", id="number-as-string"
    ),
    pytest.param(instances(NAMED | {"Soil_Type": 7745}), "$.instances[0].Soil_Type", "C8776", id="elu-as-number"),
    pytest.param(instances(NAMED | {"Soil_Type": 1.5}), "$.instances[0].Soil_Type", "UCI", id="named-fraction"),
    pytest.param(b"{}", "$", "neither", id="empty-object"),
    pytest.param(b"[]", "$", "object", id="array-body"),
    pytest.param(b"3", "$", "object", id="number-body"),
    pytest.param(b'{"feature": []}', "$", "feature", id="unknown-key"),
    pytest.param(b'{"features": [1], "instances": []}', "$", "both", id="both-forms"),
]


@pytest.mark.parametrize(("body", "path", "reason"), FAULTS)
def test_a_fault_is_refused_with_its_path(body: bytes, path: str, reason: str) -> None:
    """The error names where the fault is and what should be there."""
    with pytest.raises(InvalidRow) as caught:
        DECODER.decode(body)
    assert caught.value.path == path
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"nonsense", id="word"),
        pytest.param(b'{"features": [1, 2', id="cut-off"),
        pytest.param(features(GOOD) + b"x", id="trailing"),
        pytest.param(features(GOOD).decode().encode("utf-16"), id="utf-16"),
        pytest.param(b'{"feat\xffures": []}', id="invalid-utf-8"),
        pytest.param(b'{"features":' + b"[" * 100_000, id="deep"),
        pytest.param(b'{"features":[NaN,', id="nan-cut-off"),
    ],
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    """A body that does not parse is told from one that breaks the schema."""
    with pytest.raises(MalformedJSON):
        DECODER.decode(body)


def test_white_space_and_key_order_do_not_matter() -> None:
    """The forms are told apart by their content, not by how it is spaced."""
    row: Row = tuple(map(float, GOOD))
    assert DECODER.decode(b' {\n"features" :\t[ [' + json.dumps(GOOD).encode()[1:-1] + b" ] ] } ") == [row]
