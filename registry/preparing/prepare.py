"""From a model URI to files that an engine can be opened from."""

import logging
import time
from pathlib import Path

from preprocessing import BadSchema, Schema
from registry import libraries
from registry.artifacts.fetch import Unsupported, fetch
from registry.caching.cache import Cache, key
from registry.caching.resolution_cache import remember
from registry.columns import Columns, is_preset, settle, statement
from registry.config import RegistryConfig
from registry.errors import ModelNotFound, SchemaMismatch, UnusableModel, too_large
from registry.opening import kernel
from registry.preparation import Preparation
from registry.prepared import ARTIFACT, Prepared
from registry.preparing import header
from registry.preparing.confinement import Late, expect, is_out_of_memory, limit_memory, limit_time
from registry.preparing.folder import version_in
from registry.tracking.resolve import locate, resolve, too_slow
from registry.tracking.store import stamp
from registry.uri import ModelURI
from registry.version import FORMAT, ArtifactRef, CompiledArtifactRef, ModelVersion

logger = logging.getLogger("canopy.registry")


class NotFetched(Exception):
    """There is no compiled forest beside a version that can be used as it is; the message says why."""


def prepare(
    uri: ModelURI,
    config: RegistryConfig,
    how: Preparation,
    cache: Cache,
    *,
    memory: int | None = None,
    look_timeout: float | None = None,
    anew: bool = False,
) -> Prepared:
    """Resolve a model URI and see to it that the version is in the cache, ready for an engine.

    A folder is read for as long as that takes: ``look_timeout`` is for registries.

    A compiled artifact that training has logged is fetched, in little memory. Else the model is downloaded, loaded and
    compiled. Loading a pickled model runs the code in it: use only registries that you trust, or trust only skops.

    Args:
        uri: the model.
        config: the way to the registry.
        how: what to make of it.
        cache: where to find the files, or to put them.
        memory: bytes that this process may have while it loads a model; None sets no limit. It stays.
        look_timeout: seconds that may pass until the registry has told what the URI means; None for no limit. Only in
            the main thread.
        anew: whether to replace what is in the cache already, but for what another process has made meanwhile.

    Raises:
        ModelNotFound: there is no such model, version, stage or alias.
        StoreUnavailable: the server or store cannot be used.
        CacheUnusable: the cache's folder cannot be used.
        NeedsFullImage: it would have to be compiled, by libraries that are not installed.
        UnusableModel: the version cannot be fetched, loaded or served.
    """
    oldest = time.time() if anew else 0
    since = stamp(config.tracking_uri)
    version = _resolve(uri, config, look_timeout)
    remember(uri, config, cache, version, since)
    entry = key(version, config, how)
    prepared = cache.find(entry, oldest)
    if prepared is None:
        with cache.hold(entry) as draft:
            prepared = cache.find(entry, oldest)  # whoever held it before has made it
            if prepared is None:
                prepared = draft.publish(_made(version, config, how, draft.folder, memory))
        cache.prune()
    return prepared


def _resolve(uri: ModelURI, config: RegistryConfig, look_timeout: float | None) -> ModelVersion:
    if uri.kind == "folder":
        return version_in(uri)
    if look_timeout is None:
        return resolve(uri, config)
    try:
        with limit_time(look_timeout):
            return resolve(uri, config)
    except Late:
        raise too_slow(uri, config, look_timeout) from None


def _made(
    version: ModelVersion, config: RegistryConfig, how: Preparation, folder: Path, memory: int | None
) -> Prepared:
    if how.engine not in {"auto", "compiled"} and not libraries.installed():
        raise libraries.cannot_serve(version, how.engine)
    try:
        return _fetched(version, config, how, folder)
    except NotFetched as reason:
        if not libraries.installed():
            raise libraries.cannot_prepare(version.uri, str(reason)) from None
    return _compiled(version, config, how, folder, memory)


