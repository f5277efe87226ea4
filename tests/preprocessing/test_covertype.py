"""The forest-cover table's own consistency."""

import pytest

from preprocessing import covertype
from tests.helpers.support import modules_after


def test_there_are_twelve_fields_and_fifty_four_columns() -> None:
    """Ten numbers and two codes become ten numbers, four and forty indicators, all names distinct."""
    assert len(covertype.FIELDS) == len(set(covertype.FIELDS)) == 12
    assert len(covertype.COLUMNS) == len(set(covertype.COLUMNS)) == 54
    assert covertype.COLUMNS[10] == "Wilderness_Area_Cache"
    assert covertype.COLUMNS[14] == "Soil_Type_C2702"
    assert covertype.COLUMNS[-1] == "Soil_Type_C8776"


def test_names_are_in_code_order() -> None:
    """Wilderness areas run alphabetically, soil types by ascending ELU code."""
    assert list(covertype.WILDERNESS_AREAS) == sorted(covertype.WILDERNESS_AREAS)
    assert list(covertype.SOIL_TYPES) == sorted(covertype.SOIL_TYPES)


def test_the_schema_is_light() -> None:
    """Processes that serve nothing look at it, and at what a user states of columns, without numpy's memory."""
    found = modules_after("import registry, preprocessing\nregistry.read_stated('covertype-uci')")
    assert {"registry", "preprocessing", "msgspec"} <= found
    assert found.isdisjoint({"numpy", "forest", "mlflow"})


@pytest.mark.parametrize(
    ("alias", "column"),
    [
        pytest.param("Wilderness_Area1", "Wilderness_Area_Rawah", id="uci-first"),
        pytest.param("Wilderness_Area4", "Wilderness_Area_Cache", id="uci-last"),
        pytest.param("Wilderness_Area_0", "Wilderness_Area_Rawah", id="fetch_covtype-first"),
        pytest.param("Soil_Type1", "Soil_Type_C2702", id="uci-first-soil"),
        pytest.param("Soil_Type_39", "Soil_Type_C8776", id="fetch_covtype-last-soil"),
        pytest.param("Soil_Type29", "Soil_Type_C7745", id="uci-29-is-7745"),
    ],
)
def test_uci_names_mean_our_columns(alias: str, column: str) -> None:
    """UCI counts wilderness areas the other way round, and soil types in our order."""
    assert covertype.UCI_ALIASES[alias] == column


def test_uci_numbers_of_soil_types_are_one_more_than_the_codes() -> None:
    """UCI1 is code 0; the bare number stays the code, so that neither can be mistaken for the other."""
    assert [covertype.SCHEMA.fields[11].codes[f"UCI{number}"] for number in range(1, 41)] == list(range(40))
