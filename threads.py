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

    threading.Thread(target=run, name="canopy-daemon", daemon=True).start()
    return await future


def outlives(thread: threading.Thread, seconds: float) -> bool:
    """Whether a thread still runs after so many seconds."""
    thread.join(seconds)
    return thread.is_alive()
