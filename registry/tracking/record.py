"""What a registry is asked, whichever way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

MISSING: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
"""MLflow's codes for what is not there; a missing alias is an invalid parameter to it."""


@dataclass(frozen=True, slots=True)
class RegistryVersion:
    """A version as a registry has it, see MLflow's ``ModelVersion``."""

    name: str
    number: str
    stage: str = "None"
    source: str = ""
    created: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


class RegistryRefused(Exception):
    """The registry answers with an error.

    Attributes:
        code: MLflow's error code, one of ``MISSING``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Registry(Protocol):
    """The questions. Each raises RegistryRefused for what the registry has not."""

    def version(self, name: str, number: str) -> RegistryVersion:
        """A version by its number."""

    def aliased(self, name: str, alias: str) -> RegistryVersion:
        """A version by its alias."""

    def newest(self, name: str, stage: str | None) -> list[RegistryVersion]:
        """The newest version in a stage, or in each."""

    def versions(self, name: str) -> list[RegistryVersion]:
        """All versions."""

    def aliases(self, name: str) -> dict[str, str]:
        """The number of the version behind each alias."""

    def models(self) -> list[str]:
        """The names of some registered models."""

    def location(self, name: str, number: str) -> str:
        """The address of the root of a version's artifacts."""
