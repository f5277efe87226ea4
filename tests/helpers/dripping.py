"""A proxy in front of a server, which at times lets its answers through one byte after the other."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

_PAUSE = 0.5
"""Seconds between two bytes."""


class Dripping:
    """A proxy for any number of connections.

    Args:
        target: where the server listens.

    Attributes:
        uri: its address.
        drips: whether connections that are made now drip, until their other end closes them.
        dripping: how many do.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.drips = False
        self.dripping = 0

    def run(self) -> None:
        """Accept connections until the end."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client, self.drips), daemon=True).start()

    def end(self) -> None:
        """Accept no more, and let nothing drip on."""
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, client: socket.socket, drips: bool) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._target) as server:
            threading.Thread(target=_copy, args=(client, server), daemon=True).start()
            if not drips:
                _copy(server, client)
                return
            self.dripping += 1
            answer = server.recv(1 << 16)
            while answer and not self._over.wait(_PAUSE):
                client.sendall(answer[:1])
                answer = answer[1:] or b" "
            self.dripping -= 1


@contextmanager
def dripping(uri: str) -> Iterator[Dripping]:
    """Run a proxy in front of a web server; it does not drip at first."""
    parts = urlsplit(uri)
    proxy = Dripping((parts.hostname or "", parts.port or 80))
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.end()
        thread.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
