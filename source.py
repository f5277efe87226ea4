"""Where a worker gets its models from, and whom it tells what came of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

import registry
from registry.cache import Cache
from registry.finder import CachedFinder
from registry.watch import Watcher
from settings import Settings
from workers import Superior, cgroup_memory_left

logger = logging.getLogger("canopy")


class Source(Protocol):
    """What a worker serves by."""

    @property
    def trouble(self) -> str | None:
        """Why what it serves is not the newest version, if it is not."""

    async def attend(self, dismissed: Callable[[str | None], None]) -> None:
        """Run beside the worker; calls ``dismissed`` when it is wanted no more, with the reason if it is a fault."""

    async def model(self) -> registry.Prepared:
        """Await what is to be served next."""

    async def agree(self) -> bool:
        """The worker is ready to serve it: whether to."""

    async def serving(self, description: str) -> None:
        """The worker serves it."""

    async def failed(self, reason: str) -> None:
        """The worker cannot, and goes on with what it has."""

    def look(self) -> None:
        """Look now whether there is something new."""

    def beat(self) -> None:
        """The worker is well; called once a second."""

    on_cover: Callable[[Sequence[int]], object]
    """Called with the indexes of the workers for which this one is to stand in, and no others."""


class OwnSource:
    """For a worker that is alone: it follows the registry itself, and the log hears of it."""

    def __init__(
        self, settings: Settings, uri: registry.ModelURI, access: registry.Access, stated: registry.Stated
    ) -> None:
        self.trouble: str | None = None
        self.on_cover: Callable[[Sequence[int]], object] = lambda _seats: None  # it is alone
        self._watcher = watch(settings, uri, access, stated, self._deliver, self._tell)
        self._models: asyncio.Queue[registry.Prepared] = asyncio.Queue()
        self._outcome: asyncio.Future[None] | None = None

    async def attend(self, dismissed: Callable[[str | None], None]) -> None:
        """See ``Source``."""
        try:
            await self._watcher.run()
        except registry.RegistryError as error:
            dismissed(str(error))

    async def model(self) -> registry.Prepared:
        """See ``Source``."""
        return await self._models.get()

    async def agree(self) -> bool:
        """See ``Source``; there is nobody else to wait for."""
        return True

    async def serving(self, description: str) -> None:
        """See ``Source``."""
        logger.info(description)
        if self._outcome is not None:
            self._outcome.set_result(None)

    async def failed(self, reason: str) -> None:
        """See ``Source``."""
        if self._outcome is not None:
            self._outcome.set_exception(registry.UnusableModel(reason))

    def look(self) -> None:
        """See ``Source``."""
        self._watcher.look()

    def beat(self) -> None:
        """See ``Source``; nobody listens."""

    async def _deliver(self, prepared: registry.Prepared) -> None:
        self._outcome = asyncio.get_running_loop().create_future()
        self._models.put_nowait(prepared)
        await self._outcome

    def _tell(self, trouble: str | None) -> None:
        self.trouble = trouble


class SupervisedSource(Superior):
    """For one of several workers: the supervisor follows the registry."""

    @property
    def trouble(self) -> str | None:
        """See ``Source``."""
        return msgspec.json.decode(self.news, type=str | None)

    async def model(self) -> registry.Prepared:
        """See ``Source``."""
        return registry.Prepared.decode(await self.task())


def watch(
    settings: Settings,
    uri: registry.ModelURI,
    access: registry.Access,
    stated: registry.Stated,
    deliver: Callable[[registry.Prepared], Awaitable[object]],
    tell: Callable[[str | None], object],
) -> Watcher:
    """What follows the registry for a server.

    Args:
        settings: the server's.
        uri: the model.
        access: the way to the registry.
        stated: the order of a model's columns, if it does not name them itself.
        deliver: see ``Watcher``.
        tell: see ``Watcher``.
    """
    finder = CachedFinder(
        uri,
        access,
        settings.engine,
        Cache(Path(settings.cache)),
        memory_left=cgroup_memory_left,
        trusted_formats=settings.trusted_formats,
        other_versions=settings.other_versions,
        stated=stated,
        log_level=settings.log_level,
        patience=settings.prepare_timeout_seconds,
    )
    return Watcher(finder, deliver, tell, poll=settings.model_poll_seconds, patience=settings.model_wait_seconds)
