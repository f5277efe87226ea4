"""Servers on the way to another one: in front of it, with TLS or a redirect, or a proxy that wants to know who asks."""

import http.client
import select
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = {"connection", "proxy-authorization", "proxy-connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True, slots=True)
class Gateway:
    """A server on the way.

    Attributes:
        port: where it listens.
        asked: of each request the method, the path and the headers, whose names are in small letters.
    """

    port: int
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@contextmanager
def gateway(
    target: str = "", *, tls: ssl.SSLContext | None = None, redirect: str = "", user: str = "", prefix: str = ""
) -> Iterator[Gateway]:
    """Run one on the loopback.

    Args:
        target: where to hand requests on to, as http://HOST:PORT; what asks for a whole address is taken there instead.
        tls: to speak TLS.
        redirect: send everybody there instead, with 307.
        user: NAME:PASSWORD of who may use it as a proxy; empty for everybody.
        prefix: what paths begin with here, and not at the target.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.made.asked.append((self.command, self.path, headers))
            body = self.rfile.read(int(headers.get("content-length", 0)))
            if not self._admitted(headers):
                self._reply(407, {"Proxy-Authenticate": "Basic"}, b"")
            elif self.command == "CONNECT":
                self._tunnel()
            elif redirect:
                self._reply(307, {"Location": redirect + self.path}, b"")
            else:
                self._hand_on(headers, body)

        do_GET = do_POST = do_HEAD = do_PUT = do_CONNECT = _answer  # noqa: N815 - the base class has it so

        def _admitted(self, headers: dict[str, str]) -> bool:
            return not user or headers.get("proxy-authorization") == f"Basic {b64encode(user.encode()).decode()}"

        def _hand_on(self, headers: dict[str, str], body: bytes) -> None:
            to = urlsplit(self.path if self.path.startswith("http") else target + self.path.removeprefix(prefix))
            connection = http.client.HTTPConnection(to.hostname or "", to.port or 80, timeout=20)
            try:
                path = f"{to.path}?{to.query}" if to.query else to.path
                connection.request(self.command, path, body, {k: v for k, v in headers.items() if k not in _HOP})
                response = connection.getresponse()
                kept = {k: v for k, v in response.getheaders() if k.lower() not in _HOP}
                self._reply(response.status, kept, response.read(), response.headers.get("Content-Length"))
            except OSError:
                self._reply(502, {}, b"")
            finally:
                connection.close()

        def _reply(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _tunnel(self) -> None:
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=20) as there:
                self.send_response(200)
                self.end_headers()
                ends = {self.connection: there, there: self.connection}
                while True:
                    for end in select.select(list(ends), [], [], 20)[0]:
                        if not (data := end.recv(1 << 16)):
                            self.close_connection = True
                            return
                        ends[end].sendall(data)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

        @property
        def made(self) -> Gateway:
            return made

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
            """Greet in the connection's own thread, so that a client that breaks off holds up nobody."""
            with suppress(OSError):
                if tls is not None:
                    request = tls.wrap_socket(request, server_side=True)
                super().finish_request(request, client_address)
                if tls is not None:
                    request.close()

        def handle_error(self, *_arguments: object) -> None:
            """A client that goes away is none of the test's business."""

    with Server(("127.0.0.1", 0), Handler) as server:
        made = Gateway(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
