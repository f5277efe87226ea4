"""A lock that processes take from each other. The kernel releases it when the process that holds it ends."""

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
def locked(file: Path, waiting: str | None = None) -> Iterator[bool]:
    """Hold a lock.

    Args:
        file: the lock file. It is created if it does not exist, and is never removed.
        waiting: what to log while another process holds the lock and this one waits for it. None does not wait.

    Yields:
        Whether the lock is held. It is not if another process holds it and ``waiting`` is None, nor on a file system
        without locks.

    Raises:
        OSError: the file cannot be created.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield _lock(descriptor, waiting)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, waiting: str | None) -> bool:
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                return False
            logger.info(waiting)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True
