"""What a process that has prepared a model, or tried one out, tells the one that started it: one line of JSON."""

import os
import sys
from typing import BinaryIO, Final

import msgspec

from registry import errors
from registry.prepared import Prepared, convert

_ERRORS: Final = {
    error.__name__: error
    for error in (
        errors.Absent,
        errors.BadColumns,
        errors.BadModelURI,
        errors.BadRegistryConfig,
        errors.CacheUnusable,
        errors.ModelNotFound,
        errors.NeedsFullImage,
        errors.SchemaMismatch,
        errors.StoreUnavailable,
        errors.TooLarge,
        errors.UntrustedFormat,
        errors.UnusableModel,
        errors.VersionMismatch,
    )
}
"""What the other process may have failed with. A test sees that none is left out."""


class Done(msgspec.Struct, frozen=True, tag="prepared"):
    """The version is prepared, or fit to be served."""

    model: Prepared


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It is not; ``error`` is the name of the RegistryError."""

    error: str
    message: str


def own_output() -> BinaryIO:
    """Keep the standard output for the line; whatever else is printed, by a library's C code too, goes to the log."""
    sys.stdout.flush()
    result = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return result


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
