"""Preparing a model in a process of its own, which takes MLflow, scikit-learn and a pickle's code with it when it ends.

The child, ``python -m registry prepare``, writes one line of JSON to its standard output: ``Done`` or ``Failed``. What
it logs goes to the standard error that it shares with its parent.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from registry.errors import (
    BadModelURI,
    ModelNotFound,
    RegistryError,
    SchemaMismatch,
    StoreUnavailable,
    UnusableModel,
)
from registry.prepared import EngineChoice, Prepared, PreparedEngine
from registry.resolve import ModelVersion
from registry.uri import ModelURI

_ERRORS: Final[dict[str, type[RegistryError]]] = {
    error.__name__: error for error in (BadModelURI, ModelNotFound, SchemaMismatch, StoreUnavailable, UnusableModel)
}


class Done(msgspec.Struct, frozen=True, tag="prepared"):
    """The version is prepared."""

    name: str
    version: str
    engine: PreparedEngine


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It is not; ``error`` is the name of the RegistryError."""

    error: str
    message: str


async def prepare_in_child(uri: ModelURI, tracking_uri: str, choice: EngineChoice, folder: Path) -> Prepared:
    """Do what ``prepare`` does in a child process. Cancelling it ends the child.

    Raises:
        RegistryError: as ``prepare``.
        UnusableModel: also if the child is killed, by a memory limit for one.
    """
    # -P: modules of the folder that the server was started in are none of ours.
    command = [sys.executable, "-P", "-m", "registry", "prepare", str(uri), str(folder), "--engine", choice]
    # Command lines can be read by every user of a machine, and the address may have a password in it.
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri}
    # In a session of its own, Ctrl-C is for the server to hear, which ends the child.
    child = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        output, _ = await child.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        raise
    try:
        outcome: Done | Failed = msgspec.json.decode(output, type=Done | Failed)
    except msgspec.DecodeError:
        hint = " (is there too little memory?)" if child.returncode == -signal.SIGKILL else ""
        raise UnusableModel(f"{uri}: the process that prepares it ended with {child.returncode}{hint}") from None
    if isinstance(outcome, Failed):
        raise _ERRORS[outcome.error](outcome.message)
    return Prepared(ModelVersion(outcome.name, outcome.version), outcome.engine, folder)
