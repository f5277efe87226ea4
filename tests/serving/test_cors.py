"""Pages of other origins: what browsers are told, on both ways of HTTP."""

import contextlib
from collections.abc import Iterator

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.support import Answer, Wire, label, request, rows
from tests.serving.conftest import WAYS

ORIGIN = "https://app.example"
STRANGER = "https://stranger.example"


@pytest.fixture(scope="module")
def open_servers(start: Start) -> Iterator[dict[str, ServerProcess]]:
    """A server for each way, which pages of two origins may ask."""
    with contextlib.ExitStack() as stack:
        options = ["--cors-origins", f"{ORIGIN}, http://localhost:3000", "--http"]
        yield {way: stack.enter_context(start(*options, way)) for way in WAYS}


@pytest.fixture
def wire(open_servers: dict[str, ServerProcess], way: str) -> Wire:
    """A connection to such a server."""
    return Wire(open_servers[way])


def preflight(origin: str, *headers: str, method: str = "POST") -> bytes:
    """What a browser asks before it sends another origin's request."""
    asked = (f"Origin: {origin}", f"Access-Control-Request-Method: {method}", *headers)
    return request(b"", *asked, method="OPTIONS", content_type=None, length="")


def told(answer: Answer) -> set[str]:
    """The headers of CORS's that an answer has."""
    return {name for name in answer.headers if name.startswith("access-control-")}


def test_an_answer_may_be_read_each_time(wire: Wire) -> None:
    """However often its head was seen before; with the headers that tell something."""
    for _ in range(3):
        answer = wire.ask(request(rows(3), f"Origin: {ORIGIN}", "Canopy-Timing: true"))
        assert (answer.status, answer.document) == (200, {"prediction": [label(3)]})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Origin" in answer.headers["vary"]
        exposed = set(answer.headers["access-control-expose-headers"].split(", "))
        assert {"Canopy-Model", "Canopy-Engine", "Server-Timing", "Retry-After"} <= exposed
        assert answer.headers["server-timing"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(request(b"{", f"Origin: {ORIGIN}"), 400, id="no-json"),
        pytest.param(request(rows(), f"Origin: {ORIGIN}"), 422, id="no-rows"),
        pytest.param(request(rows(3), f"Origin: {ORIGIN}", content_type="text/csv"), 415, id="no-json-at-all"),
        pytest.param(request(b"", f"Origin: {ORIGIN}", method="GET"), 405, id="wrong-method"),
        pytest.param(request(b"", f"Origin: {ORIGIN}", target="/nowhere"), 404, id="nowhere"),
        pytest.param(request(rows(-1), f"Origin: {ORIGIN}"), 500, id="the-model-fails"),
    ],
)
def test_an_error_may_be_read_too(wire: Wire, sent: bytes, status: int) -> None:
    """Or the page would learn nothing of what is wrong."""
    answer = wire.ask(sent)
    assert answer.status == status
    assert answer.kind
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_a_preflight_is_answered(wire: Wire) -> None:
    """With what such a page may send."""
    names = "content-type,canopy-timing,canopy-deadline-ms,inference-header-content-length"
    answer = wire.ask(preflight("http://localhost:3000", f"Access-Control-Request-Headers: {names}"))
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert set(names.split(",")) <= set(answer.headers["access-control-allow-headers"].lower().split(", "))


@pytest.mark.parametrize(
    ("sent", "refused"),
    [
        pytest.param(preflight(STRANGER), "origin", id="origin"),
        pytest.param(preflight(ORIGIN, method="DELETE"), "method", id="method"),
        pytest.param(preflight(ORIGIN, "Access-Control-Request-Headers: authorization"), "headers", id="header"),
    ],
)
def test_a_preflight_is_refused_in_words(wire: Wire, sent: bytes, refused: str) -> None:
    """As any other error is."""
    answer = wire.ask(sent)
    assert (answer.status, answer.kind) == (400, "bad-parameter")
    assert answer.document["detail"].endswith(f": {refused}")
    assert ("access-control-allow-origin" in answer.headers) == (refused != "origin")


def test_strangers_are_told_nothing(wire: Wire) -> None:
    """They are answered, as anybody is, but a browser keeps the answer from them; caches tell the two apart."""
    answer = wire.ask(request(rows(3), f"Origin: {STRANGER}"))
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    assert told(wire.ask(request(rows(3)))) == set()


def test_an_asterisk_lets_everybody_ask(start: Start, way: str) -> None:
    """Whatever the origin is, even that of a file."""
    with start("--cors-origins", "*", "--http", way) as server:
        for origin in (ORIGIN, "null"):
            answer = Wire(server).ask(request(rows(3), f"Origin: {origin}"))
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
            assert Wire(server).ask(preflight(origin)).headers["access-control-allow-origin"] == "*"


def test_without_the_setting_nobody_is_told_anything(server: ServerProcess) -> None:
    """No preflight is answered, and an Origin changes nothing."""
    wire = Wire(server)
    answers = [wire.ask(preflight(ORIGIN)), wire.ask(request(rows(3), f"Origin: {ORIGIN}")), wire.ask(request(rows(3)))]
    assert [answer.status for answer in answers] == [405, 200, 200]
    assert [told(answer) for answer in answers] == [set()] * 3
    assert answers[1].headers.keys() == answers[2].headers.keys()


def test_only_requests_with_an_origin_leave_the_hot_path(start: Start) -> None:
    """And only where pages of other origins may ask. What comes to Starlette is forbidden here."""
    ours, theirs = request(rows(3)), request(rows(3), f"Origin: {ORIGIN}")
    with start("--cors-origins", ORIGIN, hot_only=True) as server:
        assert [Wire(server).ask(sent).status for sent in (ours, theirs, ours)] == [200, 403, 200]
    with start(hot_only=True) as server:
        assert [Wire(server).ask(sent).status for sent in (ours, theirs, ours)] == [200, 200, 200]
