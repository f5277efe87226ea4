"""One version of a registered model, and what training says of the compiled artifact that it has logged beside it."""

import logging
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from registry.uri import folder_uri

logger = logging.getLogger("canopy.registry")

TAG: Final = "canopy.compiled"
"""The tag of a model version that holds a ``CompiledArtifactRef`` as JSON."""

SCHEMA_FILE: Final = "canopy/schema.json"
"""Beside a logged model, the description of its table: see ``preprocessing.schema``."""

COMPILED_FILE: Final = "canopy/forest.canopy"
"""Beside a logged model, the forest that was compiled from it."""

FORMAT: Final = 2
"""``forest.artifact.FORMAT``, written down once more, for importing it costs numpy's memory. A test compares them."""


_Inside: TypeAlias = Annotated[str, Meta(pattern=r"^(?!/)(?!(.*/)?\.\.(/|$)).+$")]
_Digest: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
_Size: TypeAlias = Annotated[int, Meta(ge=1)]


class ArtifactRef(msgspec.Struct, frozen=True):
    """A file that was logged beside a model.

    Attributes:
        path: the file, relative to the root of the model's artifacts.
        sha256: of the whole file, in hexadecimal digits.
        size: of the file, in bytes.
    """

    path: _Inside
    sha256: _Digest
    size: _Size


class CompiledArtifactRef(msgspec.Struct, frozen=True):
    """A compiled forest that was logged beside the model that it was compiled from.

    Attributes:
        path: the file, relative to the root of the model's artifacts.
        format: of the file, see ``forest.artifact``.
        sha256: of the whole file, in hexadecimal digits.
        size: of the file, in bytes.
        schema: the description of its table, see ``SCHEMA_FILE``; None if there was none, or nothing tells of it.
    """

    path: _Inside
    format: int
    sha256: _Digest
    size: _Size
    schema: ArtifactRef | None = None


class Unresolved(Enum):
    """Stands for a version of which only whoever prepares it can tell which it is; there is one such value."""

    UNRESOLVED = auto()


UNRESOLVED: Final = Unresolved.UNRESOLVED


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model. Two are equal if they are the same files.

    Attributes:
        name: the registered model.
        number: the version, as the registry writes it: "1", "2", ...
        source: where the registry has it from. Numbers are given anew once the newest version is deleted; source and
            creation tell such versions apart.
        created: when it was registered, in ms since 1970.
        compiled: the compiled artifact that was logged beside it, if there is one.
        folder: path of the folder that it lies in, if no registry has it; empty if one has.
    """

    name: str
    number: str
    source: str = ""
    created: int = 0
    compiled: CompiledArtifactRef | None = field(default=None, compare=False)
    folder: str = ""

    def __str__(self) -> str:
        return f"{self.name}/{self.number}"

    @property
    def uri(self) -> str:
        """The version's own model URI."""
        return folder_uri(self.folder) if self.folder else f"models:/{self}"


def search_filter(name: str) -> str:
    """MLflow's filter for the versions of a model; those of a model of a like name may pass it too.

    MLflow knows no way to write a quote, or a backslash at the end, in a text between quotes, but LIKE has a sign for
    any character.
    """
    pattern = re.sub(r"['\\]", "_", name)
    return f"name = '{name}'" if pattern == name else f"name LIKE '{pattern}'"


@lru_cache(maxsize=16)  # so that a watcher warns once
def read_tag(version: str, text: str) -> CompiledArtifactRef | None:
    """What the tag of a version says; None, with a warning, if that cannot be read."""
    try:
        return msgspec.json.decode(text, type=CompiledArtifactRef)
    except msgspec.DecodeError as error:
        logger.warning("%s: its tag %s is ignored, for it cannot be read: %s", version, TAG, error)
        return None
