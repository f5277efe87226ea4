"""Why a model cannot be had from the registry. Each message is one line and names a remedy where there is one."""

import shlex
from typing import Final

from redaction import one_line

_BEGINNING: Final = 1500
_END: Final = 500
"""Characters that are kept of a longer message. A model with thousands of columns of its own, or with code that raises
what it likes, has much to say; the workers are told each message in one datagram."""


class RegistryError(Exception):
    """Base of everything that the registry room raises."""

    def __init__(self, message: str) -> None:
        line = one_line(message)
        if len(line) > _BEGINNING + _END:  # the remedy comes last
            line = f"{line[:_BEGINNING]} [...] {line[-_END:]}"
        super().__init__(line)


class BadModelURI(RegistryError, ValueError):
    """The model URI has none of the accepted forms."""


class BadRegistryConfig(RegistryError, ValueError):
    """A variable that says how to reach the registry has a bad value; the message names it."""


class BadColumns(RegistryError, ValueError):
    """What states the order of a model's columns is no such statement; the message says where its fault is."""


class ModelNotFound(RegistryError):
    """The registry has no such model, or no such version of it."""


class StoreUnavailable(RegistryError):
    """The tracking server or store, or the store of the artifacts, cannot be used."""


class CacheUnusable(RegistryError):
    """The folder of prepared models cannot be used."""


class UnusableModel(RegistryError):
    """The model was found but cannot be served."""


class SchemaMismatch(UnusableModel):
    """The model's columns are not those of the schema."""


class VersionMismatch(UnusableModel):
    """The model was made by another version of scikit-learn than the one that would compute its predictions."""


class TooLarge(UnusableModel):
    """Preparing the model takes more memory than there is."""


class NeedsFullImage(UnusableModel):
    """Only libraries that are not installed here, as in the slim image, can prepare the model or serve it."""


class UntrustedFormat(UnusableModel):
    """The model's files may run code, and only those that cannot are trusted."""


class Absent(UnusableModel):
    """A file of the version is not there."""


def too_large(uri: object, memory: int | None) -> TooLarge:
    """The error for a model that takes more memory than there is, with the way out."""
    there = "there is" if memory is None else f"the {memory >> 20} MB that are left"
    return TooLarge(
        f"{uri} needs more memory than {there}; prepare it where there is more, by `python -m registry prepare "
        f"{shlex.quote(str(uri))} --cache FOLDER` on a cache folder that is shared, or raise the limit"
    )
