"""The forest-cover table: 12 fields, of which a model takes 54 columns; and what UCI and scikit-learn call these."""

from typing import Final

from preprocessing.presets import Preset
from preprocessing.schema import Field, Schema

NUMERIC: Final = (
    "Elevation",
    "Aspect",
    "Slope",
    "Horizontal_Distance_To_Hydrology",
    "Vertical_Distance_To_Hydrology",
    "Horizontal_Distance_To_Roadways",
    "Hillshade_9am",
    "Hillshade_Noon",
    "Hillshade_3pm",
    "Horizontal_Distance_To_Fire_Points",
)
"""The numeric fields, in the order of a row."""

WILDERNESS_AREAS: Final = ("Cache", "Commanche", "Neota", "Rawah")
"""Names of the wilderness areas; the position is the code (alphabetical, the reverse of UCI's 1..4)."""

# fmt: off
SOIL_TYPES: Final = (
    "C2702", "C2703", "C2704", "C2705", "C2706", "C2717", "C3501", "C3502", "C4201", "C4703",
    "C4704", "C4744", "C4758", "C5101", "C5151", "C6101", "C6102", "C6731", "C7101", "C7102",
    "C7103", "C7201", "C7202", "C7700", "C7701", "C7702", "C7709", "C7710", "C7745", "C7746",
    "C7755", "C7756", "C7757", "C7790", "C8703", "C8707", "C8708", "C8771", "C8772", "C8776",
)
# fmt: on
"""Names of the soil types (ELU codes); the position is the code. UCI numbers them 1..40 in the same order."""

SCHEMA: Final = Schema(
    (
        *(Field(name) for name in NUMERIC),
        Field("Wilderness_Area", "category", categories=WILDERNESS_AREAS),
        Field(
            "Soil_Type",
            "category",
            categories=SOIL_TYPES,
            aliases={f"UCI{code + 1}": code for code in range(len(SOIL_TYPES))},
        ),
    ),
    example=(3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0),
)
"""The table: ten numbers, the wilderness code and the soil code; ``UCI7`` is UCI's Soil_Type7, that is code 6."""

FIELDS: Final = SCHEMA.names
"""The 12 fields of a row, in order."""

COLUMNS: Final = SCHEMA.expanded
"""The 54 columns of the model, in order: the ten numbers, and an indicator for each area and each soil type."""

EXAMPLE: Final = SCHEMA.row
"""A plausible row."""

UCI_WILDERNESS_AREAS: Final = WILDERNESS_AREAS[::-1]
"""The same areas in UCI's order, Wilderness_Area1..4: Rawah, Neota, Comanche Peak, Cache la Poudre."""

UCI_COLUMNS: Final = (
    *NUMERIC,
    *(f"Wilderness_Area_{name}" for name in UCI_WILDERNESS_AREAS),
    *(f"Soil_Type_{name}" for name in SOIL_TYPES),
)
"""COLUMNS in the order of UCI's file and of ``sklearn.datasets.fetch_covtype``: only the areas run the other way."""

UCI_SCHEMA: Final = Schema(SCHEMA.fields, UCI_COLUMNS, SCHEMA.example)
"""The table, with a model's columns in that order."""


def _uci_aliases() -> dict[str, str]:
    """Name UCI's indicator columns, counted from 1 as UCI does and from 0 as ``fetch_covtype`` does, in our terms."""
    aliases: dict[str, str] = {}
    for kind, names in (("Wilderness_Area", UCI_WILDERNESS_AREAS), ("Soil_Type", SOIL_TYPES)):
        for position, name in enumerate(names):
            aliases[f"{kind}{position + 1}"] = f"{kind}_{name}"
            aliases[f"{kind}_{position}"] = f"{kind}_{name}"
    return aliases


UCI_ALIASES: Final = _uci_aliases()
"""Column names of the UCI data set and of ``sklearn.datasets.fetch_covtype`` → names in COLUMNS."""

PRESET: Final = Preset(
    SCHEMA,
    aliases=UCI_ALIASES,
    statements={"covertype": SCHEMA, "covertype-uci": UCI_SCHEMA},
    title="forest-cover table",
    caveat=f"wilderness areas {', '.join(WILDERNESS_AREAS)}. If it was fitted on UCI's order "
    f"({', '.join(UCI_WILDERNESS_AREAS)}), as fetch_covtype has it, its answers are wrong: set --schema covertype-uci "
    "(CANOPY_SCHEMA), or name a file there that describes its table. If the order is Canopy's, --schema covertype says "
    "so and ends this warning",
)
"""How the rest of Canopy knows the table."""
