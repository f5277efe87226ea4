"""Threads that may be left behind."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """Await a call in a thread that does not keep the process from ending, as an executor's would.

    Raises:
        Exception: whatever the call raises; as RuntimeError what no future can carry (StopIteration), or would end the
            event loop (SystemExit, KeyboardInterrupt).
    """
    _, future = _begin(call)
    return await future


class LeftBehind(TimeoutError):
    """A call is not begun, because one of its kind hangs since earlier."""


class Errands:
    """Calls of one kind in daemon threads, each within a time limit; few are left behind, however often one hangs.

    A thread cannot be ended: one that is over its limit, or that nobody awaits any more, goes on beside.

    Args:
        most: how many may be left behind before no other is begun.
    """

    def __init__(self, most: int = 1) -> None:
        self._most = most
        self._left: list[tuple[str, threading.Thread]] = []

    async def run(self, call: Callable[[], T], seconds: float | None, name: str = "") -> T:
        """Await a call in a thread.

        Args:
            call: what to do.
            seconds: its limit; None for none.
            name: what it is about, if only one at a time may be about it: it is not begun while another is left behind.

        Raises:
            TimeoutError: it took longer; LeftBehind if it was not even begun.
            Exception: see ``in_daemon_thread``.
        """
        self._left = [(of, thread) for of, thread in self._left if thread.is_alive()]
        if len(self._left) >= self._most or (name and any(of == name for of, _ in self._left)):
            raise LeftBehind
        thread, future = _begin(call)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except (TimeoutError, asyncio.CancelledError):
            self._left.append((name, thread))  # if it has ended, the next call finds that out
            raise


def outlives(thread: threading.Thread, seconds: float) -> bool:
    """Whether a thread still runs after so many seconds."""
    thread.join(seconds)
    return thread.is_alive()


def _begin(call: Callable[[], T]) -> tuple[threading.Thread, asyncio.Future[T]]:
    """Begin a call in a daemon thread; the future gets what comes of it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = call()
        except (StopIteration, SystemExit, KeyboardInterrupt) as error:
            outcome = partial(future.set_exception, RuntimeError(f"the call raised {error!r}"))
        except BaseException as error:
            outcome = partial(future.set_exception, error)
        else:
            outcome = partial(future.set_result, result)
        # The loop may be gone, or nobody may wait any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if future.done() else outcome())

    thread = threading.Thread(target=run, name="canopy-daemon", daemon=True)
    thread.start()
    return thread, future
