"""What a process that has prepared a model tells the one that started it: one line of JSON."""

from typing import Final

import msgspec

from registry import errors
from registry.prepared import Prepared, convert

_ERRORS: Final[dict[str, type[errors.RegistryError]]] = {
    name: error
    for name, error in vars(errors).items()
    if isinstance(error, type) and issubclass(error, errors.RegistryError)
}


class Done(msgspec.Struct, frozen=True, tag="prepared"):
    """The version is prepared."""

    model: Prepared


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It is not; ``error`` is the name of the RegistryError."""

    error: str
    message: str


def write(outcome: Done | Failed) -> bytes:
    """The line."""
    return msgspec.json.encode(outcome, enc_hook=str) + b"\n"


def read(line: bytes) -> Prepared:
    """What was prepared.

    Raises:
        RegistryError: it was not; of the type and in the words that the other process gives.
        msgspec.DecodeError: the line says neither.
    """
    outcome: Done | Failed = msgspec.json.decode(line, type=Done | Failed, dec_hook=convert)
    if isinstance(outcome, Failed):
        raise _ERRORS.get(outcome.error, errors.UnusableModel)(outcome.message)
    return outcome.model
