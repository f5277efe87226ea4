"""The composition root: settings → model → batcher → application → uvicorn."""

import asyncio
import contextlib
import errno
import gc
import logging
import math
import os
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette

import registry
import registry.engines
from batcher import Batcher, BatchEvent, Limits
from preprocessing import Row, RowDecoder, schema
from serving import (
    Answer,
    Connection,
    ConnectionLimits,
    DrainingServer,
    HotConnection,
    Inference,
    Model,
    ModelHandle,
    Responses,
    Service,
    create_app,
)
from serving.process import in_daemon_thread, listen, outlives, raise_file_limit
from settings import Settings, SettingsError, start_logging, tame_mlflow, unknown_variables

logger = logging.getLogger("canopy")

_BACKLOG = 4096
"""Connections that may wait to be accepted."""

_LONGEST_INLINE = 0.002
"""Seconds; an engine's call that takes longer runs in a thread, so that the event loop goes on."""

_ENGINE = "inference"
"""Name of the engine's thread."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it; returns the exit status: 0 after a drain, 1 for a fault that the log names."""
    try:
        settings = Settings.read(sys.argv[1:] if arguments is None else arguments, os.environ)
        uri = registry.ModelURI.parse(settings.model_uri)
    except SettingsError as error:
        sys.stderr.write(f"canopy: {error}\n")
        return 2
    except registry.BadModelURI as error:
        sys.stderr.write(f"canopy: --model-uri or CANOPY_MODEL_URI: {error}\n")
        return 2
    start_logging(settings.log_level)
    for name in unknown_variables(os.environ):
        logger.warning("%s is no setting of Canopy's (see --help)", name)
    tame_mlflow(os.environ)
    raise_file_limit()
    listener = _listen(settings)
    if listener is None:
        return 1
    # Whatever a library leaves behind when it is stopped half way, a model's files for one, goes with the process.
    with tempfile.TemporaryDirectory(prefix="canopy-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        status, stuck = _Server(settings, uri, listener).run()
    if stuck:
        # The interpreter would wait for the engine's thread for ever.
        logger.warning("the engine does not return: leaving without it")
        logging.shutdown()
        os._exit(status)
    return status


class _Server:
    """One serving process."""

    def __init__(self, settings: Settings, uri: registry.ModelURI, listener: socket.socket) -> None:
        self._settings = settings
        self._uri = uri
        self._listener = listener
        self._failed = False
        self._executor = ThreadPoolExecutor(1, _ENGINE)
        self._service = Service(
            ModelHandle(),
            RowDecoder(settings.max_rows_per_request),
            max_body_bytes=settings.max_body_bytes,
        )
        app = create_app(self._service, _description(settings), self._lifespan)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=self._connection(settings),  # type: ignore[arg-type]  # uvicorn only ever calls it
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
        )
        self._uvicorn = DrainingServer(
            config, self._service, delay=settings.drain_delay_seconds, timeout=settings.drain_timeout_seconds
        )

    def _connection(self, settings: Settings) -> Callable[..., Connection]:
        limits = ConnectionLimits(
            max_head_bytes=settings.max_head_bytes,
            head_timeout=settings.head_timeout_seconds,
            body_timeout=settings.body_timeout_seconds,
            write_timeout=settings.write_timeout_seconds,
            keep_alive=settings.keep_alive_seconds,
        )
        ways: dict[str, Callable[..., Connection]] = {
            "hot": partial(HotConnection, self._service, Responses(), limits),
            "asgi": partial(Connection, limits),
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
        inference = Inference(self._service.handle, settings.max_batch_rows)
        batcher = self._service.batcher = Batcher(
            inference,
            limits,
            executor=self._executor,
            inline=self._is_short,
            timeout=settings.deadline_ms / 1000,
            observer=_log_batch,
        )
        loading = asyncio.create_task(self._load_model(inference, batcher))
        try:
            yield
        finally:
            # uvicorn has answered every connection that it waited for: what is left has nobody to answer to.
            loading.cancel()
            batcher.close()

    async def _load_model(self, inference: Inference, batcher: Batcher[list[Row], Answer]) -> None:
        """Load and warm up the model; without one the server stops."""
        settings = self._settings
        try:
            folder = Path(tempfile.mkdtemp(prefix="canopy-model-"))
            prepared = await registry.prepare_in_child(self._uri, settings.tracking_uri, settings.engine, folder)
            engine = await in_daemon_thread(lambda: registry.engines.open_engine(prepared))
            model = Model(prepared.version.name, prepared.version.number, engine)
            loop = asyncio.get_running_loop()
            for rows, seconds in await loop.run_in_executor(self._executor, inference.warm_up, model):
                batcher.learn(rows, seconds)
        except registry.RegistryError as error:
            if not self._service.draining:  # a signal for all of a service's processes has ended the child as well
                self._fail(str(error))
        except Exception:
            logger.exception("traceback")
            self._fail(f"{self._uri} cannot be served: see the traceback above")
        else:
            self._service.handle.model = model
            # What is here now stays. Left to the collector, MLflow's and scikit-learn's modules would be searched for
            # garbage over and over: a third of all the work at a thousand clients.
            gc.collect()
            gc.freeze()
            self._announce(model)

    def _is_short(self, seconds: float) -> bool:
        """Whether a call of the engine may hold up the event loop."""
        model = self._service.handle.model
        return model is not None and model.engine.bounded and seconds <= _LONGEST_INLINE

    def _fail(self, reason: str) -> None:
        """Stop the server because it has nothing to serve."""
        logger.error(reason)
        self._failed = True
        self._uvicorn.should_exit = True

    def _announce(self, model: Model) -> None:
        host, port = self._listener.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        body = orjson.dumps({"features": schema.EXAMPLE}).decode()
        logger.info(
            "serving %s (%s engine, batching %s) at %s; try\n\n"
            "    curl -s %s/predict -H 'content-type: application/json' -d '%s'\n",
            model,
            model.engine.name,
            self._settings.batching,
            address,
            address,
            body,
        )


def _description(settings: Settings) -> dict[str, Any]:
    """What ``GET /`` tells besides the state."""
    return {
        "name": "canopy-serve",
        "version": version("canopy-serve"),
        "description": "Forest cover types of rows, by POST /predict",
        "fields": schema.FIELDS,
        "max_rows_per_request": settings.max_rows_per_request,
        "endpoints": ["POST /predict", "GET /health/live", "GET /health/ready", "GET /stats"],
    }


def _listen(settings: Settings) -> socket.socket | None:
    """Take the address, or log in one line why it cannot be had."""
    try:
        return listen(settings.host, settings.port, _BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            remedy = "stop what uses it or choose another with --port (CANOPY_PORT)"
        else:
            remedy = "choose another address with --host (CANOPY_HOST) or --port (CANOPY_PORT)"
        logger.error("cannot listen on %s port %d: %s; %s", settings.host, settings.port, reason, remedy)  # noqa: TRY400
        return None


def _log_batch(event: BatchEvent) -> None:
    logger.debug("%s", event)
    if event.error is not None and event.items == 1:
        logger.error("the model failed on a request", exc_info=event.error)


if __name__ == "__main__":
    sys.exit(main())
