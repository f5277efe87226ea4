"""Formats: that of today and another one, past Starlette and through it."""

from collections.abc import Iterator

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.stub_server import HELD
from tests.helpers.support import ORDINARY, Gate, Wire, in_the_batcher, label, request, rows, until

LINES = ["tests.serving.lines.Lines"]


def line(elevation: float) -> bytes:
    """A row as text."""
    return f"{elevation} 45 10 100 20 200 220 230 180 150 0 0\n".encode()


def lines(body: bytes, *headers: str) -> bytes:
    """A request in the other format."""
    return request(body, *headers, target="/lines", content_type="text/plain")


@pytest.fixture(scope="module", params=["hot", "asgi"])
def server(request: pytest.FixtureRequest, start: Start) -> Iterator[ServerProcess]:
    """One that serves both formats."""
    with start("--http", request.param, "--max-rows-per-request", "20", codecs=LINES) as server:
        yield server


def test_another_format_is_served_at_its_path(server: ServerProcess) -> None:
    """With its own media types; one label is one answer for all, unless something else is asked, too."""
    wire = Wire(server)
    for _ in range(2):
        answer = wire.ask(lines(line(3) + line(4)))
        assert (answer.status, answer.body.decode()) == (200, f"{label(3)}\n{label(4)}\n")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert wire.ask(lines(line(3))).body.decode() == f"{label(3)}\n"
        assert wire.ask(lines(line(3), "Label-Prefix: =")).body.decode() == f"={label(3)}\n"
        assert wire.ask(request(rows(3))).document == {"prediction": [label(3)]}
    assert "POST /lines" in server.get("/")["endpoints"]


def test_errors_are_the_formats_own(server: ServerProcess) -> None:
    """Whether its body is at fault, its frame or the server; HTTP's own stay problem documents."""
    wire = Wire(server)
    for sent, status, said in [
        (lines(b"1 2\n"), 422, "error: line 1: has 2 values\n"),
        (lines(line(1), "Canopy-Deadline-Ms: soon"), 400, "error: Canopy-Deadline-Ms must be a positive number"),
        (lines(line(1), "Content-Encoding: gzip"), 415, "error: the content encoding is 'gzip'"),
        (request(line(1), target="/lines"), 415, "error: the content type is 'application/json'; send text/plain"),
        (lines(b"\xff"), 500, "error: The fault is the server's; its log has the details.\n"),
        (lines(line(1) * 21), 422, "error: line 21: is one too many\n"),
    ]:
        answer = wire.ask(sent)
        assert (answer.status, answer.body.decode()[: len(said)]) == (status, said)
    answer = wire.ask(request(method="GET", target="/lines"))
    assert (answer.status, answer.body, answer.headers["allow"]) == (
        405,
        b"error: /lines takes POST, not GET\n",
        "POST",
    )
    assert wire.ask(lines(b"?")).kind == "internal-error"  # of which the format fails to tell
    assert wire.ask(lines(line(3))).status == 200


ASKING = {
    "probabilities": request(rows(3), target="/predict?probabilities=true"),
    "deadline": request(rows(3), "Canopy-Deadline-Ms: 60000"),
    "timing": request(rows(3), "Canopy-Timing: true"),
    "all": request(rows(3), "Canopy-Timing: 1", "Canopy-Deadline-Ms: 50000", target="/predict?probabilities=1"),
    "another-format": lines(line(3)),
    "another-formats-options": lines(line(3), "Label-Prefix: ="),
}


@pytest.fixture(scope="module")
def hot_only(start: Start) -> Iterator[ServerProcess]:
    """One in which no request for a prediction goes through Starlette."""
    with start(codecs=LINES, hot_only=True) as server:
        yield server


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in ASKING.items()])
def test_what_is_asked_besides_rows_goes_the_hot_way(hot_only: ServerProcess, sent: bytes) -> None:
    """At first and when its head is known; what is odd takes the other one."""
    wire = Wire(hot_only)
    assert [wire.ask(sent).status for _ in range(3)] == [200] * 3
    assert wire.ask(request(rows(3), ORDINARY)).status == 403


def test_a_deadline_on_the_hot_path_is_kept(start: Start, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A request that waits for longer gets its 504, one behind it with more time its answer."""
    path = tmp_path_factory.mktemp("gate") / "gate"
    with start(gate=str(path), hot_only=True) as server:
        held, hasty, patient = Wire(server), Wire(server), Wire(server)
        with Gate(path):
            held.send(request(rows(HELD)))
            until(lambda: in_the_batcher(server) == (0, 1))
            hasty.send(request(rows(3), "Canopy-Deadline-Ms: 200"))
            patient.send(request(rows(4), "Canopy-Deadline-Ms: 90000"))
            assert hasty.receive().kind == "deadline-exceeded"
        assert patient.receive().document == {"prediction": [label(4)]}
