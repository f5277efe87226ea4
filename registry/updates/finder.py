"""Finding versions for a server: in the cache, or else by a child process that puts them there."""

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from registry.caching.cache import Cache, key
from registry.caching.resolution_cache import keep_served, last_served, recall_unchanged, remember, remember_served
from registry.config import RegistryConfig
from registry.errors import CacheUnusable, UnusableModel
from registry.preparation import Preparation
from registry.prepared import Prepared
from registry.tracking.resolve import resolve, too_slow
from registry.updates.child import prepare_in_child
from registry.uri import ModelURI
from registry.version import UNRESOLVED, ModelVersion, Unresolved
from workers.threads import Errands, LeftBehind

logger = logging.getLogger("canopy.registry")

T = TypeVar("T")

_MOST_LEFT: Final = 4
"""Threads that may hang on the cache's folder before nothing else is asked of it."""


class CachedFinder:
    """Implements ``registry.updates.finding.Finder`` for one model URI; cheap enough for the process that serves.

    What is in the cache is found without MLflow, and without a child. Whatever may block does so in a thread, within a
    time limit of its own. A thread that hangs cannot be ended, but a child can: while one hangs that asks the registry,
    children ask instead.

    Args:
        uri: the model.
        config: the way to the registry.
        how: what to make of versions.
        cache: where prepared models are.
        memory_left: tells the bytes of memory that a child may take; infinite for no limit.
        log_level: what a child logs.
        prepare_timeout: seconds that a child may take.
        look_timeout: seconds that may pass until the registry has told what the URI means, and until the disk has done
            anything that is asked of it.
    """

    def __init__(
        self,
        uri: ModelURI,
        config: RegistryConfig,
        how: Preparation,
        cache: Cache,
        *,
        memory_left: Callable[[], float],
        log_level: str,
        prepare_timeout: float,
        look_timeout: float,
    ) -> None:
        self._uri = uri
        self._config = config
        self._how = how
        self._cache = cache
        self._memory_left = memory_left
        self._log_level = log_level
        self._prepare_timeout = prepare_timeout
        self._look_timeout = look_timeout
        self._asking = Errands()
        self._disk = Errands(_MOST_LEFT)
        self._kept: ModelVersion | None = None

    async def resolve(self) -> ModelVersion | Unresolved:
        """See ``Finder``; only a child tells what is in a folder, and in a changed store that is no tracking server."""
        if self._kept is not None:
            await self._on_disk(partial(self._keep, self._kept))
        if self._uri.kind == "folder":
            return UNRESOLVED
        if not self._config.light:
            return await self._on_disk(lambda: recall_unchanged(self._uri, self._config, self._cache)) or UNRESOLVED
        try:
            version = await self._asking.run(lambda: resolve(self._uri, self._config), self._look_timeout)
        except LeftBehind:
            return UNRESOLVED
        except TimeoutError:
            raise too_slow(self._uri, self._config, self._look_timeout) from None
        await self._on_disk(lambda: remember(self._uri, self._config, self._cache, version))
        return version

    async def prepare(self, version: ModelVersion | Unresolved) -> Prepared:
        """See ``Finder``."""
        if version is not UNRESOLVED and (found := await self._on_disk(partial(self._find, version))) is not None:
            return found
        return await self._prepare(self._uri)

    async def restore(self, prepared: Prepared) -> None:
        """See ``Finder``; files that are all there may be spoilt all the same, so they are replaced too."""
        await self._prepare(ModelURI.parse(prepared.version.uri), anew=True)

    async def _prepare(self, uri: ModelURI, *, anew: bool = False) -> Prepared:
        """Have a child prepare what a URI means.

        Args:
            uri: the model.
            anew: see ``registry.preparing.prepare``.

        Raises:
            RegistryError: it cannot be had, or not in time.
        """
        memory = self._memory_left()
        try:
            async with asyncio.timeout(self._prepare_timeout):
                return await prepare_in_child(
                    uri,
                    self._config,
                    self._how,
                    self._cache.folder,
                    memory=None if memory == math.inf else int(memory),
                    log_level=self._log_level,
                    look_timeout=self._look_timeout,
                    anew=anew,
                )
        except TimeoutError:
            raise UnusableModel(f"{uri} was not prepared within {self._prepare_timeout:g} s") from None

    async def keep(self, prepared: Prepared) -> None:
        """See ``Finder``; from now on each ``resolve`` keeps it in the cache, for a server may run for months."""
        self._kept = prepared.version
        try:
            await self._on_disk(lambda: remember_served(self._uri, self._config, self._cache, prepared.version))
        except CacheUnusable as error:  # it is served all the same
            logger.warning(str(error))

    async def last_known(self) -> Prepared | None:
        """See ``Finder``."""
        return await self._on_disk(self._last_known)

    async def discard(self, prepared: Prepared) -> None:
        """See ``Finder``."""
        try:
            await self._on_disk(lambda: self._cache.discard(prepared))
        except CacheUnusable as error:
            logger.warning(str(error))

    async def _on_disk(self, call: Callable[[], T]) -> T:
        """Do something in the cache's folder, which may be on another machine.

        Raises:
            CacheUnusable: it takes too long, or what was asked of it earlier still does.
        """
        try:
            return await self._disk.run(call, self._look_timeout)
        except TimeoutError:
            raise CacheUnusable(
                f"the folder of prepared models {self._cache.folder} has not answered within {self._look_timeout:g} s; "
                "see whether its disk is well, or name another with --cache (CANOPY_CACHE)"
            ) from None

    def _keep(self, version: ModelVersion) -> None:
        keep_served(self._uri, self._config, self._cache)
        self._find(version)

    def _last_known(self) -> Prepared | None:
        if self._uri.kind == "folder":  # another machine may have had another model at this path
            return None
        version = last_served(self._uri, self._config, self._cache)
        return self._find(version) if version else None

    def _find(self, version: ModelVersion) -> Prepared | None:
        return self._cache.find(key(version, self._config, self._how))
