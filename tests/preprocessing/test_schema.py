"""The schema's own consistency."""

import pytest

from preprocessing import schema
from tests.support import modules_after


def test_there_are_twelve_fields_and_fifty_four_columns() -> None:
    """Ten numbers and two codes become ten numbers, four and forty indicators, all names distinct."""
    assert len(schema.FIELDS) == len(set(schema.FIELDS)) == 12
    assert len(schema.COLUMNS) == len(set(schema.COLUMNS)) == 54
    assert schema.COLUMNS[schema.FIRST_WILDERNESS] == "Wilderness_Area_Cache"
    assert schema.COLUMNS[schema.FIRST_SOIL] == "Soil_Type_C2702"
    assert schema.COLUMNS[-1] == "Soil_Type_C8776"


def test_names_are_in_code_order() -> None:
    """Wilderness areas run alphabetically, soil types by ascending ELU code."""
    assert list(schema.WILDERNESS_AREAS) == sorted(schema.WILDERNESS_AREAS)
    assert list(schema.SOIL_TYPES) == sorted(schema.SOIL_TYPES)


def test_the_schema_is_light() -> None:
    """Processes that serve nothing look at it, and at what a user states of columns, without numpy's memory."""
    found = modules_after("import registry, preprocessing\nregistry.read_stated('uci')")
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
    assert schema.UCI_ALIASES[alias] == column


def test_uci_numbers_of_soil_types_are_one_more_than_the_codes() -> None:
    """UCI1 is code 0; the bare number stays the code, so that neither can be mistaken for the other."""
    assert [schema.SOIL_CODES[f"UCI{number}"] for number in range(1, 41)] == list(range(40))
