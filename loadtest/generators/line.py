"""One connection of a client that may behave as badly as it likes: nothing but a socket and what was read from it."""

import asyncio
import socket
import struct
from types import TracebackType
from typing import NamedTuple, Self


class Answer(NamedTuple):
    """A response; the names of its headers are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Line:
    """A connection, to enter; it is closed at the end.

    Args:
        host: the server's address.
        port: the server's port.
        receive_buffer: bytes of answers that the system may keep for it; 0 leaves that to the system.
    """

    def __init__(self, host: str, port: int, *, receive_buffer: int = 0) -> None:
        self._address = (host, port)
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._unread = b""

    async def __aenter__(self) -> Self:
        try:
            await asyncio.get_running_loop().sock_connect(self._socket, self._address)
        except BaseException:
            self._socket.close()
            raise
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    async def send(self, data: bytes) -> None:
        """Send all of it, however long that takes."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer."""
        await self.send(request)
        return await self.answer()

    async def answer(self) -> Answer:
        """Read one answer, whose length must be declared.

        Raises:
            ConnectionError: the server ended the connection instead.
        """
        while b"\r\n\r\n" not in self._unread:
            await self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        pairs = (line.partition(b":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = int(headers[b"content-length"])
        while len(self._unread) < length:
            await self._more()
        body, self._unread = self._unread[:length], self._unread[length:]
        return Answer(int(first.split()[1]), headers, body)

    def ended(self) -> bool:
        """Whether the server has ended the connection while nothing was asked."""
        try:
            return not self._unread and not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    async def until_closed(self) -> None:
        """Read until the server ends the connection in order."""
        while await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16):
            pass

    def send_no_more(self) -> None:
        """Say that nothing more will come, and keep the other direction."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset_at_end(self) -> None:
        """Make the end of the connection a reset instead of a farewell."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _more(self) -> None:
        received = await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16)
        if not received:
            raise ConnectionError("closed by the server")
        self._unread += received
