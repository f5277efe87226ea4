"""One serving process: model → batcher → application → uvicorn."""

import asyncio
import contextlib
import gc
import logging
import math
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import uvicorn
from starlette.applications import Starlette

import registry
import registry.opening.engines
from batcher import Batcher, BatchEvent, Limits
from registry.updates import refresh_signal
from serving import (
    CONTENT,
    Answer,
    Codec,
    Connection,
    ConnectionContext,
    ConnectionLimits,
    CountedResponses,
    DrainingServer,
    HotConnection,
    HotPath,
    Model,
    ModelHandle,
    Query,
    ReadBudget,
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
from serving.memory import give_memory_back
from settings import Settings
from workers import WorkerSlot
from workers.serving.source import Source
from workers.threads import Errands, LeftBehind, outlives

if TYPE_CHECKING:
    from serving.grpc.server import GrpcServer

logger = logging.getLogger("canopy")

_GARBAGE = 20_000
"""New objects that are worth a search for cycles among them. No request leaves a cycle behind, and neither does a
connection; at the usual 700, thousands of requests in the queue are searched over and over, a fifth of all the work."""

_LATE = 0.2
"""Seconds between looks at whether a late worker can begin, or is to stop before it has begun."""

_MOST_LEFT = 4
"""Versions that may hang while they are opened, whose threads cannot be ended, before no other is opened."""

_ENGINE = "inference"
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


class Worker:
    """A serving process.

    Args:
        settings: all of them.
        slot: which of the workers this is, and what it was handed.
        source: where its models come from.
    """

    def __init__(self, settings: Settings, slot: WorkerSlot, source: Source) -> None:
        give_memory_back()
        self._settings = settings
        self._slot = slot
        self._source = source
        self._listener = socket.socket(fileno=slot.listener)
        others = {index: each for index, each in enumerate(slot.listeners) if index != slot.index}
        self._failed = False
        self._executor = ThreadPoolExecutor(1, _ENGINE)
        self._openings = Errands(_MOST_LEFT)
        self._service = Service(
            registry.ModelURI.parse(settings.model_uri).name,
            ModelHandle(),
            max_body_bytes=settings.max_body_bytes,
            board=SharedMetrics(CONTENT, slot.count, slot.index, slot.memory),
        )
        self._grpc = _grpc_server(self._service, settings, slot.count)
        reload = Reload(source.refresh, settings.admin_token) if settings.admin_token else None
        codecs = places(make_codecs(settings.predict_route))
        app = create_app(
            self._service,
            codecs,
            _index(settings, self._service.name, codecs),
            self._lifespan,
            reload,
            settings.health_route,
            settings.origins,
        )
        config = uvicorn.Config(
            CountedResponses(app, self._service.metrics),
            loop="uvloop",
            http=self._connection(settings, codecs),  # type: ignore[arg-type]  # uvicorn only ever calls it
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Or else uvicorn would read WEB_CONCURRENCY, which some platforms set, and end if it is no number.
            workers=1,
            ssl_certfile=settings.tls_certificate or None,
            ssl_keyfile=settings.tls_key or None,
        )
        self._uvicorn = DrainingServer(
            config,
            self._service,
            delay=settings.drain_delay_seconds,
            idle=settings.drain_idle_seconds,
            timeout=settings.drain_timeout_seconds,
            beat=self._beat,
            others={index: socket.socket(fileno=each) for index, each in others.items()},
            beside=None if self._grpc is None else self._grpc.stop,
        )
        source.on_cover = self._uvicorn.cover

    def _connection(self, settings: Settings, codecs: Mapping[str, Codec]) -> Callable[..., Connection]:
        limits = ConnectionLimits(
            max_head_bytes=settings.max_head_bytes,
            head_timeout=settings.head_timeout_seconds,
            body_timeout=settings.body_timeout_seconds,
            write_timeout=settings.write_timeout_seconds,
            keep_alive=settings.keep_alive_seconds,
        )
        context = ConnectionContext(limits, self._service.metrics, ReadBudget())
        ways: dict[str, Callable[..., Connection]] = {
            "hot": partial(HotConnection, HotPath(self._service, codecs, cross_origin=bool(settings.origins)), context),
            "asgi": partial(Connection, context),
        }
        return ways[settings.http]

    def run(self) -> tuple[int, bool]:
        """Serve; returns the exit status, and whether the engine is stuck in a call."""
        self._uvicorn.run(sockets=[self._listener])
        self._executor.shutdown(wait=False, cancel_futures=True)
        stuck = any(outlives(thread, seconds=1) for thread in threading.enumerate() if thread.name.startswith(_ENGINE))
        return int(self._failed), stuck

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        settings = self._settings
        limits = Limits(
            max_batch_rows=settings.max_batch_rows,
            max_queue_rows=settings.max_queue_rows,
            max_wait=settings.max_wait_ms / 1000,
            max_batch_items=math.inf if settings.batching == "on" else 1,
        )
        batcher = self._service.batcher = Batcher(
            infer,
            limits,
            executor=self._executor,
            inline={"auto": is_short, "inline": _always, "thread": _never}[settings.inference],
            timeout=settings.deadline_ms / 1000,
            call_timeout=settings.hang_timeout_seconds,
            observer=self._observe,
        )
        with refresh_signal.on_signal(asyncio.get_running_loop(), self._source.refresh):
            beside = self._source.attend(self._dismissed), self._follow(batcher)
            tasks = [asyncio.create_task(each) for each in beside]
            for task in tasks:
                task.add_done_callback(self._ended)
            # uvicorn takes connections from the yield on.
            while self._slot.late and not (self._service.handle.model or self._service.draining or self._failed):
                self._beat()
                await asyncio.sleep(_LATE)
            if self._grpc is not None:
                await self._listen_for_grpc(self._grpc)
            try:
                yield
            finally:
                # uvicorn has answered every connection that it waited for: what is left has nobody to answer to.
                for task in tasks:
                    task.cancel()
                batcher.close()

    async def _listen_for_grpc(self, server: "GrpcServer") -> None:
        try:
            await server.start()
        except OSError as error:
            self._fail(str(error))
        else:
            self._service.grpc_port = server.port

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
                    await self._source.serving(self._description(opened))

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
        version, columns = prepared.version, prepared.columns.known
        return _Opened(Model(version.name, version.number, engine, columns, prepared.assumption, label), table, calls)

    def _table(self, columns: registry.Columns) -> Table:
        """What decodes for a version: the same as for the one in service, if they have one schema and order."""
        now = self._service.table
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
        before = self._service.table
        if before is not None and (changes := opened.table.schema.changes(before.schema)) is not None:
            logger.warning("%s takes other rows than %s: %s", opened.model, before.model, changes)
        self._service.put_in_service(opened.model, opened.table)
        if before is None:
            # What is here now stays. Left to the collector, all modules would be searched for garbage over and over: a
            # third of all the work at a thousand clients.
            gc.collect()
            gc.freeze()
            gc.set_threshold(_GARBAGE)

    def _beat(self) -> None:
        self._service.update_error = self._source.update_error
        self._source.beat()

    def _dismissed(self, reason: str | None) -> None:
        """The worker is wanted no more."""
        if reason is None:
            self._uvicorn.drain()
        elif not self._service.draining:  # a signal for all of a service's processes has ended the child as well
            self._fail(reason)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What runs beside the server has ended, which is a fault if an exception did it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("traceback", exc_info=error)
            self._fail("a fault of the server's own: see the traceback above")

    def _fail(self, reason: str) -> None:
        """Stop the worker because it has nothing to serve."""
        logger.error(reason)
        self._failed = True
        self._uvicorn.stop()

    def _observe(self, event: BatchEvent) -> None:
        """See ``batcher.Observer``."""
        logger.debug("%s", event)
        self._service.metrics.batch(event)
        if event.error is not None and len(event.waits) == 1:
            logger.error("the model failed on a request", exc_info=event.error)

    def _description(self, opened: _Opened) -> str:
        """What is served, and a request to paste."""
        model = opened.model
        host, port = self._listener.getsockname()[:2]
        scheme = "https" if self._settings.tls_certificate else "http"
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        body = orjson.dumps({"features": opened.table.schema.row}).decode()
        workers = f", {self._slot.count} workers" if self._slot.count > 1 else ""
        beside = "" if self._grpc is None else f", and over gRPC at port {self._grpc.port}"
        return (
            f"serving {model} ({model.engine.name} engine, batching {self._settings.batching}{workers}) at {address}"
            f"{beside}; try\n\n    curl -s {address}/predict -H 'content-type: application/json' -d '{body}'\n"
        )


def _grpc_server(service: Service, settings: Settings, workers: int) -> "GrpcServer | None":
    """A server for gRPC, if one is wanted: importing it takes memory that others do without."""
    if settings.grpc_port == "off":
        return None
    from serving.grpc.server import GrpcServer, Tls

    tls = Tls(settings.tls_certificate, settings.tls_key) if settings.tls_certificate else None
    return GrpcServer(service, settings.host, settings.grpc_port, shared=workers > 1, tls=tls)


def _always(_seconds: float, _queries: Sequence[Query]) -> bool:
    return True


def _never(_seconds: float, _queries: Sequence[Query]) -> bool:
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
