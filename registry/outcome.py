"""What a process that has prepared a model tells the one that started it: one line of JSON."""

from typing import Final

import msgspec

from registry.errors import (
    BadAccess,
    BadModelURI,
    CacheUnusable,
    ModelNotFound,
    RegistryError,
    SchemaMismatch,
    StoreUnavailable,
    TooLarge,
    UntrustedFormat,
    UnusableModel,
)
from registry.prepared import Prepared, convert

_ERRORS: Final[dict[str, type[RegistryError]]] = {
    error.__name__: error
    for error in (
        BadAccess,
        BadModelURI,
        CacheUnusable,
        ModelNotFound,
        SchemaMismatch,
        StoreUnavailable,
        TooLarge,
        UntrustedFormat,
        UnusableModel,
    )
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
        raise _ERRORS.get(outcome.error, UnusableModel)(outcome.message)
    return outcome.model
