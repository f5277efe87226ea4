"""Following what a model URI means: the version to serve now, and each that takes its place.

Time passes only in ``asyncio``, and all that takes long is a ``Finder``'s, so that tests run in virtual time.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from registry.errors import RegistryError, StoreUnavailable, UnusableModel
from registry.prepared import Prepared
from registry.version import ModelVersion, Unresolved

logger = logging.getLogger("canopy.registry")

_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 600.0
"""Seconds from one attempt to the next, of which each is twice as long as the one before."""


class Finder(Protocol):
    """Finds versions, in one store and for one model URI."""

    async def resolve(self) -> ModelVersion | Unresolved:
        """The version that the URI means now, unless only ``prepare`` can tell.

        Raises:
            ModelNotFound: there is none.
            StoreUnavailable: the store cannot be used.
        """

    async def prepare(self, version: ModelVersion | Unresolved) -> Prepared:
        """Have a version ready to be opened, at once if it is in the cache.

        Args:
            version: what ``resolve`` has returned.

        Raises:
            RegistryError: it cannot be had.
        """

    async def keep(self, prepared: Prepared) -> None:
        """Remember a version that is served as the last known one."""

    async def restore(self, prepared: Prepared) -> None:
        """Have a version that is served ready again, for it cannot be opened any more; others may have it open.

        Raises:
            RegistryError: it cannot be had.
        """

    async def last_known(self) -> Prepared | None:
        """What was served last for the URI, by whichever process, if it is still in the cache."""

    async def discard(self, prepared: Prepared) -> None:
        """Take a version that cannot be served out of the cache."""


class Watcher:
    """Delivers the version that is to be served, and again each time it has become another.

    Args:
        finder: finds versions.
        deliver: has one served; raises UnusableModel if it cannot be.
        tell: told why the newest version is not served, and None when it is.
        poll: seconds from one look to the next; 0 looks only when ``look`` is called.
        patience: seconds to wait at first for a store that cannot be reached, if there is no last known version.
        spread: varies the time of a poll, so that many servers do not ask at once.
    """

    def __init__(
        self,
        finder: Finder,
        deliver: Callable[[Prepared], Awaitable[object]],
        tell: Callable[[str | None], object],
        *,
        poll: float,
        patience: float,
        spread: Callable[[float], float] = lambda seconds: seconds * random.uniform(0.9, 1.1),  # noqa: S311
    ) -> None:
        self._finder = finder
        self._deliver = deliver
        self._tell = tell
        self._poll = poll
        self._patience = patience
        self._spread = spread
        self._current: Prepared | None = None
        self._trouble: str | None = None
        self._refused: ModelVersion | Unresolved | None = None
        self._delay = _FIRST_DELAY
        self._retry_at = 0.0
        self._asked = asyncio.Event()
        self._restoring: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Watcher of {self._current and self._current.version}{f': {self._trouble}' if self._trouble else ''}>"

    def look(self) -> None:
        """Look now whether there is something new, and do not spare what has failed before."""
        self._asked.set()

    def restore(self, prepared: Prepared) -> None:
        """A version in service cannot be opened any more, perhaps because somebody has emptied the cache: mend that."""
        if self._restoring is None or self._restoring.done():
            self._restoring = asyncio.get_running_loop().create_task(self._restore(prepared))

    async def _restore(self, prepared: Prepared) -> None:
        try:
            await self._finder.restore(prepared)
        except Exception as error:
            self._say(f"{prepared.version} cannot be made ready again: {_foreseen(error)}")

    async def run(self) -> None:
        """Deliver the first version, and then each new one, for ever.

        A version that cannot be had or served leaves the one before in service. It is tried again ever more rarely;
        but whatever else the URI comes to mean is noticed at the next look.

        Raises:
            RegistryError: there is no first version that can be served.
        """
        await self._begin()
        while True:
            await self._pause()
            try:
                await self._look()
            except Exception as error:
                self._failed(_foreseen(error))

    async def _begin(self) -> None:
        prepared = await self._find_first()
        try:
            await self._deliver(prepared)
        except UnusableModel:  # perhaps only what was in the cache is spoilt
            await self._finder.discard(prepared)
            prepared = await self._begin_anew(prepared)
        await self._serves(prepared)

    async def _begin_anew(self, refused: Prepared) -> Prepared:
        """Serve what the URI means, fetched anew, or what was served before that, as a server that runs would."""
        try:
            prepared = await self._finder.prepare(await self._finder.resolve())
            await self._deliver(prepared)
        except Exception as caught:
            error = _foreseen(caught)
            known = await self._finder.last_known()
            if known is None or known.version == refused.version:
                raise error from caught
            self._fall_back(known, error)
            await self._deliver(known)
            return known
        return prepared

    async def _find_first(self) -> Prepared:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._patience
        delay, said = _FIRST_DELAY, ""
        while True:
            try:
                return await self._finder.prepare(await self._finder.resolve())
            except Exception as caught:
                error = _foreseen(caught)
                if (known := await self._finder.last_known()) is not None:
                    self._fall_back(known, error)
                    return known
                left = give_up - loop.time()
                if left <= 0 or not isinstance(error, StoreUnavailable):
                    raise error from caught
                if str(error) != said:
                    said = str(error)
                    logger.warning("%s; trying again for %.3g s", said, left)
            await asyncio.sleep(min(delay, left))
            delay *= 2

    def _fall_back(self, known: Prepared, error: RegistryError) -> None:
        self._trouble = str(error)
        self._tell(self._trouble)
        logger.warning("serving %s, as it was last known, for %s", known.version, error)

    async def _look(self) -> None:
        version = await self._finder.resolve()
        current = self._current
        assert current is not None  # noqa: S101 - for the type checker
        if version != current.version:
            if version == self._refused and asyncio.get_running_loop().time() < self._retry_at:
                return
            if version != self._refused:
                self._refused, self._delay = version, _FIRST_DELAY
            prepared = await self._finder.prepare(version)
            if prepared.version != current.version:
                try:
                    await self._deliver(prepared)
                except UnusableModel:
                    await self._finder.discard(prepared)
                    raise
                await self._serves(prepared)
        self._recovered()

    async def _serves(self, prepared: Prepared) -> None:
        self._current = prepared
        for warning in prepared.warnings:
            logger.warning(warning)
        await self._finder.keep(prepared)

    def _failed(self, error: RegistryError) -> None:
        self._say(str(error))
        self._retry_at = asyncio.get_running_loop().time() + self._delay
        self._delay = min(2 * self._delay, _LONGEST_DELAY)

    def _say(self, reason: str) -> None:
        if reason != self._trouble:
            logger.error("%s is still served: %s", self._current and self._current.version, reason)
            self._trouble = reason
            self._tell(reason)

    def _recovered(self) -> None:
        self._refused = None
        self._delay, self._retry_at = _FIRST_DELAY, 0.0
        if self._trouble is not None:
            logger.info("%s is up to date again", self._current and self._current.version)
            self._trouble = None
            self._tell(None)

    async def _pause(self) -> None:
        """Wait for the next poll or retry, or until somebody asks."""
        seconds = self._spread(self._poll) if self._poll else None
        if self._trouble is not None:
            retry = max(0.0, self._retry_at - asyncio.get_running_loop().time())
            seconds = retry if seconds is None else min(seconds, retry)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), seconds)
        if self._asked.is_set():
            self._asked.clear()
            self._retry_at = 0.0


def _foreseen(error: Exception) -> RegistryError:
    """An error of the registry's; a fault of ours, a library's or the system's is as if the store could not be used."""
    if isinstance(error, RegistryError):
        return error
    logger.error("traceback", exc_info=error)
    return StoreUnavailable(f"looking for a new version fails: {type(error).__name__}: {error}")
