"""Why a model cannot be had from the registry. Each message is one line and names a remedy where there is one."""

from registry.store import one_line


class RegistryError(Exception):
    """Base of everything that the registry room raises."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class BadModelURI(RegistryError, ValueError):
    """The model URI has none of the accepted forms."""


class ModelNotFound(RegistryError):
    """The registry has no such model, or no such version of it."""


class StoreUnavailable(RegistryError):
    """The tracking server or store cannot be used."""


class UnusableModel(RegistryError):
    """The model was found but cannot be served."""


class SchemaMismatch(UnusableModel):
    """The model's columns are not those of the schema."""
