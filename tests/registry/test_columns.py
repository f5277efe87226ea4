from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing import Field, Schema, covertype
from preprocessing.schema import FieldType
from registry import BadColumns, Columns, SchemaMismatch, read_stated
from registry.columns import Told, column_order, settle, with_values
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
    order = column_order(names, covertype.SCHEMA)
    columns = np.array(OWN)
    return list(columns if order is None else columns[list(order)])


def test_the_schemas_own_order_needs_no_mapping() -> None:
    """A model whose columns are those of the schema in its order takes the matrix as it is."""
    assert column_order(OWN, covertype.SCHEMA) is None


@given(st.permutations(OWN))
def test_any_order_of_the_columns_is_mapped(names: list[str]) -> None:
    """Whatever the order of a model's columns, the matrix taken in the order found has them in the model's order."""
    matrix = np.arange(2 * len(OWN), dtype=np.float32).reshape(2, -1)
    value = dict(zip(OWN, matrix.T, strict=True))
    order = column_order(names, covertype.SCHEMA)
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
        column_order(change(OWN), covertype.SCHEMA)
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
        column_order(names, covertype.SCHEMA)
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
    assert settle(told) == Columns(covertype.SCHEMA, None, "assumed")
    assert settle(told, read_stated("covertype")) == Columns(covertype.SCHEMA, None, "stated")
    assert settle(told, read_stated("covertype-uci")) == Columns(covertype.SCHEMA, order_of(MEANING), "stated")
    assert settle(told, Schema(covertype.SCHEMA.fields, tuple(PERMUTED), covertype.SCHEMA.example)) == Columns(
        covertype.SCHEMA, tuple(range(53, -1, -1)), "stated"
    )


def test_unnamed_columns_of_another_number_are_numbers_without_names() -> None:
    """As many as there are; a statement of another number is refused, and so are two that contradict each other."""
    assert settle({"it": Told(None, 12), "its signature": Told(NUMBERED[:12])}) == Columns(
        Schema.unnamed(12), None, "unnamed"
    )
    with pytest.raises(SchemaMismatch, match=r"takes 12 unnamed columns, as it has it; .* has 54"):
        settle({"it": Told(None, 12)}, read_stated("covertype"))
    with pytest.raises(SchemaMismatch, match=r"takes 54 to it, 12 to its signature columns"):
        settle({"it": Told(None, 54), "its signature": Told(None, 12)})


WINE = ["alcohol", "malic_acid", 'proline "g"']


@pytest.mark.parametrize("stated", [None, Schema.of_columns(WINE)])
def test_other_names_make_a_table_of_their_own(stated: Schema | None) -> None:
    """Whatever they are, in the model's order; the types are the signature's."""
    told = {"its estimator": Told(WINE, 3)}
    found = settle(told, stated)
    assert (found.order, found.known, found.schema) == (None, "named", Schema.of_columns(WINE))
    assert found.schema.names == ("alcohol", "malic_acid", "proline _g_")
    assert found.schema.expanded == tuple(WINE)
    types: list[FieldType] = ["number", "integer", "boolean"]
    typed = settle(told | {"its signature": Told(WINE, 3, types)})
    assert [field.type for field in typed.schema.fields] == types
    with pytest.raises(SchemaMismatch, match="make no table"):
        settle({"it": Told(["a", "a"])})


def test_types_belong_to_names_not_to_places() -> None:
    """Whoever names the columns in another order than who types them."""
    told = {"its estimator": Told(WINE[::-1], 3), "its signature": Told(WINE, 3, ["number", "integer", "boolean"])}
    with pytest.raises(SchemaMismatch, match="contradicts itself"):  # MLflow would hand them over in another order
        settle(told)
    told = {"its estimator": Told(["b", "a"], 2), "its signature": Told(["0", "1"], 2, ["integer", "boolean"])}
    assert [field.type for field in settle(told).schema.fields] == ["number", "number"]
    unnamed = settle({"its signature": Told(None, 2, ["integer", "boolean"])}).schema
    assert [field.type for field in unnamed.fields] == ["integer", "boolean"]


@pytest.mark.parametrize("width", [1, 3])
def test_numbers_of_columns_that_differ_are_a_contradiction(width: int) -> None:
    """Also where one part has names and the other has none."""
    told = {"its estimator": Told(["a", "b"], 2), "its signature": Told(None, width)}
    with pytest.raises(SchemaMismatch, match=f"takes 2 columns to its estimator, {width} to its signature"):
        settle(told)


