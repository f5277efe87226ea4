"""One keep-alive connection that sends whole requests, ready-made, and reads each response.

It stands in for Locust's own HTTP client, for two reasons. On few cores the generator is the bottleneck, and this costs
a fifth of the CPU a request. And geventhttpclient looks with ``select`` whether a kept connection still lives, which
fails for descriptors above 1023: with more than a thousand users a process it connects anew for every request.

The sockets are the standard library's; under Locust, gevent has patched them.
"""

import socket
from dataclasses import dataclass
from typing import Any

import httptools


@dataclass(slots=True)
class Reply:
    """A response.

    Attributes:
        status: its status.
        model: what Canopy-Model says, as it stands there; empty without one.
        body: its body.
        complete: whether all of it is here.
        last: whether the connection ends with it.
    """

    status: int = 0
    model: str = ""
    body: bytes = b""
    complete: bool = False
    last: bool = False

    # The parser's callbacks.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Remember the model, and whether the server closes the connection."""
        name = name.lower()
        if name == b"canopy-model":
            self.model = value.decode("latin-1")
        elif name == b"connection":
            self.last = value.lower() == b"close"

    def on_body(self, part: bytes) -> None:
        """Gather the body."""
        self.body += part

    def on_message_complete(self) -> None:
        """The response is whole."""
        self.complete = True


class Connection:
    """Connects when it is first needed, and again after a response that closed it or an error.

    Args:
        host: the server's address.
        port: the server's port.
        timeout: seconds that connecting and each wait for bytes may take.
    """

    def __init__(self, host: str, port: int, timeout: float = 60) -> None:
        self._address = (host, port)
        self._timeout = timeout
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> Reply:
        """Send a request and read its response.

        Raises:
            OSError: no connection, a broken one, or none that answers in time.
            httptools.HttpParserError: the answer is no HTTP.
        """
        try:
            reply = self._exchange(request)
        except BaseException:
            self.close()
            raise
        if reply.last:
            self.close()
        return reply

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes) -> Reply:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        reply = Reply()
        parser: Any = httptools.HttpResponseParser(reply)
        while not reply.complete:
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionResetError("the server closed the connection before it had answered")
            parser.feed_data(received)
        reply.status = parser.get_status_code()
        return reply
