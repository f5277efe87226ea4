import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing import covertype
from registry import BadColumns, Columns, SchemaMismatch, read_stated
from registry.columns import Told, column_order, settle
from tests.registry.specimens import FETCHED, OWN, UCI

# Written down here, not taken from the schema: UCI's areas in UCI's order.
AREAS = ["Rawah", "Neota", "Commanche", "Cache"]
MEANING = [
    *covertype.NUMERIC,
    *(f"Wilderness_Area_{area}" for area in AREAS),
    *(f"Soil_Type_{soil}" for soil in covertype.SOIL_TYPES),
]
"""What the columns of UCI and FETCHED are called in the schema."""


def reordered(names: Sequence[str]) -> list[str]:
    """The schema's names of the columns that a model with these names would be given."""
    order = column_order(names)
    columns = np.array(OWN)
    return list(columns if order is None else columns[list(order)])


def test_the_schemas_own_order_needs_no_mapping() -> None:
    """A model whose columns are those of the schema in its order takes the matrix as it is."""
    assert column_order(OWN) is None


@given(st.permutations(OWN))
def test_any_order_of_the_columns_is_mapped(names: list[str]) -> None:
    """Whatever the order of a model's columns, the matrix taken in the order found has them in the model's order."""
    matrix = np.arange(2 * len(OWN), dtype=np.float32).reshape(2, -1)
    value = dict(zip(OWN, matrix.T, strict=True))
    order = column_order(names)
    taken = matrix if order is None else matrix[:, order]
    np.testing.assert_array_equal(taken, np.column_stack([value[name] for name in names]))


@given(st.permutations(range(len(OWN))), st.lists(st.sampled_from([UCI, FETCHED, MEANING]), min_size=54, max_size=54))
def test_names_of_all_kinds_may_be_mixed(order: list[int], kinds: list[list[str]]) -> None:
    """Each column may bear the schema's name, UCI's or scikit-learn's, and stand anywhere."""
    names = [kind[column] for column, kind in zip(order, kinds, strict=True)]
    assert reordered(names) == [MEANING[column] for column in order]


@pytest.mark.parametrize("names", [pytest.param(UCI, id="UCI"), pytest.param(FETCHED, id="fetch_covtype")])
def test_published_names_are_mapped(names: list[str]) -> None:
    """The names that UCI and fetch_covtype give the columns are mapped, their wilderness areas in reverse."""
    assert reordered(names) == MEANING
    assert [name for name in reordered(names) if name.startswith("Wilderness")] == OWN[10:14][::-1]


@pytest.mark.parametrize(
    ("change", "unknown", "missing"),
    [
        pytest.param(lambda names: [*names, "Altitude"], ["Altitude"], [], id="one-too-many"),
        pytest.param(lambda names: names[1:], [], ["Elevation"], id="one-too-few"),
        pytest.param(lambda names: ["Altitude", *names[1:]], ["Altitude"], ["Elevation"], id="one-renamed"),
        pytest.param(lambda names: ["elevation", *names[1:]], ["elevation"], ["Elevation"], id="lower-case"),
        pytest.param(
            lambda names: [*names[:13], "Wilderness_Area5", *names[14:]],
            ["Wilderness_Area5"],
            ["Wilderness_Area_Rawah"],
            id="a-fifth-area",
        ),
        pytest.param(
            lambda names: [*names[:-1], "Soil_Type0"], ["Soil_Type0"], ["Soil_Type_C8776"], id="UCI-counts-from-1"
        ),
        pytest.param(
            lambda names: [*names[:-1], "Soil_Type_40"],
            ["Soil_Type_40"],
            ["Soil_Type_C8776"],
            id="fetch_covtype-counts-from-0",
        ),
        pytest.param(lambda _names: ["a", "b"], ["a", "b"], OWN, id="other-data"),
        pytest.param(lambda _names: [], [], OWN, id="none-at-all"),
    ],
)
def test_unknown_and_missing_columns_are_listed(
    change: Callable[[list[str]], list[str]], unknown: list[str], missing: list[str]
) -> None:
    """Columns that are not the schema's raise SchemaMismatch, whose message lists the unknown and the missing ones."""
    with pytest.raises(SchemaMismatch) as raised:
        column_order(change(OWN))
    message = str(raised.value)
    assert f"unknown {unknown}" in message
    assert f"missing {missing}" in message
    assert "twice" not in message


