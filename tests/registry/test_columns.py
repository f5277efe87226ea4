from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing import schema
from registry import SchemaMismatch
from registry.columns import column_order
from tests.registry.specimens import FETCHED, OWN, UCI

# Written down here, not taken from the schema: UCI's areas in UCI's order.
AREAS = ["Rawah", "Neota", "Commanche", "Cache"]
MEANING = [
    *schema.NUMERIC,
    *(f"Wilderness_Area_{area}" for area in AREAS),
    *(f"Soil_Type_{soil}" for soil in schema.SOIL_TYPES),
]
"""What the columns of UCI and FETCHED are called in the schema."""


def reordered(names: Sequence[str]) -> list[str]:
    """The schema's names of the columns that a model with these names would be given."""
    order = column_order(names)
    columns = np.array(OWN)
    return list(columns if order is None else columns[order])


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


@pytest.mark.parametrize("width", [pytest.param(54, id="as-wide-as-the-schema"), pytest.param(None, id="of-any-width")])
def test_unnamed_columns_are_taken_as_the_schemas(width: int | None) -> None:
    """A model without column names takes the matrix as it is."""
    assert column_order(None, width) is None


@pytest.mark.parametrize(
    "width", [pytest.param(12, id="raw-rows"), pytest.param(53, id="53"), pytest.param(55, id="55")]
)
def test_unnamed_columns_of_another_number_are_refused(width: int) -> None:
    """A model without column names that takes another number of columns raises SchemaMismatch with both numbers."""
    with pytest.raises(SchemaMismatch, match=rf"\b{width}\b.*\b54\b"):
        column_order(None, width)
