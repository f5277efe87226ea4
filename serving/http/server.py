"""uvicorn's server, with a drain that loses no accepted request."""

import asyncio
import contextlib
import logging
import math
import signal
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import partial
from socket import socket
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from serving.http.acceptor import Acceptor
from serving.http.context import ServerState, with_common
from serving.http.protocol import Connection
from serving.http.state import expire_all
from serving.http.syn_filter import unblock_new
from serving.memory import tidy_memory
from serving.service import Service

logger = logging.getLogger("canopy.serving")

_TICKS = 10
"""What uvicorn takes for a second, as it counts calls of ``on_tick``."""

_TIDY = 10
"""Seconds from one tidying of the memory to the next."""

_OVERTIME = 5
"""Seconds that a call of the engine may go on after the drain's timeout."""

_ROUND = 0.05
"""Seconds of one round of waiting for clients, each of which ends with some turns of the event loop, however long these
are: in them a connection that had been made is accepted, and what it has sent is read."""

_TURNS = 5
"""From the end of a connection's queue to what its client has asked."""

_LAST_CALL = 5
"""Rounds for clients that have asked before: enough to ask once more, if they do not pause."""

_FIRST_WORDS = 20
"""Rounds for those that have connected, and have not asked anything yet."""

_FAREWELLS = 20
"""Most rounds of closing connections, in which those are left out on which something is still to be read."""

_SLICE = 256
"""Connections that are closed in one turn of the event loop: in a longer one, much would come meanwhile."""


