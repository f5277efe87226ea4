"""Trying a version out in a process of its own, before one that serves opens it.

With scikit-learn's engine and with pyfunc, code runs that came with the model, or with libraries of its own choice. If
that ends its process when it is loaded, or asked for the first time, or hangs, it is this one that is ended. The child,
``python -m workers.serving.trial``, ends before the server opens the version, so that they do not need the memory twice
at a time.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence

import msgspec

import redaction
from registry import Prepared, RegistryError, UnusableModel, outcome
from registry.preparing.confinement import die_with_parent, prefer_oom_kill
from registry.updates import refresh_signal
from registry.updates.child import run, temporary_folder
from startup import start_logging


async def try_out(prepared: Prepared, *, max_batch_rows: int, log_level: str, limit: float) -> None:
    """Open a version and ask it for something, in a child process, which ends when this is cancelled.

    Args:
        prepared: the version.
        max_batch_rows: most rows in one call.
        log_level: what the child logs.
        limit: seconds that it may take.

    Raises:
        UnusableModel: it cannot be opened or asked, or ends or holds up who does so.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "workers.serving.trial",
        "--max-batch-rows",
        str(max_batch_rows),
        "--log-level",
        log_level,
    ]
    command += ["--parent", str(os.getpid())]
    try:
        async with asyncio.timeout(limit), temporary_folder() as folder:
            output, status = await run(command, {"TMPDIR": folder}, prepared.encode())
    except TimeoutError:
        raise UnusableModel(f"{prepared.version} was not opened and tried out within {limit:g} s") from None
    except OSError as error:  # out of files, space, processes or memory, which passes
        reason = f"no process can be started to try it out: {error.strerror}"
        raise UnusableModel(f"{prepared.version}: {reason}") from None
    try:
        outcome.read(output)
    except msgspec.DecodeError:
        reason = f"it ends the process that opens it, {_end(status)}"
        raise UnusableModel(f"{prepared.version} cannot be served: {reason}") from None


def _end(status: int | None) -> str:
    """How a process ended, in words."""
    if status is None or status >= 0:
        return f"with status {status}"
    name = signal.Signals(-status).name
    return f"by {name}" + (", perhaps for want of memory" if -status in {signal.SIGKILL, signal.SIGABRT} else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try out the version that the standard input tells; returns the exit status."""
    redaction.start(os.environ, ())  # a parent has mended these
    parser = argparse.ArgumentParser(prog="python -m workers.serving.trial", description=__doc__, allow_abbrev=False)
    parser.add_argument("--max-batch-rows", type=int, required=True)
    parser.add_argument("--log-level", required=True)
    parser.add_argument("--parent", type=int, required=True)
    given = parser.parse_args(arguments)
    die_with_parent(given.parent)
    refresh_signal.ignore()
    prefer_oom_kill()
    start_logging(given.log_level)
    prepared = Prepared.decode(sys.stdin.buffer.read())
    said: outcome.Done | outcome.Failed
    with outcome.own_output() as result:
        try:
            _try(prepared, given.max_batch_rows)
        except RegistryError as error:
            said = outcome.Failed(type(error).__name__, str(error))
        except Exception as error:
            reason = f"{prepared.version} cannot be served: {type(error).__name__}: {error}"
            said = outcome.Failed(UnusableModel.__name__, reason)
        else:
            said = outcome.Done(prepared)
        result.write(outcome.write(said))
    return int(isinstance(said, outcome.Failed))


def _try(prepared: Prepared, max_batch_rows: int) -> None:
    from registry.opening.engines import open_engine
    from serving import warm_up

    warm_up(open_engine(prepared), prepared.schema, prepared.row, max_batch_rows)


if __name__ == "__main__":
    sys.exit(main())
