"""Canopy in Ray Serve: each replica has the application, the batcher and the model of a server of its own.

Ray's proxies bring the requests, Ray starts and stops replicas, and no other part of Canopy comes with it: neither
connections nor workers, nor gRPC. docs/ray.md tells how to run it, and what it costs.
"""

import asyncio
import contextlib
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import Final

from ray import serve
from starlette.applications import Starlette
from starlette.types import ASGIApp

import redaction
import registry
import workers
from serving import CONTENT, Model, SharedMetrics, Table
from settings import Settings, SettingsError, describe, ignored_variables, variable
from startup import MENDED, start_logging, tame_mlflow
from workers.serving.application import Application
from workers.serving.source import OwnSource

logger = logging.getLogger("canopy")

RAYS: Final = frozenset(
    {
        "host",
        "port",
        "workers",
        "grpc_port",
        "tls_certificate",
        "tls_key",
        "http",
        "max_head_bytes",
        "head_timeout_seconds",
        "body_timeout_seconds",
        "write_timeout_seconds",
        "keep_alive_seconds",
        "drain_delay_seconds",
        "drain_idle_seconds",
        "drain_timeout_seconds",
    }
)
"""Settings of what Ray does here in its own way."""

_SHARED: Final = 8192
"""Bytes for the figures of one process."""

_LOOK: Final = 0.1
"""Seconds between looks at whether the first model is there."""

_BEAT: Final = 1.0


@serve.deployment(
    name="Canopy",
    # The batcher's company; Ray's own default, 5, would leave every batch nearly empty.
    max_ongoing_requests=1000,
    ray_actor_options={"num_cpus": 1},
    health_check_period_s=5,
    health_check_timeout_s=10,
    graceful_shutdown_wait_loop_s=1,
    graceful_shutdown_timeout_s=30,
)
@serve.ingress()
class Canopy:
    """A replica. Ray routes no request to it before it serves a model.

    Raises:
        SettingsError: a CANOPY_ variable has a bad value, or one that Ray cannot follow.
        RegistryError: there is no model that can be served. Ray tells it as the deployment's state, and tries again.
    """

    async def __init__(self) -> None:  # type: ignore[misc]  # Ray awaits it
        mended = redaction.start(os.environ, ())
        settings = read_settings(os.environ)
        start_logging(settings.log_level)
        for name in mended:
            logger.warning(MENDED, name)
        for remark in ignored_variables(os.environ):
            logger.warning(remark)
        tame_mlflow(os.environ)
        uri = registry.ModelURI.parse(settings.model_uri)
        config = registry.RegistryConfig.read(settings.tracking_uri, os.environ)
        source = OwnSource(settings, uri, config, registry.read_stated(settings.schema))
        self._failure = ""
        self._application = Application(
            settings,
            source,
            SharedMetrics(CONTENT, 1, 0, workers.share_memory(_SHARED)),
            describe=_description,
            dismissed=lambda: None,  # only a supervisor does that
            failed=self._fail,
        )
        self._running = contextlib.AsyncExitStack()
        await self._start()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """See ``ray.serve.ingress``."""
        return self._application.asgi(self._lifespan)

    def check_health(self) -> None:
        """See Ray's documentation of health checks: a replica that raises here is replaced.

        Raises:
            RuntimeError: it is not ready, as ``GET /health/ready`` tells it.
        """
        if self._failure or not self._application.service.ready:
            raise RuntimeError(self._failure or f"not ready: {self._application.service.state()['status']}")

    async def _start(self) -> None:
        folder = self._running.enter_context(tempfile.TemporaryDirectory("", "canopy-", ignore_cleanup_errors=True))
        tempfile.tempdir = folder
        self._running.callback(self._application.end)
        await self._running.enter_async_context(self._application.running())
        beating = asyncio.create_task(self._beat())
        self._running.callback(beating.cancel)
        while self._application.service.handle.model is None:
            if self._failure:
                await self._running.aclose()
                raise registry.RegistryError(self._failure)
            await asyncio.sleep(_LOOK)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Ray leaves it once the replica has answered what it was given, or graceful_shutdown_timeout_s is over."""
        try:
            yield
        finally:
            self._application.service.draining = True
            await self._running.aclose()

    async def _beat(self) -> None:
        while True:
            self._application.beat()
            await asyncio.sleep(_BEAT)

    def _fail(self, reason: str) -> None:
        logger.error(reason)
        self._failure = reason


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of a replica, which are all from the environment.

    Raises:
        SettingsError: a value is bad, or is of something that Ray does.
    """
    settings = Settings.read([], environment, "ray")
    for name, _, _ in describe():
        if name in RAYS and getattr(settings, name) != getattr(Settings(), name):
            raise SettingsError(f"{variable(name)} cannot be followed in Ray Serve, which has its own way: unset it")
    return settings


def _description(model: Model, _table: Table) -> str:
    return f"serving {model} ({model.engine.name} engine) in {serve.get_replica_context().replica_tag}"


application = Canopy.bind()  # type: ignore[attr-defined]  # Ray's decorator adds it
