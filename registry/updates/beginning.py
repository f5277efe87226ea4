"""The first version that a server serves: the newest, or the last known one if that is not to be had, or not soon."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from registry.errors import NeedsFullImage, RegistryError, StoreUnavailable, TooLarge, UnusableModel
from registry.prepared import Prepared
from registry.updates.finding import Finder
from registry.version import ModelVersion, Unresolved

logger = logging.getLogger("canopy.registry")

_FIRST_DELAY: Final = 1.0
"""Seconds from one attempt to the next, of which each is twice as long as the one before."""

_LEAST: Final = 1.0
"""Seconds that a registry has at least to say what the URI means."""


class Beginning:
    """Delivers the first version.

    Args:
        finder: finds versions.
        deliver: see ``Watcher``.
        fall_back: told that the last known version is going to be delivered, and why it is not the newest.
        startup_timeout: seconds that may pass until the last known version is served instead of the newest; if there is
            none, seconds to wait for a store that cannot be reached, or does not answer.
    """

    def __init__(
        self,
        finder: Finder,
        deliver: Callable[[Prepared], Awaitable[object]],
        fall_back: Callable[[Prepared, str], object],
        *,
        startup_timeout: float,
    ) -> None:
        self._finder = finder
        self._deliver = deliver
        self._fall_back = fall_back
        self._startup_timeout = startup_timeout

    async def run(self) -> Prepared:
        """Deliver a version; returns it.

        Raises:
            RegistryError: none can be had or served.
        """
        give_up = asyncio.get_running_loop().time() + max(self._startup_timeout, _LEAST)
        newest: Prepared | None = None
        try:
            known = await self._known()
            async with asyncio.timeout_at(None if known is None else give_up) as limit:
                newest = await self._find(give_up, wait=known is None)
                if known is not None and known.version == newest.version:
                    limit.reschedule(None)  # there is nothing else to serve
                return await self._deliver_newest(newest)
        except TimeoutError:
            what = "the newest version" if newest is None else str(newest.version)
            error: RegistryError = UnusableModel(
                f"{what} was not ready within {max(self._startup_timeout, _LEAST):g} s"
            )
        except Exception as caught:
            error = in_words(caught)
        known = await self._known()  # it may have turned out to be unusable
        if known is None or (newest is not None and known.version == newest.version):
            raise error
        self._fall_back(known, str(error))
        await self._deliver(known)
        return known

    async def _known(self) -> Prepared | None:
        try:
            return await self._finder.last_known()
        except RegistryError as error:
            logger.warning("what was served last is not known: %s", error)
            return None

    async def _find(self, give_up: float, *, wait: bool) -> Prepared:
        """Have the newest version ready.

        Args:
            give_up: time until which a store may keep one waiting.
            wait: whether to try again until then.
        """
        loop = asyncio.get_running_loop()
        delay, said = _FIRST_DELAY, ""
        while True:
            try:
                return await self._finder.prepare(await self._resolve(give_up))
            except Exception as caught:
                error = in_words(caught)
                left = give_up - loop.time()
                if not isinstance(error, StoreUnavailable) or not wait or left <= 0 or self._startup_timeout == 0:
                    raise error from caught
                if str(error) != said:
                    said = str(error)
                    logger.warning("%s; trying again for %.3g s", said, left)
            await asyncio.sleep(min(delay, left))
            delay *= 2

    async def _resolve(self, give_up: float) -> ModelVersion | Unresolved:
        try:
            async with asyncio.timeout_at(give_up):
                return await self._finder.resolve()
        except TimeoutError:
            raise StoreUnavailable(
                "the registry has not told in time what the model URI means; see whether the MLflow server is up and "
                "MLFLOW_TRACKING_URI is right, or wait longer with --model-wait-seconds (CANOPY_MODEL_WAIT_SECONDS)"
            ) from None

    async def _deliver_newest(self, prepared: Prepared) -> Prepared:
        """Serve a version, fetched anew if need be; returns the one that is served in the end."""
        try:
            await self._deliver(prepared)
        except UnusableModel as error:  # perhaps only what was in the cache is spoilt
            await discard(self._finder, prepared, error)
            prepared = await self._finder.prepare(await self._finder.resolve())
            await self._deliver(prepared)
        return prepared


async def discard(finder: Finder, prepared: Prepared, error: UnusableModel) -> None:
    """Take a version that was refused out of the cache, unless its files are not to blame."""
    if not isinstance(error, TooLarge | NeedsFullImage):
        await finder.discard(prepared)


def in_words(error: Exception) -> RegistryError:
    """An exception to be told.

    One that nobody foresaw, a fault of ours, a library's or the system's, is as if the store could not be used; the log
    has more of it.
    """
    if isinstance(error, RegistryError):
        return error
    logger.error("traceback", exc_info=error)
    return StoreUnavailable(f"looking for a new version fails: {type(error).__name__}: {error}")
