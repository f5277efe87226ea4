"""Clients that are slow, stop, or go without a farewell, in both ways of serving HTTP."""

import contextlib
import itertools
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.stub_server import HELD
from tests.helpers.support import (
    AT_ONCE,
    ORDINARY,
    PATIENCE,
    Client,
    Gate,
    Wire,
    chunked,
    counted,
    in_the_batcher,
    label,
    request,
    rows,
    until,
)
from tests.serving.conftest import WAYS, Hold

BODY = rows(3)
GOOD = request(BODY)
LIVE = request(method="GET", target="/health/live")
REFUSED = request(b"{}")
INDEX = request(method="GET", target="/")
PLAIN = request(BODY, ORDINARY)
GARBAGE = b"\0garbage\r\n\r\n"

IMPATIENT = (
    *("--keep-alive-seconds", "1"),
    *("--head-timeout-seconds", "0.5"),
    *("--body-timeout-seconds", "1.5"),
    *("--write-timeout-seconds", "1"),
)


@pytest.fixture(scope="module")
def impatient_servers(start: Start) -> Iterator[dict[str, ServerProcess]]:
    """A server for each way to serve HTTP, that soon parts with slow clients."""
    with contextlib.ExitStack() as stack:
        yield {way: stack.enter_context(start("--http", way, *IMPATIENT)) for way in WAYS}


@pytest.fixture
def impatient(impatient_servers: dict[str, ServerProcess], way: str) -> ServerProcess:
    """One of them."""
    return impatient_servers[way]


