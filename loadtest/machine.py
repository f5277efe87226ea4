"""What a measurement asks of the machine: which core runs what, and files enough."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


def two_cores() -> tuple[int | None, int | None]:
    """A core for the server and another for the load; None for both if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Have the processes that are started meanwhile run on one core."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_many_files() -> None:
    """Raise this process's limit of open files, and that of those it starts, as far as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
