"""uvicorn's server, with a drain that loses no accepted request."""

import contextlib
import signal
import time
from collections.abc import Callable
from socket import socket
from types import FrameType

import uvicorn


class DrainingServer(uvicorn.Server):
    """Stops in a written sequence.

    1. On SIGTERM or SIGINT ``begin_drain`` is called: the server reports that it is not ready.
    2. For ``delay`` seconds it goes on serving, so that a load balancer notices. A second signal ends the delay.
    3. It stops listening, and closes the connections on which no whole request has been read (``Connection.shutdown``).
    4. It answers the requests that it has read, for as long as ``config.timeout_graceful_shutdown`` allows.
    5. The application's lifespan ends. A second SIGINT during 3 to 5 stops at once.

    Args:
        config: uvicorn's.
        begin_drain: called in step 1, from a signal handler.
        delay: seconds of step 2.
    """

    def __init__(self, config: uvicorn.Config, begin_drain: Callable[[], None], delay: float) -> None:
        super().__init__(config)
        self._begin_drain = begin_drain
        self._delay = delay
        self._exit_at: float | None = None

    def run(self, sockets: list[socket] | None = None) -> None:
        """Serve until a signal ends it, and return, so that the process can exit with status 0.

        When all is done uvicorn raises the signal that stopped it again, for whoever handled it before; by default
        that would kill the process.

        Raises:
            SystemExit: with status 0, on SIGTERM; otherwise as ``uvicorn.Server.run`` does.
        """
        signal.signal(signal.SIGTERM, _leave)
        with contextlib.suppress(KeyboardInterrupt):
            super().run(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See ``uvicorn.Server.handle_exit``."""
        self._begin_drain()
        if self._delay and self._exit_at is None and self.started:
            self._exit_at = time.monotonic() + self._delay
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """See ``uvicorn.Server.on_tick``; called ten times a second."""
        if self._exit_at is not None and time.monotonic() >= self._exit_at:
            self.should_exit = True
        return await super().on_tick(counter)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