def descriptors(server: ServerProcess) -> int:
    """How many files the server has open."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def closed(wire: Wire) -> bool:
    """Whether the server ends a connection, by whatever means, once all is read that it has sent."""
    with contextlib.suppress(ConnectionError):
        while wire.socket.recv(1 << 20):
            pass
    return True


def test_an_idle_connection_is_closed_without_a_word(impatient: ServerProcess) -> None:
    """Whether it was used before or not; and not before its time."""
    unused, used = Wire(impatient), Wire(impatient)
    began = time.monotonic()
    assert used.ask(GOOD).document == {"prediction": [label(3)]}
    assert used.ends()
    assert unused.ends()
    assert 1 <= time.monotonic() - began < AT_ONCE


DRIPS = {
    "blank-lines": (b"", b"\r\n", 0.5),
    "head": (b"", b"POST /predict HTTP/1.1\r\n" + b"X: x\r\n" * 10_000, 0.5),
    "body": (request(b"", length=1000), b" ", 1.5),
    "ordinary-body": (request(b"", ORDINARY, length=1000), b" ", 1.5),
    "chunks": (chunked(b"")[:-5], b"1\r\n \r\n", 1.5),
    "body-that-is-shorter-than-declared": (GOOD[:-1], b"", 1.5),
}
"""What a slow client sends first, what of it comes byte by byte then, and how long it may."""


def test_a_request_that_drips_in_is_given_up(impatient: ServerProcess) -> None:
    """408 some time after its first byte, however steadily the others come; answers before it are not harmed."""
    began = time.monotonic()
    dripping = {Wire(impatient): drip for drip in DRIPS.values()}
    for wire, (first, _, _) in dripping.items():
        assert wire.ask(GOOD + first).document == {"prediction": [label(3)]}
    for number in itertools.count():
        sockets = {wire.socket: wire for wire in dripping}
        for ready in select.select(sockets, (), (), 0.03)[0]:
            wire = sockets[ready]
            answer = wire.receive()
            assert (answer.status, answer.kind, answer.closes) == (408, "request-timeout", True)
            assert dripping.pop(wire)[2] <= time.monotonic() - began < AT_ONCE
            assert wire.ends()
        if not dripping:
            break
        for wire, (_, drops, _) in dripping.items():
            if drops:
                wire.send(drops[number % len(drops) :][:1])
    assert not dripping


def flood(wire: Wire, sent: bytes) -> None:
    """Send again and again, and read nothing, until nothing more is taken for a while, or the connection is cut."""
    wire.socket.settimeout(0.5)
    with contextlib.suppress(TimeoutError, ConnectionError):
        for _ in range(100_000):
            wire.send(sent * 20)
        raise AssertionError("the server takes whatever is sent to it")
    wire.socket.settimeout(PATIENCE)


def test_a_client_that_reads_nothing_is_cut_off(start: Start, way: str) -> None:
    """It is not read from when its answers pile up, others are served meanwhile, and then its connection is cut."""
    with start("--http", way, "--write-timeout-seconds", "1") as server:
        other = Client(server)
        assert other.predict(1).status == 200
        memory, files = server.peak_memory_mb(), descriptors(server)
        deaf = [Wire(server, receive_buffer=4096) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            flooding = [pool.submit(flood, deaf[0], REFUSED), pool.submit(flood, deaf[1], INDEX)]
            while not all(future.done() for future in flooding):
                assert other.predict(5).document == {"prediction": [label(5)]}
            assert [future.exception() for future in flooding] == [None, None]
        until(lambda: descriptors(server) == files)
        assert all(closed(wire) for wire in deaf)
        assert server.peak_memory_mb() - memory < 16


HALVES = {
    "hot": ([GOOD], [200]),
    "ordinary": ([PLAIN], [200]),
    "chunked": ([chunked(BODY)], [200]),
    "get": ([INDEX], [200]),
    "head-and-body": ([GOOD[:-5], GOOD[-5:]], [200]),
    "refused": ([REFUSED], [422]),
    "close": ([request(BODY, "Connection: close")], [200]),
    "http-1.0": ([request(BODY, version="1.0")], [200]),
    "many": ([(GOOD + PLAIN + LIVE) * 20], [200] * 60),
    "with-half-of-another": ([GOOD + PLAIN + GOOD[:-5]], [200, 200]),
    "with-half-a-head": ([PLAIN + GOOD + PLAIN[:40]], [200, 200]),
    "with-garbage": ([GOOD + GARBAGE], [200, 400]),
}
"""What a client sends before it says that it sends no more, and the statuses of its answers."""


@pytest.mark.parametrize("busy", [pytest.param(False, id="idle"), pytest.param(True, id="busy")])
@pytest.mark.parametrize("name", HALVES)
def test_a_client_that_sends_no_more_is_answered(server: ServerProcess, hold: Hold, name: str, busy: bool) -> None:
    """All that it has asked, and only then the server closes its side."""
    sent, statuses = HALVES[name]
    wires = [Wire(server) for _ in range(20)]
    with hold() if busy else contextlib.nullcontext():
        for wire in wires:
            wire.send(*sent)
            wire.socket.shutdown(socket.SHUT_WR)
    for wire in wires:
        answers = [wire.receive() for _ in statuses]
        assert [answer.status for answer in answers] == statuses
        assert wire.ends()


def test_a_client_that_sends_no_more_and_breaks_off_later_takes_its_rows_along(
    server: ServerProcess, hold: Hold
) -> None:
    """The end of what it sends and the end of the connection are told apart."""
    wires = [Wire(server) for _ in range(3)]
    with hold():
        for wire, sent in zip(wires, (GOOD, PLAIN, chunked(BODY)), strict=True):
            wire.send(sent)
            wire.socket.shutdown(socket.SHUT_WR)
        until(lambda: in_the_batcher(server) == (3, 1))
        for wire in wires:
            wire.reset()
        until(lambda: in_the_batcher(server) == (0, 1))


def test_a_client_that_closes_its_connection_takes_its_rows_along(server: ServerProcess, hold: Hold) -> None:
    """To the server it looks as if it sent no more, until it does not take the beginning of its answer."""
    with hold():
        cancelled = counted(server, "cancelled")
        gone, stays = [Wire(server) for _ in range(4)], [Wire(server) for _ in range(2)]
        for wire, sent in zip(gone + stays, (GOOD, PLAIN, chunked(BODY)) * 2, strict=True):
            wire.send(sent)
        until(lambda: in_the_batcher(server) == (6, 1))
        for wire in gone:
            wire.close()
        for wire in stays:
            wire.socket.shutdown(socket.SHUT_WR)
        until(lambda: in_the_batcher(server) == (2, 1))
        assert counted(server, "cancelled") == cancelled + 4
        for wire in stays:
            assert wire.socket.recv(100) == b"HTTP/1.1 ", "the beginning"
            wire.unread(b"HTTP/1.1 ")
    for wire in stays:
        answer = wire.receive()
        assert (answer.document["prediction"], answer.closes) == ([label(3)], True)
        assert wire.ends()


@pytest.mark.parametrize("sent", [b"", GOOD[:40], GOOD[:-5], chunked(BODY)[:-30], GARBAGE])
def test_half_a_connection_is_closed_at_once(server: ServerProcess, sent: bytes) -> None:
    """Whatever has come before."""
    wire = Wire(server)
    wire.send(sent)
    wire.socket.shutdown(socket.SHUT_WR)
    assert closed(wire)


@pytest.mark.parametrize("sent", [pytest.param(GOOD, id="hot"), pytest.param(PLAIN, id="ordinary")])
def test_the_rows_of_a_connection_that_breaks_off_leave_the_queue(
    server: ServerProcess, hold: Hold, sent: bytes
) -> None:
    """Before the engine gets to them, and they are counted as cancelled."""
    with hold():
        cancelled = counted(server, "cancelled")
        wires = [Wire(server) for _ in range(4)]
        for wire in wires:
            wire.send(sent)
        until(lambda: in_the_batcher(server) == (4, 1))
        for wire in wires[:3]:
            wire.reset()
        until(lambda: in_the_batcher(server) == (1, 1))
        assert counted(server, "cancelled") == cancelled + 3
    assert wires[3].receive().document["prediction"] == [label(3)]


@pytest.mark.parametrize("headers", [(), (ORDINARY,)], ids=["hot", "ordinary"])
def test_a_connection_that_breaks_off_while_it_is_computed_for(
    server: ServerProcess, gate: Gate, headers: tuple[str, ...]
) -> None:
    """The engine's answer is for nobody, and the next client's is its own."""
    cancelled, answered = counted(server, "cancelled"), counted(server, "answered")
    with gate:
        gone, stays = Wire(server), Wire(server)
        gone.send(request(rows(HELD), *headers))
        until(lambda: in_the_batcher(server) == (0, 1))
        gone.reset()
        until(lambda: counted(server, "cancelled") == cancelled + 1)
        stays.send(request(rows(6), *headers))
    assert stays.receive().document["prediction"] == [label(6)]
    assert counted(server, "answered") == answered + 1


def test_a_connection_that_breaks_off_with_requests_behind_others(server: ServerProcess, hold: Hold) -> None:
    """What has not had its turn never gets into the queue."""
    with hold():
        accepted = counted(server, "accepted")
        wires = [Wire(server) for _ in range(4)]
        for wire, sent in zip(wires, (GOOD, PLAIN, GOOD, PLAIN), strict=True):
            wire.send(sent + (GOOD + PLAIN) * 20 + GOOD[:50])
        until(lambda: in_the_batcher(server) == (4, 1))
        for wire in wires:
            wire.reset()
    until(lambda: in_the_batcher(server) == (0, 0))
    assert counted(server, "accepted") <= accepted + 8, "at most one more each, since a full connection is not read"


BREAKS: tuple[bytes, ...] = (
    b"",
    b"POST /pre",
    GOOD[:-5],
    chunked(BODY)[:-20],
    request(b"", "Expect: 100-continue", length=50),
    request(b" " * 100_000, length=200_000),
    request(b"{}", length=1 << 40),
    GOOD,
    PLAIN,
    REFUSED,
    request(BODY, "Connection: close"),
    request(BODY, "Upgrade: h2c", "Connection: upgrade")[:-5],
    GOOD * 5 + PLAIN * 5 + GOOD[:40],
    GARBAGE,
    GOOD + GARBAGE,
    request(BODY, "X-Long: " + "x" * 40_000),
)
"""What a client may have sent when it breaks off."""

DEPARTURES: tuple[Callable[[Wire], object], ...] = (
    Wire.reset,
    Wire.close,
    lambda wire: wire.socket.shutdown(socket.SHUT_WR),
    lambda wire: wire.socket.shutdown(socket.SHUT_RD),
)


def test_connections_that_break_off_leave_nothing_behind(
    start: Start, way: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Hundreds of them, in every way: no open file, no row in the queue, no word in the log."""
    with start("--http", way, gate=str(tmp_path / "gate")) as server:
        other = Client(server)
        assert other.predict(1).status == 200
        files = descriptors(server)
        for busy in (True, False, True):
            with contextlib.ExitStack() as stack:
                if busy:
                    stack.enter_context(Gate(tmp_path / "gate"))
                    Wire(server).send(request(rows(HELD)))
                    until(lambda: in_the_batcher(server)[1] == 1)
                for sent in BREAKS:
                    for depart in DEPARTURES:
                        wires = [Wire(server) for _ in range(3)]
                        for wire in wires:
                            wire.send(sent)
                            depart(wire)
            assert other.predict(2).document == {"prediction": [label(2)]}
            for wire in Wire.opened:
                wire.close()
            until(lambda: descriptors(server) <= files)
            assert in_the_batcher(server) == (0, 0)
    assert capfd.readouterr().err == ""