@pytest.mark.parametrize(
    ("names", "missing", "repeated"),
    [
        pytest.param([*OWN, "Slope"], [], ["Slope", "Slope"], id="same-name-added"),
        pytest.param([*OWN[:9], "Slope", *OWN[10:]], [OWN[9]], ["Slope", "Slope"], id="same-name-in-anothers-place"),
        pytest.param(
            [*OWN, "Wilderness_Area4"], [], ["Wilderness_Area_Cache", "Wilderness_Area4"], id="two-names-of-one-column"
        ),
        pytest.param(
            [*OWN[:11], "Wilderness_Area1", *OWN[12:]],
            ["Wilderness_Area_Commanche"],
            ["Wilderness_Area1", "Wilderness_Area_Rawah"],
            id="two-names-in-anothers-place",
        ),
    ],
)
def test_columns_given_twice_are_listed(names: list[str], missing: list[str], repeated: list[str]) -> None:
    """A column that a model takes twice, under whatever names, raises SchemaMismatch and is listed with the lists."""
    with pytest.raises(SchemaMismatch) as raised:
        column_order(names)
    message = str(raised.value)
    assert "unknown []" in message
    assert f"missing {missing}" in message
    assert f"given twice {repeated}" in message


# What is not named.

PERMUTED = OWN[::-1]
NUMBERED = list(range(54))
"""What pandas calls the columns of a table that has no header."""


def order_of(names: Sequence[str]) -> tuple[int, ...]:
    """Where the columns of these names, all of them the schema's, stand in the schema."""
    return tuple(map(OWN.index, names))


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"it": Told(None)}, id="no-width"),
        pytest.param({"it": Told(None, 54)}, id="as-wide-as-the-schema"),
        pytest.param({"it": Told(NUMBERED, 54)}, id="numbers"),
        pytest.param({"it": Told([str(number) for number in NUMBERED])}, id="numbers-as-words"),
        pytest.param({"it": Told([*range(10), 13, 12, 11, 10, *range(14, 54)])}, id="numbers-of-sorted-columns"),
        pytest.param({"it": Told(None, 54), "its signature": Told(NUMBERED, 54)}, id="by-two-parts"),
    ],
)
def test_columns_without_names_are_as_stated_or_assumed(told: dict[str, Told]) -> None:
    """If nobody states the order it is taken to be the schema's, and known to be a guess."""
    assert settle(told) == Columns(None, "assumed")
    assert settle(told, read_stated("ours")) == Columns(None, "stated")
    assert settle(told, read_stated("uci")) == Columns(order_of(MEANING), "stated")
    assert settle(told, tuple(PERMUTED)) == Columns(tuple(range(53, -1, -1)), "stated")


@pytest.mark.parametrize("names", [[], NUMBERED[:12], [*NUMBERED, 54]])
@pytest.mark.parametrize("stated", [None, tuple(OWN)])
def test_unnamed_columns_of_another_number_are_refused(names: list[int], stated: tuple[str, ...] | None) -> None:
    """A model without column names that takes another number of columns raises SchemaMismatch with both numbers."""
    with pytest.raises(SchemaMismatch, match=rf"\b{len(names)}\b.*\b54\b"):
        settle({"it": Told(None, 54), "its signature": Told(None, len(names))}, stated)
    with pytest.raises(SchemaMismatch):
        settle({"it": Told(names, len(names))}, stated)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"it": Told(UCI)}, id="names"),
        pytest.param({"it": Told(None, 54), "its signature": Told(FETCHED)}, id="of-the-signature-only"),
        pytest.param({"it": Told(UCI, 54), "its signature": Told(MEANING)}, id="of-both-in-other-words"),
        pytest.param({"it": Told(UCI, 54), "its signature": Told(NUMBERED)}, id="and-numbers"),
    ],
)
def test_whatever_part_of_a_model_names_the_columns_is_believed(told: dict[str, Told]) -> None:
    """Then nothing is assumed, and a statement that says the same changes nothing."""
    named = Columns(order_of(MEANING), "named")
    assert settle(told) == settle(told, read_stated("uci")) == named


