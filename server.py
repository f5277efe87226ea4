"""The composition root: settings → model → batcher → application → uvicorn."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

import orjson
import uvicorn
from starlette.applications import Starlette

import registry
from batcher import Batcher, BatchEvent, Limits
from preprocessing import Row, RowDecoder, schema
from serving import Answer, Connection, DrainingServer, Inference, Model, ModelHandle, Service, create_app
from settings import Settings, SettingsError, tame_mlflow, unknown_variables

T = TypeVar("T")

logger = logging.getLogger("canopy")


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
    _start_logging(settings.log_level)
    for name in unknown_variables(os.environ):
        logger.warning("%s is no setting of Canopy's (see --help)", name)
    tame_mlflow(os.environ)
    _raise_file_limit()
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        logger.error(  # noqa: TRY400 - one line, the cause is in it
            "cannot listen on %s port %d: %s; stop what uses it or choose another with --port (CANOPY_PORT)",
            settings.host,
            settings.port,
            error.strerror or error,
        )
        return 1
    return _Server(settings, uri, listener).run()


_ENGINE = "inference"
"""Name of the engine's thread."""


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
            RowDecoder(settings.rows_per_request),
            deadline=settings.deadline_ms / 1000,
            max_body_bytes=settings.max_body_bytes,
        )
        app = create_app(self._service, _description(settings), self._lifespan)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=Connection,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=4096,
            timeout_keep_alive=settings.keep_alive_seconds,
        )
        self._uvicorn = DrainingServer(
            config, self._service, delay=settings.drain_delay_seconds, timeout=settings.drain_timeout_seconds
        )

    def run(self) -> int:
        """Serve; returns the exit status."""
        self._uvicorn.run(sockets=[self._listener])
        status = int(self._failed)
        self._executor.shutdown(wait=False, cancel_futures=True)
        if any(_outlives(thread, seconds=1) for thread in threading.enumerate() if thread.name.startswith(_ENGINE)):
            # The interpreter would wait for that thread for ever.
            logger.warning("the engine does not return: leaving without it")
            logging.shutdown()
            os._exit(status)
        return status

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        settings = self._settings
        limits = Limits(
            max_batch_rows=settings.max_batch_rows,
            max_queue_rows=settings.max_queue_rows,
            max_wait=settings.max_wait_ms / 1000,
            **({"max_batch_items": 1} if settings.batching == "off" else {}),
        )
        inference = Inference(self._service.handle, settings.max_batch_rows)
        batcher = self._service.batcher = Batcher(
            inference, limits, executor=self._executor, timeout=settings.deadline_ms / 1000, observer=_log_batch
        )
        loading = asyncio.create_task(self._load_model(inference, batcher))
        yield
        # uvicorn has answered every connection that it waited for: what is left has nobody to answer to.
        loading.cancel()
        batcher.close()

    async def _load_model(self, inference: Inference, batcher: Batcher[list[Row], Answer]) -> None:
        """Load and warm up the model; without one the server stops."""
        settings = self._settings
        try:
            found, engine = await _in_daemon_thread(
                lambda: registry.load(self._uri, settings.tracking_uri, settings.engine)
            )
            model = Model(found.name, found.number, engine)
            loop = asyncio.get_running_loop()
            for rows, seconds in await loop.run_in_executor(self._executor, inference.warm_up, model):
                batcher.learn(rows, seconds)
        except registry.RegistryError as error:
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
        "max_rows_per_request": settings.rows_per_request,
        "endpoints": ["POST /predict", "GET /health/live", "GET /health/ready", "GET /stats"],
    }


def _start_logging(level: str) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.captureWarnings(True)
    logger.setLevel(level.upper())


def _raise_file_limit() -> None:
    """Allow as many connections as the system lets this process have without asking."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listen(host: str, port: int) -> socket.socket:
    """Bind the listening socket before anything slow happens, so that a port in use is reported at once.

    Raises:
        OSError: the address cannot be had.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _outlives(thread: threading.Thread, seconds: float) -> bool:
    thread.join(seconds)
    return thread.is_alive()


def _log_batch(event: BatchEvent) -> None:
    logger.debug("%s", event)


async def _in_daemon_thread(call: Callable[[], T]) -> T:
    """Await a call in a thread that does not keep the process from ending, as an executor's would."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:
            outcome = partial(future.set_exception, error)
        else:
            outcome = partial(future.set_result, result)
        # The loop may be gone, or nobody may wait any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if future.done() else outcome())

    threading.Thread(target=run, name="model-loader", daemon=True).start()
    return await future


if __name__ == "__main__":
    sys.exit(main())