def test_a_stated_table_is_held_against_the_names() -> None:
    """Any order of them will do, and what is unknown or missing is listed."""
    stated = Schema.of_columns(WINE)
    assert settle({"it": Told(WINE[::-1])}, stated).order == (2, 1, 0)
    with pytest.raises(SchemaMismatch, match=r"unknown \['x'\], missing \['alcohol'\]"):
        settle({"it": Told(["x", *WINE[1:]])}, stated)
    turned = Schema(stated.fields, tuple(WINE[::-1]))
    assert settle({"it": Told(None, 3)}, turned) == Columns(stated, (2, 1, 0), "stated")


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
    named = Columns(covertype.SCHEMA, order_of(MEANING), "named")
    assert settle(told) == settle(told, read_stated("covertype-uci")) == named


@pytest.mark.parametrize("stated", [None, covertype.SCHEMA])
def test_parts_that_contradict_each_other_are_refused(stated: Schema | None) -> None:
    """Two orders of the same columns raise SchemaMismatch with the first column of which they differ."""
    told = {"its estimator": Told(OWN), "its signature": Told(UCI)}
    with pytest.raises(SchemaMismatch) as raised:
        settle(told, stated)
    expected = "column 11 is Wilderness_Area_Cache to its estimator, Wilderness_Area_Rawah to its signature"
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("names", "stated", "message"),
    [
        pytest.param(
            OWN, "covertype-uci", "column 11 is Wilderness_Area_Cache to it, Wilderness_Area_Rawah there", id="ours"
        ),
        pytest.param(
            FETCHED, "covertype-ours", "column 11 is Wilderness_Area_Rawah to it, Wilderness_Area_Cache there", id="uci"
        ),
        pytest.param(PERMUTED, "covertype-ours", "column 1 is Soil_Type_C8776 to it, Elevation there", id="permuted"),
    ],
)
def test_a_statement_that_contradicts_the_models_names_is_refused(names: list[str], stated: str, message: str) -> None:
    """One of them is wrong: SchemaMismatch names the setting and the first column of which they differ."""
    orders = {"covertype-ours": covertype.COLUMNS, "covertype-uci": covertype.UCI_COLUMNS}
    with pytest.raises(SchemaMismatch, match=r"--schema \(CANOPY_SCHEMA\)") as raised:
        settle({"it": Told(names)}, Schema(covertype.SCHEMA.fields, orders[stated]))
    assert message in str(raised.value)


def test_names_that_are_numbers_in_part_are_names() -> None:
    """A number among names is a name, as any other word is."""
    assert settle({"it": Told([0, *OWN[1:]])}).schema.names == ("0", *OWN[1:])


# What is stated.


def test_words_state_the_forest_cover_table() -> None:
    """With columns in Canopy's order, or in UCI's: only the wilderness areas run the other way."""
    assert read_stated("") is None
    assert read_stated("covertype") == covertype.SCHEMA
    uci = read_stated("covertype-uci")
    assert uci is not None
    assert uci.columns == tuple(MEANING)


def test_a_file_states_any_table(tmp_path: Path) -> None:
    """As JSON; one that describes none is refused by its name and the path of the fault."""
    file = tmp_path / "wine.json"
    file.write_bytes(Schema.of_columns(WINE).encode())
    assert read_stated(str(file)) == Schema.of_columns(WINE)
    file.write_text('{"fields": [{"name": "a", "type": "text"}]}')
    with pytest.raises(BadColumns, match=rf"{file} describes no table: \$.fields\[0\].type"):
        read_stated(str(file))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("UCI", "No such file", id="another-word"),
        pytest.param("/", "Is a directory", id="a-folder"),
        pytest.param("a\0b", "null", id="no-name"),
    ],
)
def test_what_is_no_statement_is_refused(text: str, reason: str) -> None:
    """BadColumns says what a statement is, and why this is no file that has one."""
    with pytest.raises(
        BadColumns, match=f"is none of covertype, covertype-uci, nor a file that can be read: .*{reason}"
    ):
        read_stated(text)


def test_ucis_order_is_scikit_learns_own() -> None:
    """The names that ``fetch_covtype`` gives to the columns of its array, in the order that it has them in."""
    from sklearn.datasets._covtype import FEATURE_NAMES

    assert order_of(reordered(FEATURE_NAMES)) == order_of(covertype.UCI_COLUMNS)


def test_the_numbers_that_a_model_takes_are_in_its_table() -> None:
    """Of the model's columns, which may stand in another order than the table's."""
    columns = Columns(Schema.of_columns(["a", "b", "c"]), (1, 0, 2))
    found = with_values(columns, {2}, {}, {0: (1.0, 12.0), 2: (-5.0, 5.0)}, {0})
    assert found.schema.fields == (
        Field("a"),
        Field("b", "integer", least=1.0, greatest=12.0),
        Field("c", missing=True, least=-5.0, greatest=5.0),
    )
