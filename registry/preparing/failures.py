"""What MLflow, its clients and the loaders of models raise, told apart by the exceptions that led to it."""

import errno
from collections.abc import Iterator
from typing import Final

from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import Timeout

from registry.artifacts.s3 import remedy
from registry.errors import StoreUnavailable, UnusableModel
from registry.preparing.confinement import is_out_of_memory
from registry.version import ModelVersion

_NO_SPACE: Final = {errno.ENOSPC, errno.EDQUOT}


def told(error: Exception, version: ModelVersion) -> Exception:
    """What to raise instead of an exception that came while a version was downloaded, loaded or compiled.

    Returns:
        MemoryError: there was too little memory.
        OSError: there was too little space on the disk.
        StoreUnavailable: the store of the artifacts cannot be used.
        UnusableModel: anything else; the model is to blame.
    """
    reason = f"{type(error).__name__}: {error}"
    if is_out_of_memory(error):
        return MemoryError()
    for cause in _chain(error):
        if (isinstance(cause, OSError) and cause.errno in _NO_SPACE) or "No space left on device" in str(cause):
            return OSError(errno.ENOSPC, "No space left on device")
        if (todo := _remedy(cause)) is not None:
            return StoreUnavailable(f"the files of {version} cannot be downloaded: {reason}; {todo}")
    return UnusableModel(f"{version} cannot be loaded: {reason}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _remedy(error: BaseException) -> str | None:
    """What to do about an exception, if it says that a store cannot be used."""
    if isinstance(error, NoConnection | Timeout):
        return "see whether the server is up and MLFLOW_TRACKING_URI is right"
    return remedy(error)
