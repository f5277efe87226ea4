"""uvicorn's server, with a drain that loses no accepted request."""

import asyncio
import contextlib
import logging
import math
import signal
from collections.abc import Callable
from socket import socket
from types import FrameType
from typing import cast

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from serving.acceptor import Acceptor
from serving.common import ServerState
from serving.memory import tidy_memory
from serving.protocol import Connection
from serving.service import Service

logger = logging.getLogger("canopy.serving")

_TICKS = 10
"""What uvicorn takes for a second, as it counts calls of ``on_tick``."""

_TIDY = 10
"""Seconds from one tidying of the memory to the next."""

_OVERTIME = 5
"""Seconds that a call of the engine may go on after the drain's timeout."""

_ROUND = 0.05
"""Seconds of one round of a last call, each of which ends with some turns of the event loop, however long these are: in
them a connection that had been made is accepted, and what it has sent is read."""

_TURNS = 5
"""From the end of a connection's queue to what its client has asked."""

_LAST_CALL = 5
"""Rounds for clients that have asked before: enough to ask once more."""

_FIRST_WORDS = 20
"""Rounds for those that have connected, and have not asked anything yet."""


class DrainingServer(uvicorn.Server):
    """Stops in a written sequence.

    1. On SIGTERM or SIGINT the service reports that it is not ready.
    2. For ``delay`` seconds it goes on serving, so that a load balancer notices. A second signal ends the delay.
    3. A last call: for a quarter of a second, or until nobody is left, nobody new can connect (``Acceptor.bar``), and
       each answer says that it is its connection's last; a second, if somebody has connected and not asked yet. So no
       client is cut off that has just connected, or that asks again as soon as it is answered.
    4. It stops listening, and closes the connections on which no whole request was read (``Connection.shutdown``).
    5. It answers the requests that it has read. After ``timeout`` seconds it answers what is still queued with 503,
       and gives the running call five seconds more.
    6. The application's lifespan ends. A second SIGINT during 3 to 6 stops at once.

    Args:
        config: uvicorn's; its ``timeout_graceful_shutdown`` is overwritten.
        service: what is drained.
        delay: seconds of step 2.
        timeout: seconds of step 5.
        beat: called once a second, for as long as the service is well.
    """

    def __init__(
        self, config: uvicorn.Config, service: Service, *, delay: float, timeout: float, beat: Callable[[], None]
    ) -> None:
        config.timeout_graceful_shutdown = math.ceil(timeout) + _OVERTIME + 1
        super().__init__(config)
        self.server_state: ServerState = ServerState()
        self._service = service
        service.connections = self.server_state.connections
        self._delay = delay
        self._timeout = timeout
        self._beat = beat
        self._acceptors: list[Acceptor] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._delayed = False
        self._seconds = 0

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """See ``uvicorn.Server.startup``; connections are accepted in our own way.

        If the server is to stop already, none is: who waits at a socket is left to whoever takes it over.
        """
        self._loop = asyncio.get_running_loop()
        await super().startup([])
        tls = self.config.ssl
        taken = [] if self.should_exit else sockets or []
        self._acceptors = [Acceptor(listener, self._connect, tls) for listener in taken]
        self.servers = self._acceptors  # type: ignore[assignment]

    def _connect(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return self.config.http_protocol_class(  # type: ignore[call-arg]  # uvicorn's protocols take these
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def run(self, sockets: list[socket] | None = None) -> None:
        """Serve until a signal ends it, and return, so that the process can exit with status 0.

        Signals count from now on, not only once the event loop runs; and when all is done uvicorn raises those that
        stopped it again, for whoever handled them before, which by default would kill the process.
        """
        for number in HANDLED_SIGNALS:
            signal.signal(number, self.handle_exit)
        super().run(sockets)
        for number in HANDLED_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # what is left to do takes a second at most

    def drain(self) -> None:
        """Stop as SIGTERM does, unless the server stops already."""
        if not self._service.draining:
            self.handle_exit(signal.SIGTERM, None)

    def stop(self) -> None:
        """Go on with step 3 of the sequence; to be called in the event loop."""
        self.should_exit = True
        self._stopped.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See ``uvicorn.Server.handle_exit``."""
        if not self._service.draining:
            self._service.draining = True
            logger.info("draining: answering what has been accepted")
        if self._delay and not self._delayed and self.started:
            self._delayed = True
            self._call_soon(self._stop_later)
        else:
            super().handle_exit(sig, frame)
            self._call_soon(self._stopped.set)

    def _stop_later(self) -> None:
        asyncio.get_running_loop().call_later(self._delay, self.stop)

    def _call_soon(self, call: Callable[[], object]) -> None:
        """Have the event loop call something, from a signal's handler too, if there is one already, and still."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call)

    async def main_loop(self) -> None:
        """See ``uvicorn.Server.main_loop``, which looks ten times a second whether it is to stop.

        That takes more than four fifths of the CPU that an idle server uses, and several replicas use it several times.
        Here a stop wakes the loop, which ticks once a second otherwise, and ten times only for figures that are shared.
        """
        step = 1 if self._service.shared else _TICKS
        counter = 0
        while not await self.on_tick(counter):
            counter += step
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(step / _TICKS):
                    await self._stopped.wait()

    async def on_tick(self, counter: int) -> bool:
        """See ``uvicorn.Server.on_tick``."""
        self._service.share()
        if counter % _TICKS == 0:
            self._every_second()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """See ``uvicorn.Server.shutdown``."""
        await self._last_call()
        self.server_state.closed = True
        loop = asyncio.get_running_loop()
        timers = [
            loop.call_later(self._timeout, self._service.give_up),
            loop.call_later(self._timeout + _OVERTIME, self._abandon),
        ]
        watching = loop.create_task(self._watch())
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn would leave the lifespan to be cancelled, which logs a traceback
            await self.lifespan.shutdown()
        watching.cancel()
        for timer in timers:
            timer.cancel()
        if self._service.draining:
            logger.info("drained")

    async def _last_call(self) -> None:
        """Step 3."""
        self.server_state.parting = True
        for acceptor in self._acceptors:
            acceptor.bar()
        for turn in range(1, _FIRST_WORDS + 1):
            await asyncio.sleep(_ROUND)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            awaited = self._connections()
            if turn >= _LAST_CALL:
                awaited = [connection for connection in awaited if connection.fresh]
            if self.force_exit or not awaited:
                break

    def _connections(self) -> list[Connection]:
        return cast(list[Connection], list(self.server_state.connections))

    def _every_second(self) -> None:
        """Show that all is well, part with clients that take too long, and give back what they took."""
        self._seconds += 1
        if self._seconds % _TIDY == 0:
            tidy_memory()
        if not self._service.stuck:
            self._beat()
        now = asyncio.get_running_loop().time()
        for connection in self._connections():
            connection.expire(now)

    async def _watch(self) -> None:
        """Do while the server drains what ``on_tick`` does before."""
        while True:
            await asyncio.sleep(1)
            self._every_second()

    def _abandon(self) -> None:
        for connection in self._connections():
            connection.abandon()
