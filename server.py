"""The program: settings → sockets → one worker in this process, or several under a supervisor.

What serves is imported only by a process that serves.
"""

import asyncio
import errno
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from functools import partial

import msgspec

import redaction
import registry
import workers
from registry.updates import refresh_signal
from settings import Settings, SettingsError, ignored_variables, option, variable
from startup import MENDED, start_logging, tame_mlflow
from workers.serving.source import OwnSource, Source, SupervisedSource, serve_by, watch

logger = logging.getLogger("canopy")

_BACKLOG = 4096
"""Connections that may wait at a socket to be accepted."""

_SHARED = 8192
"""Bytes of shared memory for each worker."""

_START = 60
"""Seconds that a worker's process may take to start on a busy machine."""

_LAST_CALL = 9
"""Seconds that a worker may take to end after its drain's delay and timeout: see ``serving.DrainingServer``."""


def main(arguments: Sequence[str] | None = None, prog: str = "server.py") -> int:
    """Serve until a signal ends it; returns the exit status: 0 after a drain, 1 for a fault that the log names."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))  # until there is anything to finish
    refresh_signal.ignore()
    handed = workers.WorkerSlot.take(os.environ)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        mended = redaction.start(os.environ, given)
        settings = Settings.read(given, os.environ, prog)
        uri = registry.ModelURI.parse(settings.model_uri)
        config = registry.RegistryConfig.read(settings.tracking_uri, os.environ)
        stated = registry.read_stated(settings.schema if handed is None else "")  # a worker is told
    except (redaction.BadVariable, SettingsError, registry.BadRegistryConfig) as error:
        sys.stderr.write(f"canopy: {error}\n")
        return 2
    except registry.BadModelURI as error:
        sys.stderr.write(f"canopy: --model-uri or CANOPY_MODEL_URI: {error}\n")
        return 2
    except registry.BadColumns as error:
        sys.stderr.write(f"canopy: --schema or CANOPY_SCHEMA: {error}\n")
        return 2
    if handed is not None:
        slot, channel = handed
        start_logging(settings.log_level, slot.index)
        return _work(settings, slot, SupervisedSource(workers.Channel(channel)))
    start_logging(settings.log_level)
    for remark in ignored_variables(os.environ):
        logger.warning(remark)
    for name in mended:
        logger.warning(MENDED, name)
    tame_mlflow(os.environ)
    _raise_file_limit()
    count = workers.usable_cpus() if settings.workers == "auto" else settings.workers
    listeners = _listen(settings.host, settings.port, "port", count)
    if not listeners or not _free_for_grpc(settings, count):
        return 1
    memory = workers.share_memory(_SHARED * count)
    sockets = tuple(listener.detach() for listener in listeners)
    slots = [workers.WorkerSlot(index, count, listener, memory, sockets) for index, listener in enumerate(sockets)]
    if count == 1:
        return _work(settings, slots[0], OwnSource(settings, uri, config, stated))
    try:
        asyncio.run(_supervise(settings, uri, config, stated, slots))
    except registry.RegistryError as error:
        logger.error(str(error))  # noqa: TRY400 - the message says it all
        return 1
    return 0


def _work(settings: Settings, slot: workers.WorkerSlot, source: Source) -> int:
    """Be a worker; returns the exit status."""
    from workers.serving.worker import Worker

    worker = Worker(settings, slot, source)
    # Whatever a library leaves behind when it is stopped half way, a model's files for one, goes with the process.
    with tempfile.TemporaryDirectory(prefix="canopy-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        status, stuck = worker.run()
    if stuck:
        # The interpreter would wait for the engine's thread for ever.
        logger.warning("the engine does not return: leaving without it")
        logging.shutdown()
        os._exit(status)
    return status


async def _supervise(
    settings: Settings,
    uri: registry.ModelURI,
    config: registry.RegistryConfig,
    stated: registry.Stated,
    slots: Sequence[workers.WorkerSlot],
) -> None:
    """Run a worker for each slot until a signal ends them all.

    Raises:
        RegistryError: there is no model that can be served.
    """
    with tempfile.TemporaryDirectory(prefix="canopy-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        supervisor = workers.Supervisor(
            [sys.executable, *sys.orig_argv[1:]],
            {**os.environ, "TMPDIR": folder},  # what a worker leaves behind when it is killed goes as well
            slots,
            hang_timeout=settings.hang_timeout_seconds,
            # A replacement first opens what the others serve.
            ready_timeout=2 * settings.prepare_timeout_seconds + _START,
            stop_timeout=settings.drain_delay_seconds + settings.drain_timeout_seconds + _LAST_CALL,
        )

        def tell(update_error: str | None) -> None:
            supervisor.inform(msgspec.json.encode(update_error))

        watcher = watch(settings, uri, config, stated, partial(serve_by, supervisor), tell, workers.share_file)
        supervisor.on_refresh = watcher.refresh
        supervisor.on_lost = lambda task: watcher.restore(registry.Prepared.decode(task))

        async def direct() -> None:
            try:
                await watcher.run()
            except registry.RegistryError:
                if not supervisor.stopping:  # a signal for all of a service's processes has ended the child as well
                    raise

        with refresh_signal.on_signal(asyncio.get_running_loop(), watcher.refresh):
            await supervisor.run(direct)


def _raise_file_limit() -> None:
    """Allow as many connections as the system lets this process, and those it starts, have without asking."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listen(host: str, port: int, setting: str, count: int) -> list[socket.socket]:
    """Take an address; none if it cannot be had, for the reason that is logged in one line."""
    try:
        return workers.listen(host, port, _BACKLOG, count)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        said = f"{option(setting)} ({variable(setting)})"
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            remedy = f"stop what uses it or choose another with {said}"
        else:
            remedy = f"choose another address with --host (CANOPY_HOST) or {said}"
        logger.error("cannot listen on %s port %d: %s; %s", host, port, reason, remedy)  # noqa: TRY400
        return []


def _free_for_grpc(settings: Settings, count: int) -> bool:
    """Whether the port for gRPC is free, if there is to be one: gRPC takes it in each worker, and shares it.

    It would share it with another server as well, and neither would notice.
    """
    if settings.grpc_port == "off":
        return True
    if settings.grpc_port == 0 and count > 1:
        logger.error("several workers cannot share a port that is not named: set --grpc-port (CANOPY_GRPC_PORT)")
        return False
    taken = _listen(settings.host, settings.grpc_port, "grpc_port", 1)
    for each in taken:
        each.close()
    return bool(taken)


if __name__ == "__main__":
    sys.exit(main())
