"""The application of a process that serves, with all that stands behind its routes, but neither sockets nor signals."""

import asyncio
import contextlib
import gc
import logging
import math
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from starlette.types import ASGIApp

import registry
import registry.opening.engines
from batcher import Batcher, BatchEvent, Limits
from serving import (
    Answer,
    Codec,
    CountedResponses,
    Model,
    ModelHandle,
    Query,
    Reload,
    Service,
    SharedMetrics,
    Table,
    create_app,
    infer,
    is_short,
    make_codecs,
    places,
    warm_up,
)
from serving.app import Lifespan
from settings import Settings
from workers.serving.source import Source
from workers.threads import Errands, LeftBehind, outlives

logger = logging.getLogger("canopy")

_GARBAGE: Final = 20_000
"""New objects that are worth a search for cycles among them. No request leaves a cycle behind, and neither does a
connection; at the usual 700, thousands of requests in the queue are searched over and over, a fifth of all the work."""

_MOST_LEFT: Final = 4
"""Versions that may hang while they are opened, whose threads cannot be ended, before no other is opened."""

_ENGINE: Final = "inference"
"""Name of the engine's thread."""


class _Opened(NamedTuple):
    """A version that can be put in service.

    Attributes:
        model: the version.
        table: what decodes for it.
        calls: (rows, seconds) of calls of its engine.
    """

    model: Model
    table: Table
    calls: list[tuple[int, float]]