class DrainingServer(uvicorn.Server):
    """Stops in a written sequence.

    1. On SIGTERM or SIGINT the service reports that it is not ready, and from now on each answer says that it is its
       connection's last, so that the client goes elsewhere and loses nothing.
    2. For ``delay`` seconds it goes on serving, so that a load balancer notices.
    3. A last call: for a quarter of a second, or until nobody is left, nobody new can connect (``Acceptor.block_new``),
       but who has done so is accepted; a second, if somebody has connected and not asked yet. Then it stops listening.
    4. Clients pause between their requests. For ``idle`` seconds from the beginning of 3, or until nobody is left,
       their connections are kept open, so that each may ask once more and be told.
    5. It closes the connections on which no whole request was read, some in each turn of the event loop. What has come
       is read before, and answered if it is a whole request (``Connection.conclude``).
    6. It answers the requests that it has read. ``timeout`` seconds after the beginning of 3 it answers what is still
       queued with 503, and gives the running call five seconds more.
    7. The application's lifespan ends.

    A second signal ends 2 and leaves out 4; a second SIGINT during 3 to 7 stops at once.

    What a client sends in the very moment in which its connection is closed, so that the two cross on the wire, is
    lost: HTTP/1.1 has no way to avoid that (RFC 9112, section 9.3.1), and has clients send such a request again if they
    can.

    Args:
        config: uvicorn's; its ``timeout_graceful_shutdown`` is overwritten, and its ``http`` is a class of connections.
        service: what is drained.
        shared: what the class of connections is called with, besides the server's state: its first arguments.
        delay: seconds of step 2.
        idle: seconds to the end of step 4; no more than ``timeout``.
        timeout: seconds to the end of step 6.
        beat: called once a second, for as long as the service is well.
        others: the listening sockets of other workers, by index, which this one may have to ``cover``.
        beside: from step 3 on, drains a server of another protocol in so many seconds; step 7 waits for it.
    """

    _connect: Callable[[], asyncio.Protocol]
    """Makes the protocol of a new connection."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        shared: tuple[Any, ...],
        *,
        delay: float,
        idle: float,
        timeout: float,
        beat: Callable[[], None],
        others: Mapping[int, socket] | None = None,
        beside: Callable[[float], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        super().__init__(config)
        self.server_state: ServerState = ServerState()
        self._service = service
        self._shared = shared
        service.connections = self.server_state.connections
        self._delay = delay
        self._idle = idle
        self._timeout = timeout
        self._beat = beat
        self._others = others or {}
        self._beside = beside
        self._acceptors: list[Acceptor] = []
        self._covered: set[int] = set()
        self._covering: dict[int, Acceptor] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._delayed = False
        self._hurried = False
        self._seconds = 0

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """See ``uvicorn.Server.startup``; connections are accepted in our own way.

        If the server is to stop already, none is: who waits at a socket is left to whoever takes it over.
        """
        self._loop = asyncio.get_running_loop()
        await super().startup([])
        kind = cast(type[Connection], self.config.http_protocol_class)
        connection: Callable[..., Connection] = with_common(kind, self.config, self.server_state, self.lifespan.state)
        self._connect = partial(connection, *self._shared, self.server_state)
        tls = self.config.ssl
        taken = [] if self.should_exit else sockets or []
        self._acceptors = [Acceptor(listener, self._connect, tls) for listener in taken]
        self.servers = self._acceptors  # type: ignore[assignment]
        self.cover(self._covered)

    def cover(self, others: Collection[int]) -> None:
        """Take connections from the sockets of other workers too, and from those of no others; from the start on.

        Those that wait there would wait until the other goes on or has been replaced.

        Args:
            others: their indexes.
        """
        self._covered = self._others.keys() & others
        if not self.started or self._service.draining or self.should_exit:
            return
        for index in self._covering.keys() - self._covered:
            self._covering.pop(index).close()
        for index in self._covered:
            if index in self._covering:
                unblock_new(self._others[index])  # it may have begun to drain before it ended
            else:
                self._covering[index] = Acceptor(self._others[index], self._connect, self.config.ssl)

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
        if self._service.draining:
            self._hurried = True
        else:
            self._service.draining = True
            self._call_soon(self._part)
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
        loop = asyncio.get_running_loop()
        began = loop.time()
        timers = [
            loop.call_at(began + self._timeout, self._service.give_up),
            loop.call_at(began + self._timeout + _OVERTIME, self._abandon),
        ]
        watching = loop.create_task(self._watch())
        beside = None if self._beside is None else loop.create_task(self._beside(self._timeout + _OVERTIME))
        self._part()
        for covering in self._covering.values():
            covering.close()
        await self._last_call()
        for acceptor in self._acceptors:
            acceptor.close()
        for listener in (*self._others.values(), *(sockets or [])):
            listener.close()
        await self._wait_for_the_idle(began + self._idle)
        await self._conclude()
        self.server_state.closed = True
        left = began + self._timeout + _OVERTIME + 1 - loop.time()
        self.config.timeout_graceful_shutdown = max(1, math.ceil(left))
        if beside is not None:
            await beside
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn would leave the lifespan to be cancelled, which logs a traceback
            await self.lifespan.shutdown()
        watching.cancel()
        for timer in timers:
            timer.cancel()
        if self._service.draining:
            logger.info("drained")

    def _part(self) -> None:
        """Let each answer be its connection's last from now on, also to what was asked already."""
        self.server_state.parting = True
        for connection in self._connections():
            connection.part()

    async def _last_call(self) -> None:
        """Step 3, but for its end."""
        for acceptor in self._acceptors:
            acceptor.block_new()
        for number in range(1, _FIRST_WORDS + 1):
            await self._round()
            awaited = self._connections()
            if number >= _LAST_CALL:
                awaited = [connection for connection in awaited if connection.fresh]
            if self.force_exit or not awaited:
                break

    async def _wait_for_the_idle(self, until: float) -> None:
        """Step 4, which is for those who come to know by an answer: there is none if the server itself has failed."""
        loop = asyncio.get_running_loop()
        while self._connections() and self._service.draining and not (self._hurried or self._service.stuck):
            if loop.time() >= until:
                break
            await self._round()

    async def _conclude(self) -> None:
        """Step 5."""
        undecided = self._connections()
        for _ in range(_FAREWELLS):
            remaining = []
            for start in range(0, len(undecided), _SLICE):
                remaining += [each for each in undecided[start : start + _SLICE] if not each.conclude()]
                await asyncio.sleep(0)
            if self.force_exit or not remaining:
                break
            undecided = remaining
            await self._round()

    async def _round(self) -> None:
        """Let clients come, and read what they have sent."""
        await asyncio.sleep(_ROUND)
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _connections(self) -> list[Connection]:
        return cast(list[Connection], list(self.server_state.connections))

    def _every_second(self) -> None:
        """Show that all is well, part with clients that take too long, and give back what they took."""
        self._seconds += 1
        if self._seconds % _TIDY == 0:
            tidy_memory()
        if not self._service.stuck:
            self._beat()
        expire_all(self._connections(), asyncio.get_running_loop().time())  # type: ignore[arg-type]  # these are such

    async def _watch(self) -> None:
        """Do while the server drains what ``on_tick`` does before."""
        while True:
            await asyncio.sleep(1)
            await self.on_tick(0)

    def _abandon(self) -> None:
        for connection in self._connections():
            connection.abandon()
