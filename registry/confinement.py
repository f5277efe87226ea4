"""What a process that prepares a model imposes on itself, so that the one that serves is not harmed."""

import os
import resource
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9


def die_with(parent: int) -> None:
    """Have this process killed when its parent ends, in whatever way.

    Args:
        parent: the parent's process id, as it knows it itself: it may have ended already.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def volunteer() -> None:
    """When memory runs out, this process is to be killed before all others."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def use_one_thread(environment: MutableMapping[str, str]) -> None:
    """Leave the cores, and the memory of idle threads, to who serves; call it before numpy is imported."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        environment.setdefault(name, "1")


def limit_memory(size: int) -> None:
    """Let this process have so many bytes of its own; asking for more raises MemoryError."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))