def _fetched(version: ModelVersion, config: RegistryConfig, how: Preparation, folder: Path) -> Prepared:
    """The artifact that training has logged.

    The table is stated, logged and told of in the version's tag, or a preset.

    Raises:
        NotFetched: there is none, or none whose columns are those of a table in their order: what else the model says,
            ``_compiled`` sees.
    """
    file = version.compiled
    if file is None:
        raise NotFetched(f"{version} has no compiled forest logged beside it")
    if file.format != FORMAT:
        raise NotFetched(f"the compiled forest beside {version} has format {file.format}, not {FORMAT}")
    if how.engine not in {"auto", "compiled"}:
        raise NotFetched(f"{version} is to be served by the engine {how.engine}")
    if not kernel.built():
        raise NotFetched("the kernel that walks compiled forests was not built here")
    artifact = folder / ARTIFACT
    logger.info("fetching %s, compiled already: %s bytes", version, f"{file.size:,}")
    start = time.monotonic()
    try:
        location = locate(version, config)
        logged = _fetched_schema(config, location, file, folder / "schema.json")
        _fetch(config, location, file, artifact)
        table, by = statement(how.stated, logged)
        said = header.told(artifact)
        if said.names is None:
            raise SchemaMismatch(f"the compiled forest of {version} does not name its columns")
        columns = settle({"its compiled forest": said}, table, by)
        if (reason := _unfit(columns, known=table is not None)) is not None:
            raise SchemaMismatch(f"the compiled forest of {version} {reason}")
    except (UnusableModel, ModelNotFound) as error:
        artifact.unlink(missing_ok=True)
        if libraries.installed():
            logger.warning("%s; compiling %s anew", error, version)
        raise NotFetched(str(error)) from None
    logger.info("fetched in %.1f s", time.monotonic() - start)
    return Prepared(version, "compiled", folder, columns, how.formats)


def _unfit(columns: Columns, *, known: bool) -> str | None:
    """Why a compiled forest with such columns cannot be taken as it is; None if it can.

    Args:
        columns: its columns.
        known: whether somebody has described their table.
    """
    if columns.known != "named" or columns.order is not None:
        return "does not name the columns of a table in their order"
    if not known and not is_preset(columns.schema):
        return "names columns of a table that is not described"
    if any(field.missing for field in columns.schema.fields):
        return "takes no missing values, which its table allows"
    return None


def _fetched_schema(config: RegistryConfig, location: str, file: CompiledArtifactRef, path: Path) -> Schema | None:
    """The table that was logged beside an artifact, if its tag tells of one.

    Raises:
        UnusableModel: it is gone, another, or describes none.
    """
    if file.schema is None:
        return None
    try:
        _fetch(config, location, file.schema, path)
        return Schema.read(path.read_bytes())
    except BadSchema as error:
        raise SchemaMismatch(f"{file.schema.path} beside the model describes no table: {error}") from None
    finally:
        path.unlink(missing_ok=True)


def _fetch(config: RegistryConfig, location: str, file: CompiledArtifactRef | ArtifactRef, path: Path) -> None:
    try:
        fetch(config, location, file, path)
    except Unsupported as scheme:
        if not libraries.installed():
            raise UnusableModel(f"{location}/{file.path} can only be read by MLflow's own client ({scheme})") from None
        from registry.preparing.download import download_file

        download_file(config, location, file, path)


def _compiled(
    version: ModelVersion, config: RegistryConfig, how: Preparation, folder: Path, memory: int | None
) -> Prepared:
    """The version downloaded and compiled.

    Raises:
        TooLarge: that takes more memory than there is.
    """
    if memory is not None:
        limit_memory(memory)
    try:
        expect()
        from registry.preparing.compiling import compile_model

        return compile_model(version, config, how, folder)
    except (MemoryError, ImportError) as error:
        if is_out_of_memory(error):
            raise too_large(version.uri, memory) from None
        raise
