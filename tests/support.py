"""A client that sees what the server answers, and what the stand-in engine should answer."""

import http.client
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from loadtest.process import ServerProcess


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that has been read to its end."""

    status: int
    headers: http.client.HTTPMessage
    document: dict[str, Any]


class Client:
    """One keep-alive connection, closed at the end of the test."""

    opened: ClassVar[list["Client"]] = []

    def __init__(self, server: ServerProcess) -> None:
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
        self.opened.append(self)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
        """Send a request and read its response."""
        self.send(method, path, body, headers)
        return self.receive()

    def send(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> None:
        """Send a request."""
        self.connection.request(method, path, body, headers or {"Content-Type": "application/json"})

    def receive(self) -> Reply:
        """Read the response to what was sent."""
        response = self.connection.getresponse()
        return Reply(response.status, response.headers, json.loads(response.read()))

    def predict(self, *elevations: float, query: str = "", headers: dict[str, str] | None = None) -> Reply:
        """Ask for rows that differ in their elevation only."""
        return self.ask("POST", f"/predict{query}", rows(*elevations), headers)


def rows(*elevations: float) -> bytes:
    """A body of many rows."""
    return json.dumps({"features": [[elevation, *[1.0] * 9, 0, 0] for elevation in elevations]}).encode()


def label(elevation: float) -> int:
    """What the stand-in engine answers for a row."""
    return 1 + int(elevation) % 7


def wait_for(client: Client, key: str, value: int) -> None:
    """Poll the statistics until one of them has a value."""
    for _ in range(2000):
        if client.ask("GET", "/stats").document["batcher"][key] == value:
            return
    raise AssertionError(f"{key} never became {value}")
