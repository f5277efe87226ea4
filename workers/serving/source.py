"""Where a worker gets its models from, and whom it tells what came of them."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Protocol

import msgspec

import registry
from registry.caching.cache import Cache
from registry.updates.finder import CachedFinder
from registry.updates.watch import Watcher
from settings import Settings
from workers import RolloutRefused, Supervisor, SupervisorClient, cgroup_memory_left
from workers.serving.delivery import Delivery

logger = logging.getLogger("canopy")


class Source(Protocol):
    """What a worker serves by."""

    @property
    def update_error(self) -> str | None:
        """Why what it serves is not the newest version, if it is not."""

    async def attend(self, dismissed: Callable[[str | None], None]) -> None:
        """Run beside the worker; calls ``dismissed`` when it is wanted no more, with the reason if it is a fault."""

    async def model(self) -> registry.Prepared:
        """Await what is to be served next."""

    async def called_off(self) -> None:
        """Await that what was to be served next is wanted no more; never, once it is certain to be served."""

    async def agree(self) -> bool:
        """The worker is ready to serve it: whether to."""

    async def serving(self, description: str) -> None:
        """The worker serves it."""

    async def failed(self, reason: str) -> None:
        """The worker cannot, and goes on with what it has."""

    def refresh(self) -> None:
        """Look now whether there is something new."""

    def beat(self) -> None:
        """The worker is well; called once a second."""

    on_cover: Callable[[Sequence[int]], object]
    """Called with the indexes of the workers for which this one is to stand in, and no others."""


class OwnSource:
    """For a worker that is alone: it follows the registry itself, and the log hears of it."""

    def __init__(
        self, settings: Settings, uri: registry.ModelURI, config: registry.RegistryConfig, stated: registry.Stated
    ) -> None:
        self.update_error: str | None = None
        self.on_cover: Callable[[Sequence[int]], object] = lambda _slots: None  # it is alone
        self._watcher = watch(settings, uri, config, stated, self._serve, self._tell)
        self._models: asyncio.Queue[tuple[registry.Prepared, asyncio.Future[None]]] = asyncio.Queue()
        self._outcome: asyncio.Future[None]

    async def attend(self, dismissed: Callable[[str | None], None]) -> None:
        """See ``Source``."""
        try:
            await self._watcher.run()
        except registry.RegistryError as error:
            dismissed(str(error))

    async def model(self) -> registry.Prepared:
        """See ``Source``."""
        while True:
            prepared, self._outcome = await self._models.get()
            if not self._outcome.done():
                return prepared

    async def called_off(self) -> None:
        """See ``Source``."""
        await asyncio.wait([self._outcome])

    async def agree(self) -> bool:
        """See ``Source``; there is nobody else to wait for."""
        return not self._outcome.done()

    async def serving(self, description: str) -> None:
        """See ``Source``."""
        logger.info(description)
        self._outcome.set_result(None)

    async def failed(self, reason: str) -> None:
        """See ``Source``."""
        if not self._outcome.done():
            self._outcome.set_exception(registry.UnusableModel(reason))

    def refresh(self) -> None:
        """See ``Source``."""
        self._watcher.refresh()

    def beat(self) -> None:
        """See ``Source``; nobody listens."""

    async def _serve(self, prepared: registry.Prepared) -> None:
        outcome = asyncio.get_running_loop().create_future()
        self._models.put_nowait((prepared, outcome))
        await outcome

    def _tell(self, update_error: str | None) -> None:
        self.update_error = update_error


class SupervisedSource(SupervisorClient):
    """For one of several workers: the supervisor follows the registry."""

    @property
    def update_error(self) -> str | None:
        """See ``Source``."""
        return msgspec.json.decode(self.news, type=str | None)

    async def model(self) -> registry.Prepared:
        """See ``Source``."""
        task, files = await self.task()
        return replace(registry.Prepared.decode(task), shared=files[0] if files else None)


async def serve_by(supervisor: Supervisor, prepared: registry.Prepared) -> None:
    """Have all workers serve a version.

    Raises:
        UnusableModel: they cannot.
    """
    files = [] if prepared.shared is None else [os.dup(prepared.shared)]
    try:
        description = await supervisor.serve(prepared.encode(), files)
    except RolloutRefused as error:
        raise registry.UnusableModel(str(error)) from None
    logger.info(description)


def watch(
    settings: Settings,
    uri: registry.ModelURI,
    config: registry.RegistryConfig,
    stated: registry.Stated,
    serve: Callable[[registry.Prepared], Awaitable[object]],
    tell: Callable[[str | None], object],
    share: Callable[[Path], FileIO] | None = None,
) -> Watcher:
    """What follows the registry for a server.

    Args:
        settings: the server's.
        uri: the model.
        config: the way to the registry.
        stated: the table of a model, if it does not tell that itself.
        serve: see ``Delivery``.
        tell: see ``Watcher``.
        share: see ``Delivery``.
    """
    finder = CachedFinder(
        uri,
        config,
        registry.Preparation(settings.engine, settings.trusted_formats, settings.other_versions, stated),
        Cache(Path(settings.cache)),
        memory_left=cgroup_memory_left,
        log_level=settings.log_level,
        prepare_timeout=settings.prepare_timeout_seconds,
        look_timeout=settings.look_timeout_seconds,
    )
    deliver = Delivery(
        serve,
        max_batch_rows=settings.max_batch_rows,
        log_level=settings.log_level,
        limit=settings.prepare_timeout_seconds,
        memory_left=cgroup_memory_left,
        share=share,
    )
    poll = settings.model_poll_seconds if uri.kind != "folder" else 0  # a look there takes all its files
    return Watcher(finder, deliver, tell, poll=poll, startup_timeout=settings.model_wait_seconds)
