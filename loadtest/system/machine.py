"""What a measurement asks of the machine: which core runs what, files enough, and what it is."""

import importlib.metadata
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_SPARE_FILES: Final = 200
"""What a process has open besides its connections."""


_PACKAGES: Final = ("uvicorn", "uvloop", "numpy", "scikit-learn", "locust")
"""Whose versions may matter."""


def apart(server: int, load: int) -> tuple[set[int] | None, set[int] | None]:
    """Cores for the server, and all others for the load.

    Args:
        server: how many the server can use.
        load: how many the load needs at least.

    Returns:
        Both sets; None for both if there are not so many.
    """
    cores = sorted(os.sched_getaffinity(0))
    return (set(cores[:server]), set(cores[server:])) if len(cores) >= server + load else (None, None)


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


def describe() -> dict[str, str]:
    """What a reader of figures must know of this machine, and of what runs on it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
