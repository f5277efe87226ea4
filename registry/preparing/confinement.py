"""What a process that prepares a model imposes on itself, so that the one that serves is not harmed."""

import os
import resource
import signal
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9

_LIBRARIES: Final = 300 << 20
_EACH: Final = 2.8
"""Bytes in memory for each byte of a forest's files while it is compiled and compared. A forest of 48 MB took 473 MB in
all, one of 315 MB took 1,244."""


class Late(BaseException):
    """Something takes longer than it may. No library that tries again after an exception catches this one."""


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Interrupt what takes too long, even if it gets on a little all the time. Only for the main thread.

    Raises:
        Late: the body took longer.
    """

    def interrupt(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends, in whatever way.

    Args:
        parent: the parent's process id, as it knows it itself: it may have ended already.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def prefer_oom_kill() -> None:
    """When memory runs out, this process is to be killed before all others."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def use_one_thread(environment: MutableMapping[str, str]) -> None:
    """Leave the cores, and the memory of idle threads, to who serves; call it before numpy is imported."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        environment.setdefault(name, "1")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an exception, or one that led to it, says that there was too little memory."""
    while error is not None:
        words = str(error)
        if isinstance(error, MemoryError) or "Cannot allocate memory" in words or "failed to map segment" in words:
            return True
        error = error.__cause__ or error.__context__
    return False


def limit_memory(size: int) -> None:
    """Let this process have so many bytes of its own; asking for more raises MemoryError."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))


def expect(files: int = 0) -> None:
    """Make sure that there is memory for MLflow, scikit-learn and a model.

    Near its limit a control group does not refuse memory at once: it drops the pages of libraries, which are read again
    a moment later, and everything in it crawls for minutes. So what cannot end well is not begun.

    Args:
        files: bytes of the model's files.

    Raises:
        MemoryError: this process may have less.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if limit != resource.RLIM_INFINITY and limit < _LIBRARIES + _EACH * files:
        raise MemoryError
