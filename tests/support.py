"""A client that sees what the server answers, what the stand-in engine should answer, and processes looked at."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
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


def shell_script(path: Path, content: str) -> str:
    """Write an executable shell script; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{content}\n")
    path.chmod(0o755)
    return str(path)


def modules_after(script: str, arguments: Sequence[str] = ()) -> set[str]:
    """The top-level modules that a new interpreter has imported when it has run a script."""
    code = f"import sys\n{script}\nsys.stderr.write(' '.join(sys.modules))"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.split()}


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are still there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        if int(parent) == pid:
            found.append(int(path.parent.name))
    return found


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended, but that nobody has asked about yet, does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, for half a minute at most."""
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up, "it never came about"
        time.sleep(0.01)
