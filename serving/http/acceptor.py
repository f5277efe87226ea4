"""Taking connections from the listening socket.

libuv, left to it, accepts one connection a turn of the event loop. A turn of a server with thousands of busy clients
is long, so newcomers would wait for seconds, and beyond the backlog the kernel drops them: they try again after one,
three, seven ... seconds. Here each turn takes all who wait, so that they soon share the server with those already in.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from serving.http.syn_filter import block_new, unblock_new

logger = logging.getLogger("canopy.serving")

_PER_TURN: Final = 1024
"""Most connections taken in one turn, so that those already in are not kept waiting for long."""

_PAUSE: Final = 0.1
"""Seconds without accepting when the system has no more for us."""

_GREETING: Final = 10.0
"""Seconds that a client may take to agree on TLS."""

_FAREWELL: Final = 2.0
"""Seconds that a client may take to answer TLS's farewell: a drain waits for it."""

_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_ASKED: Final = 1 << 16
"""Bytes of a newcomer's request, at most, that are read before it is refused."""

_REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class _Accepted:
    """As much of a socket as uvloop asks for when it takes a connection over, whose descriptor is its own from then on.

    Python's own object costs several times as much, and is given up at once.

    Args:
        descriptor: the connection's.
        family: the address family of the listening socket.
    """

    __slots__ = ("_descriptor", "family")

    type: Final = int(socket.SOCK_STREAM)

    def __init__(self, descriptor: int, family: int) -> None:
        self._descriptor = descriptor
        self.family = family

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def close(self) -> None:
        """Do nothing: uvloop has closed the descriptor, whose number may be another connection's by now."""


class Acceptor:
    """Accepts connections for an event loop of uvloop's; stands in for one of ``asyncio.Server``.

    At the limit of open files a spare one is given up for a moment, so that newcomers are told so instead of waiting.

    Args:
        listener: a listening stream socket.
        factory: makes a connection's protocol.
        tls: what to encrypt connections with; None leaves them as they are.
    """

    def __init__(
        self, listener: socket.socket, factory: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None
    ) -> None:
        self._listener = listener
        self._factory = factory
        self._family = int(listener.family)
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._starting: dict[asyncio.Future[Any], Coroutine[Any, Any, object]] = {}
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)
        self._full = False
        self._closed = False
        listener.setblocking(False)
        unblock_new(listener)  # a worker that has failed may have left it so to the one that takes its place
        self._resume()

    def block_new(self) -> None:
        """Let nobody new connect; those who have begun to are still accepted."""
        block_new(self._listener)

    def close(self) -> None:
        """Accept no more; a second time changes nothing."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._listener)
        self._give_up_spare()

    async def wait_closed(self) -> None:
        """Wait until what was accepted has its protocol."""
        if self._starting:
            await asyncio.wait(self._starting)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Take those who wait."""
        for _ in range(_PER_TURN):
            try:
                # ``accept`` calls this too, and makes a socket of it. Typeshed leaves it out.
                descriptor, _address = self._listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                self._refuse(error)
                return
            self._full = False
            if self._tls is None:
                self._start(descriptor)
            else:
                self._greet(descriptor, self._tls)

    def _start(self, descriptor: int) -> None:
        """Have a connection's protocol told of it in the next turn.

        uvloop's coroutine waits once, until that is done. A task that waited with it would cost more than the rest, and
        begin a turn later.
        """
        accepted = cast(socket.socket, _Accepted(descriptor, self._family))
        starting = self._loop.connect_accepted_socket(self._factory, accepted)
        try:
            told = starting.send(None)
        except BaseException:
            os.close(descriptor)
            raise
        self._starting[told] = starting
        told.add_done_callback(self._started)

    def _started(self, told: asyncio.Future[Any]) -> None:
        starting = self._starting.pop(told)
        try:  # noqa: SIM105 - suppress would take longer than all of this
            starting.send(None)
        except StopIteration:  # which is its end
            pass

    def _greet(self, descriptor: int, tls: ssl.SSLContext) -> None:
        """Have a connection's protocol told of it when both sides have agreed on TLS, if they do."""
        connection = socket.socket(fileno=descriptor)
        starting = self._loop.connect_accepted_socket(
            self._factory, connection, ssl=tls, ssl_handshake_timeout=_GREETING, ssl_shutdown_timeout=_FAREWELL
        )
        task = self._loop.create_task(starting)
        self._starting[task] = starting

        def greeted(task: asyncio.Task[Any]) -> None:
            del self._starting[task]
            if task.cancelled() or task.exception() is not None:  # the client may have gone meanwhile
                connection.close()

        task.add_done_callback(greeted)

    def _refuse(self, error: OSError) -> None:
        """Tell newcomers that there is no room for them, and look again a little later."""
        if not self._full:
            self._full = True
            logger.warning("connections are refused: %s (see `ulimit -n`)", error.strerror)
        self._give_up_spare()
        try:
            while True:
                connection, _address = self._listener.accept()
                with connection, contextlib.suppress(OSError):  # it has gone, or has not asked yet
                    connection.setblocking(False)
                    connection.send(_REFUSAL)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(_ASKED)  # or closing it would break it off, and cost the client the refusal
        except OSError:
            pass  # all are told, or someone else took the spare place
        with contextlib.suppress(OSError):  # until the next time, then
            self._spare = os.open(os.devnull, os.O_RDONLY)
        self._loop.remove_reader(self._listener)
        self._loop.call_later(_PAUSE, self._resume)

    def _give_up_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            os.close(spare)
