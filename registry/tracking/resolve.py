"""A model URI → the version that it means now."""

import shlex
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from registry import libraries
from registry.config import RegistryConfig
from registry.errors import BadRegistryConfig, ModelNotFound, StoreUnavailable
from registry.tracking.record import Registry, RegistryRefused, RegistryVersion
from registry.tracking.store import sqlite_file, without_user
from registry.uri import ModelURI
from registry.version import TAG, ModelVersion, read_tag

_MOST_NAMED: Final = 20


def resolve(uri: ModelURI, config: RegistryConfig) -> ModelVersion:
    """Ask the registry which version ``uri`` means.

    Raises:
        ModelNotFound: there is no such model, version, stage or alias.
        StoreUnavailable: the server or store cannot be used.
        BadRegistryConfig: only MLflow, which is not installed, can ask it.
    """
    registry = _registry(config)
    if (path := sqlite_file(config.tracking_uri)) is not None and not path.is_file():
        raise ModelNotFound(f"there is no model yet, nor a store at {path}: {_remedy(uri, config)}")
    said, found = "", list[RegistryVersion]()
    try:
        found = _FIND[uri.kind](registry, uri)
    except RegistryRefused as error:
        # An unknown stage is refused with the list of those that there are.
        said = f" ({error})" if error.code == "INVALID_PARAMETER_VALUE" and uri.kind == "stage" else ""
    if not found:
        raise _not_found(registry, uri, config, said)
    record = max(found, key=lambda record: int(record.number))
    tag = record.tags.get(TAG)
    compiled = read_tag(f"{uri.name}/{record.number}", tag) if tag else None
    source = without_user(record.source)  # it is written to the cache, which others may read
    return ModelVersion(uri.name, record.number, source, record.created, compiled)


def locate(version: ModelVersion, config: RegistryConfig) -> str:
    """Ask the registry for the root of a version's artifacts; those of a folder are in it.

    Raises:
        ModelNotFound: the version, or its logged model, was deleted.
        StoreUnavailable: the server or store cannot be used.
    """
    if version.folder:
        return version.uri
    try:
        return _registry(config).location(version.name, version.number)
    except RegistryRefused as error:
        raise ModelNotFound(f"the files of {version} are gone ({error}): register another version") from None


def _registry(config: RegistryConfig) -> Registry:
    if config.light:
        from registry.tracking.rest import RestRegistry

        return RestRegistry(config)
    if not libraries.installed():
        raise BadRegistryConfig(
            f"MLFLOW_TRACKING_URI: {config.address} can only be asked by {libraries.LACKED}: name a tracking server "
            "(http:// or https://, without a plugin that signs requests), or use the full image (canopy)"
        )
    from registry.tracking.client import ClientRegistry

    return ClientRegistry(config)


_FIND: Final[dict[str, Callable[[Registry, ModelURI], list[RegistryVersion]]]] = {
    "version": lambda registry, uri: [registry.version(uri.name, uri.selector)],
    "alias": lambda registry, uri: [registry.aliased(uri.name, uri.selector)],
    "stage": lambda registry, uri: registry.newest(uri.name, uri.selector),
    "latest": lambda registry, uri: registry.newest(uri.name, None),
}


def _not_found(registry: Registry, uri: ModelURI, config: RegistryConfig, said: str) -> ModelNotFound:
    """The error, with what there is instead, as far as the registry tells that."""
    models = list[str]()
    with suppress(RegistryRefused):  # the registry has no such model
        versions = sorted(registry.versions(uri.name), key=lambda record: int(record.number))
        aliases = registry.aliases(uri.name)
        by_number = {number: f" as {alias}" for alias, number in aliases.items()}
        there = _listed(f"{each.number} in {each.stage}{by_number.get(each.number, '')}" for each in versions)
        return ModelNotFound(
            f"{uri.name} has no {uri.kind} {uri.selector}{said}; its versions: {there or 'none'}: promote one, or "
            + _remedy(uri, config)
        )
    with suppress(RegistryRefused):  # what speaks MLflow's language, but not all of it
        models = registry.models()
    named = _listed(models) or "none at all"
    return ModelNotFound(
        f"the registry has no model {uri.name} (for {uri.kind} {uri.selector}), only {named}: "
        f"register it, or {_remedy(uri, config)}"
    )


def _listed(names: Iterable[str]) -> str:
    """The last of them, which are the newest, in one text."""
    every = list(names)
    return ("..., " if len(every) > _MOST_NAMED else "") + ", ".join(every[-_MOST_NAMED:])


def _remedy(uri: ModelURI, config: RegistryConfig) -> str:
    options = shlex.join(["--name", uri.name, "--tracking-uri", config.address])
    return (
        "run `make train`, which trains, registers and promotes one "
        f"(with ARGS={shlex.quote(options)} where these are not its defaults)"
    )


def too_slow(uri: ModelURI, config: RegistryConfig, seconds: float) -> StoreUnavailable:
    """The error for a registry that does not tell in time what a URI means, however it keeps one waiting."""
    return StoreUnavailable(
        f"the MLflow server or store {config.address} has not told within {seconds:g} s what {uri} means; see whether "
        "it is up and MLFLOW_TRACKING_URI is right, or wait longer with --look-timeout-seconds "
        "(CANOPY_LOOK_TIMEOUT_SECONDS)"
    )
