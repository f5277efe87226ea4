"""A lock between processes, which goes with the process that has it."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

logger = logging.getLogger("canopy.registry")

_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


@contextmanager
def locked(file: Path, what: object = None) -> Iterator[bool]:
    """Take a lock.

    Args:
        file: is made if it is not there, and stays.
        what: what to wait for it for, as those are told who wonder; None does not wait.

    Yields:
        Whether it is had; False where the file system knows no locks, or another has it and is not waited for.

    Raises:
        OSError: the file cannot be made.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield _lock(descriptor, what)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, what: object) -> bool:
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if what is None:
                return False
            logger.info("waiting for another process that prepares %s", what)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True
