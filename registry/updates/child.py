"""Preparing a model in a process of its own, which takes MLflow, scikit-learn and a pickle's code with it when it ends.

The child, ``python -m registry prepare``, writes one line of JSON to its standard output, see ``registry.outcome``.
What it logs goes to the standard error that it shares with its parent.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from registry import outcome
from registry.columns import Stated
from registry.config import RegistryConfig
from registry.errors import UnusableModel, too_large
from registry.preparation import Preparation
from registry.prepared import Prepared
from registry.uri import ModelURI
from workers.threads import in_daemon_thread

_STARVED: Final = {-signal.SIGKILL, -signal.SIGABRT}
"""How processes end that get no memory: the kernel kills them, or a library gives up."""

_LAST_WORDS: Final = 2.0
"""Seconds that a child may take to end when it has said what came of it, and when it was killed: in the middle of a
call to a disk that hangs, the kernel lets no process die."""


async def prepare_in_child(
    uri: ModelURI,
    config: RegistryConfig,
    how: Preparation,
    cache_folder: Path,
    *,
    memory: int | None = None,
    log_level: str = "info",
    look_timeout: float | None = None,
    anew: bool = False,
) -> Prepared:
    """Do what ``prepare`` does in a child process, which ends when this is cancelled, and when this process ends.

    Call it in the main thread: the child ends with the thread that has started it.

    Args:
        uri: the model.
        config: the way to the registry; all but its address is read from the environment again.
        how: what to make of it.
        cache_folder: where the prepared models are.
        memory: bytes that the child may have while it loads a model.
        log_level: what the child logs.
        look_timeout: see ``prepare``.
        anew: whether to replace what is in the cache already.

    Raises:
        RegistryError: as ``prepare``.
        TooLarge: also if the child is killed, by a memory limit for one.
        UnusableModel: also if it ends in another way without a word, or cannot be started.
    """
    # -P: modules of the folder that the server was started in are none of ours.
    command = [sys.executable, "-P", "-m", "registry", "prepare", str(uri)]
    command += ["--cache", str(cache_folder), "--engine", how.engine, "--trusted-formats", how.formats]
    command += ["--other-versions", how.others, "--log-level", log_level, "--parent", str(os.getpid())]
    if anew:
        command.append("--anew")
    if look_timeout is not None:
        command += ["--look-timeout", str(look_timeout)]
    if memory is not None:
        command += ["--memory", str(memory)]
    try:
        async with temporary_folder() as folder:
            command += ["--schema", await in_daemon_thread(partial(_written, how.stated, folder))]
            # Command lines can be read by every user of a machine, and the address may have a password in it.
            output, status = await run(command, {"MLFLOW_TRACKING_URI": config.tracking_uri, "TMPDIR": folder})
    except OSError as error:  # out of files, space, processes or memory, which passes
        raise UnusableModel(f"{uri}: no process can be started to prepare it: {error.strerror}") from None
    try:
        return outcome.read(output)
    except msgspec.DecodeError:
        if status in _STARVED:
            raise too_large(uri, memory) from None
        raise UnusableModel(f"{uri}: the process that prepares it ended with {status}") from None


def _written(stated: Stated, folder: str) -> str:
    """What states a table to a child: a file, for the user's may have changed meanwhile."""
    if stated is None:
        return ""
    file = Path(folder, "schema.json")
    file.write_bytes(stated.encode())
    return str(file)


async def run(
    command: Sequence[str], variables: Mapping[str, str], told: bytes | None = None
) -> tuple[bytes, int | None]:
    """Run a child, and end it and whatever it has started when it has said one line.

    Args:
        command: the program and its arguments.
        variables: to set besides this process's own.
        told: what it can read from its standard input.

    Returns:
        The line, and the exit status; None if it does not end.

    Raises:
        OSError: it cannot be started.
    """
    # In a session of its own, Ctrl-C is for the server to hear, which ends the child.
    child = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **variables},
        stdin=None if told is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None  # noqa: S101 - for the type checker
    ending = asyncio.create_task(child.wait())
    try:
        if child.stdin is not None and told is not None:
            child.stdin.write(told)
            child.stdin.close()
        output = await child.stdout.readline()
        await asyncio.wait([ending], timeout=_LAST_WORDS)
    finally:
        # A process that it has started in its turn may live on, and hold its memory.
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await asyncio.wait([ending], timeout=_LAST_WORDS)
        ending.cancel()
    return output, child.returncode


@asynccontextmanager
async def temporary_folder() -> AsyncIterator[str]:
    """A folder for what a child's libraries write, and leave behind when it is killed: a model's files, for one."""
    folder = await in_daemon_thread(partial(tempfile.mkdtemp, prefix="canopy-"))
    try:
        yield folder
    finally:
        await in_daemon_thread(partial(shutil.rmtree, folder, ignore_errors=True))
