"""Clients that see what the server answers, what the stand-in engine should answer, and processes looked at."""

import contextlib
import http.client
import itertools
import json
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from loadtest.system.process import ServerProcess
from preprocessing import covertype
from registry import Columns
from serving import ReadBudget

PATIENCE = 120.0
"""Seconds after which something hangs. It measures no speed, so a busy machine must never need as many."""

AT_ONCE = 20.0
"""Seconds for what waits for nothing, however busy the machine is: fewer than any time-out of the server's own."""


ORDINARY = "Content-Encoding: identity"
"""A header that says nothing, but sends a request past the hot path."""

COLUMNS = Columns(covertype.SCHEMA)
"""Those of a model that names the forest-cover table's in their order."""


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
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
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
    until(lambda: client.ask("GET", "/stats").document["batcher"][key] == value)


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Poll until something is so."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never came to that"
        time.sleep(0.005)


def fill(read_budget: ReadBudget) -> int:
    """Use up the room of a turn of the event loop; returns for how many pieces there was some."""
    return next(taken for taken in itertools.count() if not read_budget.admit())


def in_the_batcher(server: ServerProcess) -> tuple[int, int]:
    """How many rows wait in the queue, and how many are in the engine."""
    batcher = server.get("/stats")["batcher"]
    return batcher["queued_rows"], batcher["running_rows"]


def counted(server: ServerProcess, key: str) -> int:
    """A number from the batcher's statistics."""
    number: int = server.get("/stats")["batcher"][key]
    return number


class Gate:
    """Holds the stand-in engine in a call of rows of elevation HELD for as long as one is within.

    Args:
        path: what the engine was told.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._path.touch()

    def __exit__(self, *_: object) -> None:
        self._path.unlink()


def request(
    body: bytes = b"",
    *headers: str,
    method: str = "POST",
    target: str = "/predict",
    version: str = "1.1",
    length: int | str | None = None,
    content_type: str | None = "application/json",
) -> bytes:
    """The bytes of a request, by default of one that the hot path takes.

    Args:
        body: its body.
        headers: more header lines.
        method: its method; all but GET and HEAD declare the length of their body.
        target: of the request line.
        version: of HTTP.
        length: what to declare instead of the body's length; an empty word declares nothing.
        content_type: None says nothing of it.
    """
    lines = [f"{method} {target} HTTP/{version}", "Host: canopy"]
    if method not in {"GET", "HEAD"}:
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        if (declared := len(body) if length is None else length) != "":
            lines.append(f"Content-Length: {declared}")
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def chunked(body: bytes, *headers: str, size: int = 20, target: str = "/predict") -> bytes:
    """The bytes of a request whose body comes in chunks."""
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    return request(b"", "Transfer-Encoding: chunked", *headers, length="", target=target) + framed


_STATUS_LINE = re.compile(r"HTTP/1\.1 ([1-5][0-9][0-9]) [A-Z][A-Za-z ()-]*")
_HEADER_LINE = re.compile(r"([a-z][a-z0-9-]*): (\S|\S[ -~]*\S)")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it came over the wire: complete, and well-formed."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The last part of a problem document's type."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.document["status"] == self.status
        assert self.document["title"]
        assert self.document["detail"]
        return str(self.document["type"].removeprefix("urn:canopy:problem:"))

    @property
    def closes(self) -> bool:
        """Whether it says that it is the connection's last."""
        return self.headers.get("connection") == "close"


class Wire:
    """One connection, seen byte by byte."""

    opened: ClassVar[list["Wire"]] = []

    def __init__(self, server: ServerProcess, *, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        self.opened.append(self)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect((server.host, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def send(self, *parts: bytes) -> None:
        """Send bytes, each part by itself."""
        for part in parts:
            self.socket.sendall(part)

    def ask(self, sent: bytes) -> Answer:
        """Send a request and read its response."""
        self.send(sent)
        return self.receive()

    def receive(self, *, head_only: bool = False) -> Answer:
        """Read one response, and hold it against HTTP's grammar."""
        while b"\r\n\r\n" not in self._unread:
            self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        status = _STATUS_LINE.fullmatch(first)
        assert status, first
        headers: dict[str, str] = {}
        for line in lines:
            header = _HEADER_LINE.fullmatch(line)
            assert header, line
            assert header[1] not in headers, f"{header[1]} comes twice"
            headers[header[1]] = header[2]
        if status[1].startswith("1"):
            assert not headers
            return Answer(int(status[1]), headers, b"")
        assert "transfer-encoding" not in headers
        assert headers["date"]
        length = 0 if head_only else int(headers["content-length"])
        while len(self._unread) < length:
            self._more()
        body, self._unread = self._unread[:length], self._unread[length:]
        return Answer(int(status[1]), headers, body)

    def unread(self, received: bytes) -> None:
        """Give back bytes that were read from the socket."""
        self._unread = received + self._unread

    def ends(self) -> bool:
        """Wait until the server closes the connection in order; whether it does so without another word."""
        return not self._unread and self.socket.recv(1) == b""

    def reset(self) -> None:
        """Break the connection off, without a farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _more(self) -> None:
        received = self.socket.recv(1 << 18)
        assert received, f"the server closed the connection; it had sent {self._unread!r}"
        self._unread += received


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
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
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


def worker_of(server: ServerProcess, client: Client) -> int:
    """Which of a server's child processes has accepted a connection that was answered."""
    ours = client.connection.sock.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(address.partition(":")[2], 16) for address in fields[1:3])
        if (local, remote) == (server.port, ours):
            inode = fields[9]
    for pid in children(server.process.pid):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if str(descriptor.readlink()) == f"socket:[{inode}]":
                    return pid
    raise AssertionError("nobody has accepted it")