@pytest.mark.parametrize("stated", [None, tuple(OWN)])
def test_parts_that_contradict_each_other_are_refused(stated: tuple[str, ...] | None) -> None:
    """Two orders of the same columns raise SchemaMismatch with the first column of which they differ."""
    told = {"its estimator": Told(OWN), "its signature": Told(UCI)}
    with pytest.raises(SchemaMismatch) as raised:
        settle(told, stated)
    expected = "column 11 is Wilderness_Area_Cache to its estimator, Wilderness_Area_Rawah to its signature"
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("names", "stated", "message"),
    [
        pytest.param(OWN, "uci", "column 11 is Wilderness_Area_Cache to it, Wilderness_Area_Rawah there", id="ours"),
        pytest.param(
            FETCHED, "ours", "column 11 is Wilderness_Area_Rawah to it, Wilderness_Area_Cache there", id="uci"
        ),
        pytest.param(PERMUTED, "ours", "column 1 is Soil_Type_C8776 to it, Elevation there", id="permuted"),
    ],
)
def test_a_statement_that_contradicts_the_models_names_is_refused(names: list[str], stated: str, message: str) -> None:
    """One of them is wrong: SchemaMismatch names the setting and the first column of which they differ."""
    with pytest.raises(SchemaMismatch, match=r"--columns \(CANOPY_COLUMNS\)") as raised:
        settle({"it": Told(names)}, read_stated(stated))
    assert message in str(raised.value)


def test_names_that_are_numbers_in_part_are_names() -> None:
    """A number among names is an unknown column, as any other word is."""
    with pytest.raises(SchemaMismatch, match=r"unknown \[0\], missing \['Elevation'\]"):
        settle({"it": Told([0, *OWN[1:]])})


# What is stated.


def test_words_state_an_order() -> None:
    """Nothing, the schema's order, or UCI's: only the wilderness areas run the other way."""
    assert read_stated("") is None
    assert read_stated("ours") == tuple(OWN)
    assert read_stated("uci") == tuple(MEANING)


@given(st.permutations(range(54)), st.lists(st.sampled_from([UCI, FETCHED, MEANING]), min_size=54, max_size=54))
def test_a_file_states_an_order(order: list[int], kinds: list[list[str]]) -> None:
    """It has a name a line, in any order, each of any kind; a byte order mark, blanks and empty lines mean nothing."""
    lines = [f"  {kind[column]}\t\r" for column, kind in zip(order, kinds, strict=True)]
    with NamedTemporaryFile("w", encoding="utf-8-sig", newline="") as file:
        file.write("\n".join(["", *lines, ""]))
        file.flush()
        assert read_stated(file.name) == tuple(MEANING[column] for column in order)


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        pytest.param([*OWN[:2], "Slop", *OWN[3:]], ["line 3: 'Slop' is no column", "missing Slope"], id="misspelt"),
        pytest.param(OWN[:-2], ["missing Soil_Type_C8772, Soil_Type_C8776"], id="two-missing"),
        pytest.param([*OWN, "Cover_Type"], ["line 55: 'Cover_Type' is no column"], id="with-the-label"),
        pytest.param([*UCI, "Slope"], ["line 55: Slope is the column of line 3 again"], id="twice"),
        pytest.param(
            [*UCI[:13], "Wilderness_Area_0", *UCI[14:]],
            ["line 14: Wilderness_Area_0 is the column of line 11 again", "missing Wilderness_Area_Cache"],
            id="twice-by-two-names",
        ),
        pytest.param([",".join(OWN)], ["one a line", "line 1: 'Elevation,Aspect"], id="all-in-a-line"),
        pytest.param(["", "", "x"], ["line 3: 'x' is no column", "missing Elevation, Aspect"], id="other-text"),
        pytest.param([], ["missing Elevation"], id="empty"),
    ],
)
def test_a_file_with_other_names_is_refused(tmp_path: Path, lines: list[str], parts: list[str]) -> None:
    """BadColumns names the file, the line of each fault and what is missing."""
    file = tmp_path / "columns.txt"
    file.write_text("\n".join(lines))
    with pytest.raises(BadColumns) as raised:
        read_stated(str(file))
    assert str(raised.value).startswith(str(file))
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("UCI", "No such file", id="another-word"),
        pytest.param("/", "Is a directory", id="a-folder"),
        pytest.param("a\0b", "null", id="no-name"),
        pytest.param(sys.executable, "decode", id="no-text"),
    ],
)
def test_what_is_no_statement_is_refused(text: str, reason: str) -> None:
    """BadColumns says what a statement is, and why this is no file that has one."""
    with pytest.raises(BadColumns, match=f"is neither ours, nor uci, nor a file that can be read: .*{reason}"):
        read_stated(text)


def test_ucis_order_is_scikit_learns_own() -> None:
    """The names that ``fetch_covtype`` gives to the columns of its array, in the order that it has them in."""
    from sklearn.datasets._covtype import FEATURE_NAMES

    assert order_of(reordered(FEATURE_NAMES)) == order_of(read_stated("uci") or ())
