"""Messages between the supervisor and a worker, some of which bring open files along."""

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

_LONGEST: Final = 1 << 16
_MOST_FILES: Final = 4


class PrepareRollout(msgspec.Struct, frozen=True, tag="prepare"):
    """To the worker: get ready to serve this, whatever it means to the program. ``number`` counts up.

    ``files`` are descriptors of whoever has the message: the files are open in both processes.
    """

    number: int
    task: msgspec.Raw
    files: tuple[int, ...] = ()


class CommitRollout(msgspec.Struct, frozen=True, tag="commit"):
    """To the worker: all are ready, serve it from now on."""

    number: int


class CancelRollout(msgspec.Struct, frozen=True, tag="cancel"):
    """To the worker: not all can, go on with what you have."""

    number: int


class News(msgspec.Struct, frozen=True, tag="news"):
    """To the worker: something to know, whatever it means to the program."""

    content: msgspec.Raw


class Cover(msgspec.Struct, frozen=True, tag="cover"):
    """To the worker: take connections from the sockets of these others too, who do not, and from those of no others."""

    slots: list[int]


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


class RefreshRequest(msgspec.Struct, frozen=True, tag="refresh"):
    """From the worker: somebody wants it to be seen whether there is something new to serve."""


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """From the worker, once a second."""


Message = (
    PrepareRollout | CommitRollout | CancelRollout | News | Cover | Ready | Serving | Failed | RefreshRequest | Alive
)

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
        """Await a message; None when the other end says no more, or is gone. Its files belong to the caller.

        Raises:
            msgspec.DecodeError: something else came.
        """
        while True:
            try:
                data, files, _, _ = socket.recv_fds(self._socket, _LONGEST, _MOST_FILES)
            except BlockingIOError:
                await self._readable()
            except ConnectionError:
                return None
            else:
                return _decoded(data, files) if data else None

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self._socket, lambda: None if readable.done() else readable.set_result(None))
        try:
            await readable
        finally:
            loop.remove_reader(self._socket)

    async def send(self, message: Message) -> None:
        """Send a message without files. If the other end is gone, ``receive`` tells."""
        with suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._socket, msgspec.json.encode(message))

    def push(self, message: Message) -> bool:
        """Send a message, with its files, at once if there is room for it; returns whether there was. See ``send``."""
        files = message.files if isinstance(message, PrepareRollout) else ()
        with suppress(ConnectionError):
            try:
                socket.send_fds(self._socket, [msgspec.json.encode(message)], files)
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


def _decoded(data: bytes, files: Sequence[int]) -> Message:
    """A message with the files as they are open here."""
    for file in files:
        os.set_inheritable(file, False)
    try:
        message = _DECODER.decode(data)
    except msgspec.DecodeError:
        for file in files:
            os.close(file)
        raise
    return msgspec.structs.replace(message, files=tuple(files)) if isinstance(message, PrepareRollout) else message