def test_whatever_is_read_is_answered_before_the_server_stops(start: Start, way: str, tmp_path: Path) -> None:
    """SIGTERM while the engine is busy: the queued and those behind them get their answers; half a request, none."""
    path = tmp_path / "gate"
    with start("--http", way, gate=str(path)) as server:
        busy, half, garbage = Wire(server), Wire(server), Wire(server)
        queued = [Wire(server) for _ in range(8)]
        behind = [Wire(server) for _ in range(4)]
        with Gate(path):
            busy.send(request(rows(HELD)))
            until(lambda: in_the_batcher(server) == (0, 1))
            for number, wire in enumerate(queued):
                wire.send(request(rows(number)))
            for wire, sent in zip(behind, (b"", GOOD[:40], GOOD[:-5], chunked(BODY)[:-20]), strict=True):
                wire.send(GOOD + PLAIN + REFUSED + GOOD + sent)
            garbage.send(GOOD + GARBAGE)
            half.send(GOOD[:-5])
            until(lambda: in_the_batcher(server) == (13, 1))
            server.process.send_signal(signal.SIGTERM)
            assert half.ends()  # now the server drains
        assert busy.receive().document == {"prediction": [label(HELD)]}
        for number, wire in enumerate(queued):
            answer = wire.receive()
            assert (answer.document, answer.closes) == ({"prediction": [label(number)]}, True)
            assert wire.ends()
        for wire in behind:
            answers = [wire.receive() for _ in range(4)]
            assert [answer.status for answer in answers] == [200, 200, 422, 200]
            assert [answer.closes for answer in answers] == [False, False, False, True]
            assert wire.ends()
        assert [garbage.receive().status, garbage.receive().status] == [200, 400]
        garbage.close()
        assert server.process.wait(timeout=AT_ONCE) == 0


