"""What a row means: the schema, the decoding of a request body; and in ``preprocessing.matrix`` the model's matrix.

Only the last takes numpy, which processes that serve nothing do without.
"""

from typing import Final

from preprocessing.covertype import PRESET
from preprocessing.errors import InvalidBody, InvalidRow, MalformedJSON
from preprocessing.presets import Preset
from preprocessing.rows import RowDecoder
from preprocessing.schema import BadSchema, Field, Row, Schema

PRESETS: Final = (PRESET,)
"""The tables that need no description."""

__all__ = [
    "PRESETS",
    "BadSchema",
    "Field",
    "InvalidBody",
    "InvalidRow",
    "MalformedJSON",
    "Preset",
    "Row",
    "RowDecoder",
    "Schema",
]
