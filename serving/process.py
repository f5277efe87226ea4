"""Threads that may be left behind."""

import asyncio
import contextlib
import ctypes
import gc
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE = 1 << 17
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


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """Await a call in a thread that does not keep the process from ending, as an executor's would.

    Raises:
        Exception: whatever the call raises; StopIteration, which no future can carry, as RuntimeError.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = call()
        except StopIteration as error:
            outcome = partial(future.set_exception, RuntimeError(f"the call raised {error!r}"))
        except BaseException as error:
            outcome = partial(future.set_exception, error)
        else:
            outcome = partial(future.set_result, result)
        # The loop may be gone, or nobody may wait any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if future.done() else outcome())

    threading.Thread(target=run, name="canopy-daemon", daemon=True).start()
    return await future


def outlives(thread: threading.Thread, seconds: float) -> bool:
    """Whether a thread still runs after so many seconds."""
    thread.join(seconds)
    return thread.is_alive()
