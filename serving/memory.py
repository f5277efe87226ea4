"""The memory of this process, given back to the system."""

import ctypes
import gc
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1 << 17
"""Bytes; glibc's own first guess, which it raises with each large piece that is freed, up to 32 MB."""


def give_memory_back() -> None:
    """Have glibc give the memory of large pieces, such as long bodies, back to the system as soon as they are freed.

    Left to adapt itself, it keeps them among the small ones, and the process grows with every kind of client that it
    has seen. Elsewhere than with glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            mallopt(parameter, _LARGE)


def tidy_memory() -> None:
    """Collect what garbage there is, and give the pages in which nothing lives back to the system.

    An idle server allocates nothing, so that Python would never collect, and glibc keeps pages for later. It takes some
    milliseconds, a few tens with ten thousand connections.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
