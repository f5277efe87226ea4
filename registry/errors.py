"""Why a model cannot be had from the registry. Each message is one line and names a remedy where there is one."""

from registry.store import one_line


class RegistryError(Exception):
    """Base of everything that the registry room raises."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class BadModelURI(RegistryError, ValueError):
    """The model URI has none of the accepted forms."""


class BadAccess(RegistryError, ValueError):
    """A variable that says how to reach the registry has a bad value; the message names it."""


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


class TooLarge(UnusableModel):
    """Preparing the model takes more memory than there is."""


class UntrustedFormat(UnusableModel):
    """The model's files may run code, and only those that cannot are trusted."""
