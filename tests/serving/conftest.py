"""Servers with a stand-in engine, and a client that sees the bytes."""

import http.client
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from loadtest.process import ServerProcess, serving
from tests.conftest import ROOT

Start = Callable[..., AbstractContextManager[ServerProcess]]


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


@pytest.fixture(autouse=True)
def _close_connections() -> Iterator[None]:
    """Leave no connection open behind a test."""
    yield
    while Client.opened:
        Client.opened.pop().connection.close()


@pytest.fixture(scope="session")
def start() -> Start:
    """Start a server with a stand-in engine: ``start(*options, fixed=..., per_row=..., ...)``."""

    def run(*options: str, ready_within: float | None = 60, **told: object) -> AbstractContextManager[ServerProcess]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return serving(
            options,
            program=("-m", "tests.stub_server"),
            environment={"STUB": json.dumps(told), "PYTHONPATH": path},
            ready_within=ready_within,
        )

    return run


@pytest.fixture(scope="session")
def quick(start: Start) -> Iterator[ServerProcess]:
    """A server whose engine takes no time; shared, so leave it as it was."""
    with start() as server:
        yield server


@pytest.fixture
def client(quick: ServerProcess) -> Client:
    """A connection to the quick server."""
    return Client(quick)
