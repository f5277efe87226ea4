"""Messages between the supervisor and a worker."""

import asyncio
import socket
from contextlib import suppress
from typing import Final

import msgspec

_LONGEST: Final = 1 << 16


class Offer(msgspec.Struct, frozen=True, tag="offer"):
    """To the worker: get ready to serve this, whatever it means to the program. ``number`` counts up."""

    number: int
    task: msgspec.Raw


class Commit(msgspec.Struct, frozen=True, tag="commit"):
    """To the worker: all are ready, serve it from now on."""

    number: int


class Withdraw(msgspec.Struct, frozen=True, tag="withdraw"):
    """To the worker: not all can, go on with what you have."""

    number: int


class News(msgspec.Struct, frozen=True, tag="news"):
    """To the worker: something to know, whatever it means to the program."""

    content: msgspec.Raw


class Cover(msgspec.Struct, frozen=True, tag="cover"):
    """To the worker: take connections from the sockets of these others too, who do not, and from those of no others."""

    seats: list[int]


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """From the worker: it could serve it at once."""

    number: int


class Serving(msgspec.Struct, frozen=True, tag="serving"):
    """From the worker: it does; ``description`` is for the log."""

    number: int
    description: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """From the worker: it cannot, and why."""

    number: int
    reason: str


class Look(msgspec.Struct, frozen=True, tag="look"):
    """From the worker: somebody wants it to be seen whether there is something new to serve."""


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """From the worker, once a second."""


Message = Offer | Commit | Withdraw | News | Cover | Ready | Serving | Failed | Look | Alive

_DECODER: Final = msgspec.json.Decoder(Message)


class Channel:
    """One end of a pair of connected sockets that keep messages apart.

    Args:
        end: descriptor of the socket, of type SOCK_SEQPACKET; the channel owns it.
    """

    def __init__(self, end: int) -> None:
        self._socket = socket.socket(fileno=end)
        self._socket.setblocking(False)

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        """Sockets for the two ends."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    async def receive(self) -> Message | None:
        """Await a message; None when the other end says no more, or is gone.

        Raises:
            msgspec.DecodeError: something else came.
        """
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, _LONGEST)
        except ConnectionError:
            return None
        return _DECODER.decode(data) if data else None

    async def send(self, message: Message) -> None:
        """Send a message. If the other end is gone, ``receive`` tells."""
        with suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._socket, msgspec.json.encode(message))

    def push(self, message: Message) -> bool:
        """Send a message at once, if there is room for it; returns whether there was. See ``send``."""
        with suppress(ConnectionError):
            try:
                self._socket.send(msgspec.json.encode(message))
            except BlockingIOError:
                return False
        return True

    def finish(self) -> None:
        """Say no more; messages are still received."""
        with suppress(OSError):  # the other end is gone
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
