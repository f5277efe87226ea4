"""What a measurement asks of the machine: which core runs what, and files enough."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SPARE_FILES: Final = 200
"""What a process has open besides its connections."""


def two_cores() -> tuple[set[int] | None, set[int] | None]:
    """A core for the server and another for the load; None for both if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return ({cores[0]}, {cores[1]}) if len(cores) > 1 else (None, None)


@contextmanager
def pinned(cores: set[int] | None) -> Iterator[None]:
    """Have the processes that are started meanwhile run on some cores; None leaves them where this one runs."""
    before = os.sched_getaffinity(0)
    if cores is not None:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_connections(most: int) -> None:
    """Raise the number of files that this process, and those that it starts, may have open.

    Raises:
        RuntimeError: the system does not let a process have so many connections.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < most + _SPARE_FILES:
        raise RuntimeError(
            f"{most} connections need {most + _SPARE_FILES} open files; the limit is {hard} (ulimit -Hn)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
