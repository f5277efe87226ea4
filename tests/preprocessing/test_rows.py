"""Decoding and validation of request bodies."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing import InvalidBody, InvalidRow, MalformedJSON, Row, RowDecoder, covertype
from preprocessing.matrix import MatrixBuilder
from preprocessing.schema import FLOAT32_MAX

GOOD = [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 1, 28]
NAMED = dict(zip(covertype.FIELDS, GOOD, strict=True))
DECODER = RowDecoder(covertype.SCHEMA, max_rows=5)

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
        items = list(zip(covertype.FIELDS, row, strict=True))
        random.shuffle(items)
        record: dict[str, object] = dict(items)
        record["Wilderness_Area"] = random.choice([row[10], covertype.WILDERNESS_AREAS[int(row[10])]])
        soil = int(row[11])
        record["Soil_Type"] = random.choice([soil, float(soil), covertype.SOIL_TYPES[soil], f"UCI{soil + 1}"])
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


def replaced_text(index: int, text: str) -> bytes:
    """The body of the good row with another text at one place."""
    values = [*map(str, GOOD)]
    values[index] = text
    return b'{"features": [%b]}' % ", ".join(values).encode()


def twice(body: bytes) -> bytes:
    """A body whose one name comes twice."""
    return body[:-1] + b", " + body[1:]


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
    pytest.param(b'{"features": [1], "instances": null}', "$", "both", id="both-forms-one-null"),
    pytest.param(b"null", "$", "an object with `features` or `instances`", id="null-body"),
    pytest.param(b'{"inputs": [[1]]}', "$", "`inputs`; send `features` or `instances`", id="another-protocol"),
    pytest.param(instances(GOOD), "$.instances[0]", "send it as `features`", id="kserve-lists"),
    pytest.param(instances(NAMED, GOOD), "$.instances[1]", "send it as `features`", id="kserve-list-behind-a-record"),
    pytest.param(features(NAMED), "$.features", "send records as `instances`", id="record-as-features"),
    pytest.param(features([NAMED]), "$.features[0]", "send records as `instances`", id="records-as-features"),
    pytest.param(replaced_text(0, "NaN, 1e999"), "$.features[0]", "nan", id="nan-before-a-large-number"),
    pytest.param(features([[10**400, float("nan")]]), "$.features[0][1]", "nan", id="nan-behind-a-large-number"),
    pytest.param(b'{"\\ud800": 1}', r'$["\ud800"]', "surrogate", id="half-a-pair-in-a-key"),
    pytest.param(b'{"f\\udc00\\ud800": 1}', r'$["f\udc00\ud800"]', "surrogate", id="pair-the-wrong-way-round"),
    pytest.param(features("\ud83d"), "$.features", "surrogate", id="half-a-pair-as-a-value"),
    pytest.param(
        instances(NAMED | {"Soil_Type": "\udfff"}), "$.instances[0].Soil_Type", "surrogate", id="half-a-pair-as-a-name"
    ),
    pytest.param(
        instances(NAMED | {"\ud800x": 1}), r'$.instances[0]["\ud800x"]', "surrogate", id="half-a-pair-in-a-record"
    ),
    pytest.param(twice(features(GOOD)), "$.features", "more than once", id="two-rows"),
    pytest.param(twice(features([GOOD])), "$.features", "more than once", id="two-lists-of-rows"),
    pytest.param(twice(instances(NAMED)), "$.instances", "more than once", id="two-lists-of-records"),
    pytest.param(
        features(GOOD).replace(b"{", b'{"feat\\u0075res": %b, ' % json.dumps(GOOD).encode()),
        "$.features",
        "more than once",
        id="two-rows-one-name-escaped",
    ),
    pytest.param(
        instances(NAMED, NAMED)[:-3] + b', "Slope": 7}]}', "$.instances[1].Slope", "more than once", id="field-twice"
    ),
    pytest.param(
        instances(NAMED)[:-3] + b', "Soil_Type": "C2702"}]}',
        "$.instances[0].Soil_Type",
        "more than once",
        id="code-and-name",
    ),
    pytest.param(features("x" * 100_000).replace(b"features", b"x" * 100_000), "$", "xxx…", id="long-key"),
    pytest.param(b'{"x` - at `$.instances[7]": 1}', "$", "unknown field", id="key-like-a-path"),
]


@pytest.mark.parametrize(("body", "path", "reason"), FAULTS)
def test_a_fault_is_refused_with_its_path(body: bytes, path: str, reason: str) -> None:
    """The error names where the fault is and what should be there."""
    with pytest.raises(InvalidRow) as caught:
        DECODER.decode(body)
    assert caught.value.path == path
    assert reason in caught.value.reason


MALFORMED = [
    pytest.param(b"", "the body is empty", id="empty"),
    pytest.param(b" \r\n\t", "the body is empty", id="blank"),
    pytest.param(b"nonsense", "character", id="word"),
    pytest.param(b'{"features": [1, 2', "ends before it is complete", id="cut-off-in-a-number"),
    pytest.param(b'{"features": [1, 2]', "ends before it is complete", id="cut-off"),
    pytest.param(b'{"features": ["12', "ends before it is complete", id="cut-off-in-a-string"),
    pytest.param(features(GOOD) + b"x", "trailing", id="trailing"),
    pytest.param(features(GOOD) + b"\0", "trailing", id="trailing-zero"),
    pytest.param(b"0 0", "trailing", id="two-numbers"),
    pytest.param(b'"x" "y"', "trailing", id="two-strings"),
    pytest.param(b"[] []", "trailing", id="two-arrays"),
    pytest.param(b'{"feature": 1} x', "trailing", id="trailing-behind-a-wrong-key"),
    pytest.param(features([*GOOD, 1]) + b"}", "trailing", id="trailing-behind-a-wrong-row"),
    pytest.param(b'{"features": [1, 2],}', "trailing comma", id="trailing-comma"),
    pytest.param(b"[1, 2", "ends before it is complete", id="cut-off-array"),
    pytest.param(replaced_text(0, "01"), "number", id="leading-zero"),
    pytest.param(replaced_text(0, "+1"), "character", id="plus"),
    pytest.param(replaced_text(0, ".5"), "character", id="no-digit-before-the-point"),
    pytest.param(replaced_text(0, "1_000"), "expected", id="underscore"),
    pytest.param(b"/* a row */" + features(GOOD), "character", id="comment"),
    pytest.param(b"{'features': [1]}", "keys must be strings", id="single-quotes"),
    pytest.param(features(GOOD).decode().encode("utf-16"), "UTF-16", id="utf-16"),
    pytest.param(features(GOOD).decode().encode("utf-16-le"), "UTF-16", id="utf-16-without-mark"),
    pytest.param(features(GOOD).decode().encode("utf-16-be"), "UTF-16", id="utf-16-big-endian"),
    pytest.param(features(GOOD).decode().encode("utf-32"), "UTF-32", id="utf-32"),
    pytest.param(features([float("-inf")]).decode().encode("utf-16"), "UTF-16", id="utf-16-with-infinity"),
    pytest.param(bytes(100), "character", id="zeros"),
    pytest.param(b"\xef\xbb\xbf\xef\xbb\xbf" + features(GOOD), "byte 3", id="two-byte-order-marks"),
    pytest.param(b"\xef\xbb\xbf", "the body is empty", id="byte-order-mark-alone"),
    pytest.param(b'{"feat\xffures": []}', "not UTF-8: invalid start byte (byte 6)", id="invalid-utf-8"),
    pytest.param(b'{"features": ["\xc0\xaf"]}', "not UTF-8", id="invalid-utf-8-in-a-value"),
    pytest.param(b'{"features":' + b"[" * 100_000, "nested too deeply", id="deep"),
    pytest.param(b"[" * 100_000 + b"]" * 100_000, "nested too deeply", id="deep-and-complete"),
    pytest.param(b'{"features":[NaN,', "character", id="nan-cut-off"),
]


@pytest.mark.parametrize(("body", "reason"), MALFORMED)
def test_what_is_no_json_is_malformed(body: bytes, reason: str) -> None:
    """A body that does not parse is told from one that breaks the schema, wherever it would have broken it first."""
    with pytest.raises(MalformedJSON) as caught:
        DECODER.decode(body)
    assert reason in str(caught.value)


@pytest.mark.parametrize("body", [pytest.param(case.values[0], id=case.id) for case in (*FAULTS, *MALFORMED)])
def test_no_error_speaks_of_a_library_or_at_length(body: bytes) -> None:
    """The words are JSON's and the request's own."""
    with pytest.raises(InvalidBody) as caught:
        DECODER.decode(body)
    text = str(caught.value)
    assert len(text) < 600
    assert not re.search(r"`(float|int|str|bool|null|array|object)`|Object |codec|recursion|Input data", text)


@pytest.mark.parametrize("body", [features(GOOD), features([GOOD, GOOD]), instances(NAMED)])
def test_a_byte_order_mark_is_passed_over(body: bytes) -> None:
    """Some clients write one; where something is wrong behind it, places are those in the body as it was sent."""
    assert DECODER.decode(b"\xef\xbb\xbf" + body) == DECODER.decode(body)
    assert DECODER.decode(bytearray(b"\xef\xbb\xbf" + body)) == DECODER.decode(body)
    with pytest.raises(MalformedJSON) as marked:
        DECODER.decode(b"\xef\xbb\xbf" + body + b"x")
    with pytest.raises(MalformedJSON) as blank:
        DECODER.decode(b"   " + body + b"x")
    assert str(marked.value) == str(blank.value)


@given(st.lists(st.sampled_from([*covertype.FIELDS, "Wilderness_Area", "Soil_Type"]), max_size=3), st.booleans())
def test_a_name_that_comes_twice_is_always_noticed(again: list[str], named: bool) -> None:
    """Whichever it is, whatever its values are, and only then."""
    record = NAMED | ({"Wilderness_Area": "Rawah", "Soil_Type": "UCI7"} if named else {})
    pairs = [*record.items(), *((name, NAMED[name]) for name in again)]
    inner = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    body = f'{{"instances": [{{{inner}}}]}}'.encode()
    if not again:
        assert len(DECODER.decode(body)) == 1
        return
    with pytest.raises(InvalidRow, match="more than once") as caught:
        DECODER.decode(body)
    assert caught.value.path == f"$.instances[0].{again[0]}"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), ROWS)
def test_a_value_of_a_wrong_type_is_refused_in_the_same_words_however_it_is_written(
    text: str, row: list[float]
) -> None:
    """Characters and their escapes are the same string."""
    bodies = [json.dumps({"features": [text, *row[1:]]}, ensure_ascii=escaped).encode() for escaped in (False, True)]
    for body in bodies:
        with pytest.raises(InvalidRow) as caught:
            DECODER.decode(body)
        assert caught.value.path == "$.features[0]"
        assert caught.value.reason == "expected a number, got a string (Elevation)"


def test_white_space_and_key_order_do_not_matter() -> None:
    """The forms are told apart by their content, not by how it is spaced."""
    row: Row = tuple(map(float, GOOD))
    assert DECODER.decode(b' {\n"features" :\t[ [' + json.dumps(GOOD).encode()[1:-1] + b" ] ] } ") == [row]


def test_minus_zero_is_zero() -> None:
    """As a number, and as a code, whose column it sets."""
    built = [
        MatrixBuilder(covertype.SCHEMA, 1).build([DECODER.decode(features([zero] * len(covertype.FIELDS)))]).tolist()
        for zero in (-0.0, 0)
    ]
    assert built[0] == built[1]
