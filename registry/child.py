"""Preparing a model in a process of its own, which takes MLflow, scikit-learn and a pickle's code with it when it ends.

The child, ``python -m registry prepare``, writes one line of JSON to its standard output: ``Done`` or ``Failed``. What
it logs goes to the standard error that it shares with its parent.
"""

import asyncio
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
from registry.prepare import EngineChoice, Prepared, PreparedEngine
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
    command = [sys.executable, "-m", "registry", "prepare", str(uri), str(folder)]
    command += ["--tracking-uri", tracking_uri, "--engine", choice]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
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
