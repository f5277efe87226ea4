"""The signal by which somebody asks whether there is a new version to serve.

It may come to all of a service's processes, and at any time; the system would have it end each that does not heed it.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_SIGNAL: Final = signal.SIGUSR1


def ignore() -> None:
    """Let the signal do nothing: until it can be heeded, or because it is for others."""
    signal.signal(_SIGNAL, signal.SIG_IGN)


@contextmanager
def heeded(look: Callable[[], object]) -> Iterator[None]:
    """Have the running event loop call ``look`` on each signal; afterwards the signal is ignored."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(_SIGNAL, look)
    try:
        yield
    finally:
        # The loop would leave the signal to end the process, which is still busy with ending well.
        loop.remove_signal_handler(_SIGNAL)
        ignore()
