"""The signal by which somebody asks whether there is a new version to serve.

It may come to all of a service's processes, and at any time; the system would have it end each that does not heed it.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # a child of little memory ignores the signal, and has no event loop
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator

_SIGNAL: Final = signal.SIGUSR1


def ignore() -> None:
    """Let the signal do nothing: until somebody listens, or because it is for others."""
    signal.signal(_SIGNAL, signal.SIG_IGN)


@contextmanager
def on_signal(loop: AbstractEventLoop, refresh: Callable[[], object]) -> Iterator[None]:
    """Have the main thread's event loop call ``refresh`` soon after a signal, once for those that come together.

    Afterwards the signal is ignored.
    """
    due = False

    def call() -> None:
        nonlocal due
        due = False
        refresh()

    def heard(*_: object) -> None:
        nonlocal due
        if not due:  # a flood of signals interrupts even this, again and again
            due = True
            loop.call_soon_threadsafe(call)

    # When a loop removes a handler of its own, there is a moment in which the signal ends the process.
    signal.signal(_SIGNAL, heard)
    try:
        yield
    finally:
        ignore()
