"""A web server that answers as it is told, and remembers what it was asked."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Stub:
    """A web server.

    Attributes:
        port: where it listens.
        asked: the path and the headers of each request.
        stalled: set by the test to let an answer that was cut go on.
    """

    port: int
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)


@contextmanager
def answering(
    status: int = 200,
    page: bytes = b"<html>Who are you?</html>",
    *,
    pages: Mapping[str, bytes] | None = None,
    cut: int | None = None,
    drip: float | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Stub]:
    """Run a server that answers everything with the same page.

    Args:
        status: of every answer.
        page: their body.
        pages: other bodies, for the paths that end so.
        cut: send so many bytes of each body, and the rest only once the stub's ``stalled`` is set.
        drip: send each body byte by byte, with pauses of so many seconds, until the stub's ``stalled`` is set.
        tls: to speak TLS.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stub.asked.append((self.path, dict(self.headers.items())))
            body = next((body for end, body in (pages or {}).items() if self.path.endswith(end)), page)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for byte in body if drip is not None else b"":
                self.wfile.write(bytes([byte]))
                if stub.stalled.wait(drip):
                    return
            self.wfile.write(body[:cut])
            if cut is not None and len(body) > cut:
                self.wfile.flush()
                stub.stalled.wait(60)
                self.wfile.write(body[cut:])

        do_POST = do_GET  # noqa: N815 - the base class has it so

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: object) -> None:
            """A client that goes away, or speaks no TLS, is none of the test's business."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        stub = Stub(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stub
        finally:
            stub.stalled.set()
            server.shutdown()
            thread.join()
