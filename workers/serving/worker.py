"""The process that serves: its sockets, uvicorn's server, and the application in it."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import orjson
import uvicorn
from starlette.applications import Starlette

from registry.updates import refresh_signal
from serving import (
    CONTENT,
    Connection,
    ConnectionContext,
    ConnectionLimits,
    DrainingServer,
    HotConnection,
    HotPath,
    Model,
    ReadBudget,
    Service,
    SharedMetrics,
    Table,
)
from serving.memory import give_memory_back
from settings import Settings
from workers import WorkerSlot
from workers.serving.application import Application
from workers.serving.source import Source

if TYPE_CHECKING:
    from serving.grpc.server import GrpcServer

logger = logging.getLogger("canopy")

_LATE = 0.2
"""Seconds between looks at whether a late worker can begin, or is to stop before it has begun."""


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
        self._application = Application(
            settings,
            source,
            SharedMetrics(CONTENT, slot.count, slot.index, slot.memory),
            describe=self._description,
            dismissed=lambda: self._uvicorn.drain(),
            failed=self._fail,
        )
        self._service = self._application.service
        self._grpc = _grpc_server(self._service, settings, slot.count)
        kind, shared = self._connection(settings)
        config = uvicorn.Config(
            self._application.asgi(self._lifespan),
            loop="uvloop",
            http=kind,
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
            shared,
            delay=settings.drain_delay_seconds,
            idle=settings.drain_idle_seconds,
            timeout=settings.drain_timeout_seconds,
            beat=self._application.beat,
            others={index: socket.socket(fileno=each) for index, each in others.items()},
            beside=None if self._grpc is None else self._grpc.stop,
        )
        source.on_cover = self._uvicorn.cover

    def _connection(self, settings: Settings) -> tuple[type[Connection], tuple[Any, ...]]:
        """The class of connections, and what they share."""
        limits = ConnectionLimits(
            max_head_bytes=settings.max_head_bytes,
            head_timeout=settings.head_timeout_seconds,
            body_timeout=settings.body_timeout_seconds,
            write_timeout=settings.write_timeout_seconds,
            keep_alive=settings.keep_alive_seconds,
        )
        context = ConnectionContext(limits, self._service.metrics, ReadBudget())
        if settings.http == "asgi":
            return Connection, (context,)
        hot = HotPath(self._service, self._application.codecs, cross_origin=bool(settings.origins))
        return HotConnection, (hot, context)

    def run(self) -> tuple[int, bool]:
        """Serve; returns the exit status, and whether the engine is stuck in a call."""
        self._uvicorn.run(sockets=[self._listener])
        return int(self._failed), self._application.end()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        with refresh_signal.on_signal(asyncio.get_running_loop(), self._source.refresh):
            async with self._application.running():
                # uvicorn takes connections from the yield on.
                while self._slot.late and not (self._service.handle.model or self._service.draining or self._failed):
                    self._application.beat()
                    await asyncio.sleep(_LATE)
                if self._grpc is not None:
                    await self._listen_for_grpc(self._grpc)
                yield

    async def _listen_for_grpc(self, server: "GrpcServer") -> None:
        try:
            await server.start()
        except OSError as error:
            self._fail(str(error))
        else:
            self._service.grpc_port = server.port

    def _fail(self, reason: str) -> None:
        """Stop the worker because it has nothing to serve."""
        logger.error(reason)
        self._failed = True
        self._uvicorn.stop()

    def _description(self, model: Model, table: Table) -> str:
        """What is served, and a request to paste."""
        host, port = self._listener.getsockname()[:2]
        scheme = "https" if self._settings.tls_certificate else "http"
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        body = orjson.dumps({"features": table.schema.row}).decode()
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
