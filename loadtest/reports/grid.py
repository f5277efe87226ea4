"""What a comparison compares: modes of the server, CPU limits and numbers of users."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

Engine = Literal["compiled", "sklearn"]
Http = Literal["hot", "asgi"]
Batching = Literal["on", "off"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to run the server."""

    engine: Engine
    http: Http
    batching: Batching

    def __str__(self) -> str:
        return f"{self.way}-{'batched' if self.batching == 'on' else 'unbatched'}"

    @property
    def way(self) -> str:
        """All but the batching."""
        return f"{self.engine}-{self.http}"

    def options(self) -> list[str]:
        """Of ``server.py``."""
        return ["--engine", self.engine, "--http", self.http, "--batching", self.batching]


_ALL: Final = (
    Mode("compiled", "hot", "on"),
    Mode("compiled", "hot", "off"),
    Mode("compiled", "asgi", "on"),
    Mode("compiled", "asgi", "off"),
    Mode("sklearn", "hot", "on"),
    Mode("sklearn", "hot", "off"),
    Mode("sklearn", "asgi", "on"),
    Mode("sklearn", "asgi", "off"),
)
MODES: Final = {str(mode): mode for mode in _ALL}

SENSIBLE: Final = tuple(str(mode) for mode in _ALL if (mode.engine, mode.http) != ("sklearn", "asgi"))
"""The way of HTTP shows where the engine is quick; a call of scikit-learn takes a hundred times as long."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One square of the comparison.

    Attributes:
        mode: of the server.
        cpu: its limit, in cores.
        users: of the closed loop.
    """

    mode: Mode
    cpu: float
    users: int


def rotated(all_of_them: Sequence[T], turn: int) -> list[T]:
    """The same, but each turn another one first, so that none has the best place always."""
    first = turn % len(all_of_them)
    return [*all_of_them[first:], *all_of_them[:first]]