def test_what_waits_when_the_time_to_drain_is_over_is_sent_away(start: Start, way: str, tmp_path: Path) -> None:
    """503 for the queued and for those behind them; what the engine has is still answered."""
    path = tmp_path / "gate"
    with start("--http", way, "--drain-timeout-seconds", "0.2", gate=str(path)) as server:
        busy, waiting = Wire(server), [Wire(server) for _ in range(3)]
        with Gate(path):
            busy.send(request(rows(HELD)) + GOOD)
            until(lambda: in_the_batcher(server) == (0, 1))
            for wire, sent in zip(waiting, (GOOD, PLAIN, GOOD + PLAIN), strict=True):
                wire.send(sent)
            until(lambda: in_the_batcher(server) == (3, 1))
            server.process.send_signal(signal.SIGTERM)
            for wire, number in zip(waiting, (1, 1, 2), strict=True):
                answers = [wire.receive() for _ in range(number)]
                assert {(answer.status, answer.kind) for answer in answers} == {(503, "draining")}
                assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
                assert wire.ends()
        assert busy.receive().document == {"prediction": [label(HELD)]}
        assert busy.receive().kind == "draining"
        assert busy.ends()
        assert server.process.wait(timeout=AT_ONCE) == 0


def test_a_client_that_stays_does_not_hold_up_the_drain(start: Start, way: str) -> None:
    """Who was sent away and does not go, or takes no answers, is cut off as at other times."""
    with start("--http", way, "--write-timeout-seconds", "1.5") as server:
        refused, deaf = Wire(server), Wire(server, receive_buffer=4096)
        flood(deaf, INDEX)
        assert refused.ask(GARBAGE).status == 400
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=AT_ONCE) == 0
