"""Refusals that come before the client has sent all of its request, which it sends to the end before it reads."""

import contextlib
import http.client
import time
from collections.abc import Iterator

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.support import PATIENCE, Client, Wire, chunked, label, request, rows
from tests.serving.conftest import WAYS

MB = 1_000_000
LONG = b" " * (900 * 1000)
TOO_LONG = b" " * (2 * MB)
CLOSE = "Connection: close"

REFUSALS: dict[str, tuple[bytes, int]] = {
    "too-long": (request(TOO_LONG, CLOSE), 413),
    "far-too-long": (request(b" " * (50 * MB), CLOSE), 413),
    "too-long-http-1.0": (request(TOO_LONG, version="1.0"), 413),
    "too-long-in-chunks": (chunked(b" " * (5 * MB), CLOSE, size=50_000), 413),
    "wrong-path": (request(LONG, CLOSE, target="/nowhere"), 404),
    "wrong-path-in-chunks": (chunked(LONG, CLOSE, size=50_000, target="/nowhere"), 404),
    "wrong-path-http-1.0": (request(LONG, version="1.0", target="/nowhere"), 404),
    "wrong-method": (request(LONG, CLOSE, method="PUT"), 405),
    "wrong-type": (request(LONG, CLOSE, content_type="text/csv"), 415),
    "gzip": (request(LONG, CLOSE, "Content-Encoding: gzip"), 415),
    "bad-parameter": (request(LONG, CLOSE, target="/predict?probabilities=maybe"), 400),
    "bad-deadline": (request(LONG, CLOSE, "Canopy-Deadline-Ms: soon"), 400),
    "unauthorized": (request(LONG, CLOSE, target="/admin/reload"), 401),
    "answered-without-its-body": (request(LONG, CLOSE, f"Content-Length: {len(LONG)}", method="GET", target="/"), 200),
    "head-too-large": (request(TOO_LONG, "X-Long: " + "x" * 40_000), 431),
    "malformed": (request(TOO_LONG, "X-Odd : 1"), 400),
    "two-requests": (request(rows(3), CLOSE) + request(TOO_LONG), 200),
}
"""What is sent, all of it before the answer is read, and the status of the answer."""


@pytest.fixture(scope="module")
def guarded_servers(start: Start) -> Iterator[dict[str, ServerProcess]]:
    """A server for each way to serve HTTP, with a token for what is the administrator's."""
    with contextlib.ExitStack() as stack:
        yield {way: stack.enter_context(start("--http", way, "--admin-token", "secret")) for way in WAYS}


@pytest.fixture
def guarded(guarded_servers: dict[str, ServerProcess], way: str) -> ServerProcess:
    """One of them."""
    return guarded_servers[way]


@pytest.mark.parametrize("name", REFUSALS)
def test_who_sends_all_before_reading_gets_the_answer(guarded: ServerProcess, name: str) -> None:
    """However much that is: neither does sending fail, nor is the answer lost, nor the connection left open."""
    sent, status = REFUSALS[name]
    for _ in range(3):
        wire = Wire(guarded)
        wire.send(sent)
        answer = wire.receive()
        assert (answer.status, answer.closes) == (status, True)
        assert wire.ends()


@pytest.mark.parametrize("size", [2 * MB, 50 * MB])
def test_the_standard_librarys_client_is_told_that_its_body_is_too_long(guarded: ServerProcess, size: int) -> None:
    """It asks for the end of the connection with each request, and sends all of it first."""
    for _ in range(5):
        connection = http.client.HTTPConnection(guarded.host, guarded.port, timeout=PATIENCE)
        connection.request("POST", "/predict", b" " * size, {"Connection": "close"})
        assert connection.getresponse().status == 413
        connection.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(request(TOO_LONG), 413, id="too-long"),
        pytest.param(chunked(TOO_LONG, size=50_000), 413, id="too-long-in-chunks"),
        pytest.param(chunked(LONG, size=50_000, target="/nowhere"), 404, id="wrong-path"),
    ],
)
def test_a_connection_that_is_kept_lives_on(guarded: ServerProcess, sent: bytes, status: int) -> None:
    """Behind the body that nobody wanted the next request is answered."""
    wire = Wire(guarded)
    for _ in range(3):
        assert wire.ask(sent).status == status
        assert wire.ask(request(rows(3))).document == {"prediction": [label(3)]}


def flooded(wire: Wire, sent: bytes, patience: float) -> int:
    """Send again and again until the connection is cut; returns how many bytes were taken."""
    taken, give_up = 0, time.monotonic() + patience
    with contextlib.suppress(ConnectionError):
        while True:
            assert time.monotonic() < give_up, "the server takes whatever is sent to it"
            taken += wire.socket.send(sent)
    return taken


@pytest.mark.parametrize(
    ("first", "more"),
    [
        pytest.param(request(b"", CLOSE, length=1 << 40), b" " * MB, id="close"),
        pytest.param(request(b"", length=1 << 40), b" " * MB, id="kept"),
        pytest.param(chunked(TOO_LONG, size=50_000)[:-5], b"f4240\r\n" + b" " * MB + b"\r\n", id="chunks"),
        pytest.param(b"garbage\r\n\r\n", b" " * MB, id="garbage"),
    ],
)
def test_who_floods_the_server_after_a_refusal_is_cut_off(guarded: ServerProcess, first: bytes, more: bytes) -> None:
    """After some hundred megabytes; ``test_connection`` has those who send little, or nothing."""
    wire = Wire(guarded)
    assert wire.ask(first).status in {400, 413}
    assert 100 * MB < flooded(wire, more, PATIENCE) < 400 * MB
    assert Client(guarded).predict(3).status == 200
