"""A version whose files are ready for an engine."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from preprocessing.schema import Row, Schema
from registry.columns import Columns, assumption
from registry.version import ModelVersion

PreparedEngine = Literal["compiled", "sklearn", "pyfunc"]
EngineChoice = PreparedEngine | Literal["auto"]
TrustedFormats = Literal["any", "skops"]
"""Which files may be loaded: any, or only those that cannot run code."""

OtherVersions = Literal["refuse", "serve"]
"""What to do with a model of another version of scikit-learn that only the installed one can compute."""


MODEL: Final = "model"
ARTIFACT: Final = "forest.canopy"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A version whose files are in a folder, ready for an engine.

    The folder belongs to whoever had it prepared, a cache for one, and is to be kept for as long as an engine is opened
    from it or serves: a pyfunc model may read its files at any time.

    Attributes:
        version: the version.
        engine: the engine that the files are for.
        folder: where they are.
        columns: the model's table and columns; a compiled forest takes the table's columns in the table's order,
            whatever its own was.
        formats: the files that may be loaded.
        warning: that it is served by a slower engine or by another version of its library, and why; empty if not.
        others: what to do if another version of scikit-learn made it.
        shared: descriptor, in this process, of a copy of the artifact that several processes map, if there is one.
    """

    version: ModelVersion
    engine: PreparedEngine
    folder: Path
    columns: Columns
    formats: TrustedFormats = "any"
    warning: str = ""
    others: OtherVersions = "refuse"
    shared: int | None = None

    @property
    def schema(self) -> Schema:
        """The table that it serves."""
        return self.columns.schema

    @property
    def row(self) -> Row:
        """A row to try it with."""
        return self.columns.row

    @property
    def assumption(self) -> str:
        """What is assumed of the model's data, which may be wrong; empty if nothing is."""
        return assumption(self.version, self.schema) if self.columns.known == "assumed" else ""

    @property
    def warnings(self) -> list[str]:
        """All that whoever serves it should know."""
        return [*filter(None, (self.warning, self.assumption))]

    @property
    def model(self) -> Path:
        """The folder of the downloaded model; gone once the forest in it is compiled."""
        return self.folder / MODEL

    @property
    def artifact(self) -> Path:
        """The compiled forest."""
        return self.folder / ARTIFACT

    def encode(self) -> bytes:
        """This as JSON, for another process of this machine; what is open here is not open there."""
        return msgspec.json.encode(replace(self, shared=None), enc_hook=str)

    @classmethod
    def decode(cls, text: bytes) -> "Prepared":
        """Read what ``encode`` has written.

        Raises:
            msgspec.DecodeError: it is something else.
        """
        return msgspec.json.decode(text, type=cls, dec_hook=convert)


def convert(type_: type, value: Any) -> Any:  # noqa: ANN401 - JSON
    """For msgspec: only the path is of a type that JSON has not."""
    return type_(value)
