"""A model that is prepared already, found without MLflow: cheap enough for the process that serves."""

from registry.access import Access
from registry.cache import Cache, key
from registry.prepared import EngineChoice, Prepared, TrustedFormats
from registry.recall import recall, recall_unchanged, remember
from registry.resolve import resolve
from registry.uri import ModelURI
from registry.version import ModelVersion


def look_up(
    uri: ModelURI, access: Access, choice: EngineChoice, cache: Cache, trusted_formats: TrustedFormats = "any"
) -> Prepared | None:
    """Find what a URI means now in the cache. Blocks for as long as a tracking server takes to answer.

    Whoever begins to serve what was found should log its ``warning``.

    Returns:
        What was found; None if it is not there, or only MLflow can tell what is meant: then a child has to prepare it.

    Raises:
        ModelNotFound: there is no such model, version, stage or alias.
        StoreUnavailable: the server cannot be used.
    """
    version = _current(uri, access, cache)
    return cache.find(key(version, access, choice, trusted_formats)) if version else None


def last_known(
    uri: ModelURI, access: Access, choice: EngineChoice, cache: Cache, trusted_formats: TrustedFormats = "any"
) -> Prepared | None:
    """Find what a URI meant when it was last resolved, for when the registry is down; None if it is not there."""
    version = recall(uri, access, cache)
    return cache.find(key(version, access, choice, trusted_formats)) if version else None


def _current(uri: ModelURI, access: Access, cache: Cache) -> ModelVersion | None:
    if not access.light:
        return recall_unchanged(uri, access, cache)
    version = resolve(uri, access)
    remember(uri, access, cache, version)
    return version