class Application:
    """The service, its formats, and what keeps a model in it.

    Any server of ASGI applications can host it: a worker's, and Ray's.

    Args:
        settings: all of them.
        source: where its models come from.
        board: where this process and others put their figures.
        describe: what a source is to be told of a version that is served now.
        dismissed: called when it is wanted no more.
        failed: called with the reason when it has nothing to serve, and will not have.

    Attributes:
        service: answers the requests.
        codecs: path → the format of requests for predictions there.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        board: SharedMetrics,
        *,
        describe: Callable[[Model, Table], str],
        dismissed: Callable[[], object],
        failed: Callable[[str], object],
    ) -> None:
        self._settings = settings
        self._source = source
        self._describe = describe
        self._when_dismissed = dismissed
        self._when_failed = failed
        self._executor = ThreadPoolExecutor(1, _ENGINE)
        self._openings = Errands(_MOST_LEFT)
        name = settings.model_name or registry.ModelURI.parse(settings.model_uri).name
        self.service = Service(name, ModelHandle(), max_body_bytes=settings.max_body_bytes, board=board)
        self.codecs = places(make_codecs(settings.predict_route))

    def asgi(self, lifespan: Lifespan) -> ASGIApp:
        """The routes, for a server of ASGI applications.

        Args:
            lifespan: what that server enters before it takes requests, and leaves when it takes none any more; it is
                ``running`` in it.
        """
        settings = self._settings
        reload = Reload(self._source.refresh, settings.admin_token) if settings.admin_token else None
        index = _index(settings, self.service.name, self.codecs)
        app = create_app(self.service, self.codecs, index, lifespan, reload, settings.health_route, settings.origins)
        return CountedResponses(app, self.service.metrics)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve what the source has; when this is left, what is still queued is answered with 503."""
        settings = self._settings
        limits = Limits(
            max_batch_rows=settings.max_batch_rows,
            max_queue_rows=settings.max_queue_rows,
            max_wait=settings.max_wait_ms / 1000,
            max_batch_items=math.inf if settings.batching == "on" else 1,
        )
        batcher: Batcher[Query, Answer] = Batcher(
            infer,
            limits,
            executor=self._executor,
            inline={"auto": is_short, "inline": _always, "thread": _never}[settings.inference],
            timeout=settings.deadline_ms / 1000,
            call_timeout=settings.hang_timeout_seconds,
            observer=self._observe,
        )
        self.service.begin(batcher)
        beside = self._source.attend(self._dismissed), self._follow(batcher)
        tasks = [asyncio.create_task(each) for each in beside]
        for task in tasks:
            task.add_done_callback(self._ended)
        try:
            yield
        finally:
            # Every request that the server waited for has been answered: what is left has nobody to answer to.
            for task in tasks:
                task.cancel()
            batcher.close()

    def beat(self) -> None:
        """All is well; to be called once a second."""
        self.service.update_error = self._source.update_error
        self._source.beat()

    def end(self) -> bool:
        """End the engine's thread; returns whether it is stuck in a call, and cannot be."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        return any(outlives(thread, seconds=1) for thread in threading.enumerate() if thread.name.startswith(_ENGINE))

    async def _follow(self, batcher: Batcher[Query, Answer]) -> None:
        """Serve what the source has, one version after the other; what cannot be served leaves the one before."""
        while True:
            prepared = await self._source.model()
            try:
                opened = await self._opened(prepared)
            except registry.RegistryError as error:
                await self._source.failed(str(error))
            except LeftBehind:
                if prepared.shared is not None:
                    os.close(prepared.shared)
                await self._source.failed(f"{prepared.version} is not opened again while an earlier opening hangs")
            except TimeoutError:
                limit = self._settings.prepare_timeout_seconds
                await self._source.failed(f"{prepared.version} was not opened within {limit:g} s")
            except Exception as error:
                logger.exception("traceback")
                reason = f"{prepared.version} cannot be served: {type(error).__name__}: {error}"
                await self._source.failed(str(registry.UnusableModel(reason)))
            else:
                if opened is not None and await self._source.agree():
                    for rows, seconds in opened.calls:
                        batcher.observe(rows, seconds)
                    self._put_in_service(opened)
                    await self._source.serving(self._describe(opened.model, opened.table))

    async def _opened(self, prepared: registry.Prepared) -> _Opened | None:
        """Open a version in a thread; None if it is called off meanwhile.

        Raises:
            TimeoutError: it takes too long.
            Exception: see ``_open``.
        """
        limit = self._settings.prepare_timeout_seconds
        opening = asyncio.create_task(
            self._openings.run(partial(self._open, prepared), limit, str(prepared.version)),
        )
        calling_off = asyncio.create_task(self._source.called_off())
        try:
            await asyncio.wait([opening, calling_off], return_when=asyncio.FIRST_COMPLETED)
            return opening.result() if opening.done() else None
        finally:
            opening.cancel()
            calling_off.cancel()

    def _open(self, prepared: registry.Prepared) -> _Opened:
        """Open a version and try it out; takes long."""
        engine = registry.opening.engines.open_engine(prepared, self._settings.walk)
        table = self._table(prepared.columns)
        calls, label = warm_up(engine, table.schema, prepared.row, self._settings.max_batch_rows)
        name, columns = self._settings.model_name or prepared.version.name, prepared.columns.known
        return _Opened(Model(name, prepared.version.number, engine, columns, prepared.assumption, label), table, calls)

    def _table(self, columns: registry.Columns) -> Table:
        """What decodes for a version: the same as for the one in service, if they have one schema and order."""
        now = self.service.table
        if now is not None and (now.schema, now.order) == (columns.schema, columns.order):
            return now
        settings = self._settings
        return Table(
            columns.schema,
            order=columns.order,
            max_rows_per_request=settings.max_rows_per_request,
            max_batch_rows=settings.max_batch_rows,
        )

    def _put_in_service(self, opened: _Opened) -> None:
        before = self.service.table
        if before is not None and (changes := opened.table.schema.changes(before.schema)) is not None:
            logger.warning("%s takes other rows than %s: %s", opened.model, before.model, changes)
        self.service.put_in_service(opened.model, opened.table)
        if before is None:
            # What is here now stays. Left to the collector, all modules would be searched for garbage over and over: a
            # third of all the work at a thousand clients.
            gc.collect()
            gc.freeze()
            gc.set_threshold(_GARBAGE)

    def _dismissed(self, reason: str | None) -> None:
        """It is wanted no more."""
        if reason is None:
            self._when_dismissed()
        elif not self.service.draining:  # a signal for all of a service's processes has ended the child as well
            self._when_failed(reason)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What runs beside the server has ended, which is a fault if an exception did it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("traceback", exc_info=error)
            self._when_failed("a fault of the server's own: see the traceback above")

    def _observe(self, event: BatchEvent) -> None:
        """See ``batcher.Observer``."""
        logger.debug("%s", event)
        self.service.metrics.batch(event)
        if event.error is not None and len(event.waits) == 1:
            logger.error("the model failed on a request", exc_info=event.error)


def _always(_seconds: float, _queries: list[Query]) -> bool:
    return True


def _never(_seconds: float, _queries: list[Query]) -> bool:
    return False


def _index(settings: Settings, model: str, codecs: Mapping[str, Codec]) -> dict[str, Any]:
    """What ``GET /`` tells besides the state."""
    return {
        "name": "canopy-serve",
        "version": version("canopy-serve"),
        "description": "Predictions for rows",
        "max_rows_per_request": settings.max_rows_per_request,
        "endpoints": [
            *(f"POST {path.replace('{model}', model)}" for path in codecs),
            "GET /health/live",
            "GET /health/ready",
            "GET /stats",
            "GET /metrics",
            "GET /docs",
        ],
    }
