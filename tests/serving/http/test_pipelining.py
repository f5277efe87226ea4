"""Requests that do not wait for the answers to those before, in both ways of serving HTTP."""

import random
import threading
from collections.abc import Sequence
from functools import partial

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.support import (
    ORDINARY,
    Answer,
    Client,
    Wire,
    chunked,
    counted,
    in_the_batcher,
    label,
    request,
    rows,
    until,
)
from tests.serving.conftest import Hold

BODY = rows(3)
GOOD = request(BODY)
REFUSED = request(b"{}")
GARBAGE = b"\0garbage\r\n\r\n"
LABELS = {"prediction": [label(3)]}
LIVE = {"status": "live"}

KINDS: dict[str, tuple[bytes, int, object]] = {
    "hot": (GOOD, 200, LABELS),
    "hot-refused": (REFUSED, 422, "invalid-row"),
    "live": (request(method="GET", target="/health/live"), 200, LIVE),
    "ordinary": (request(BODY, ORDINARY), 200, LABELS),
    "query": (request(BODY, target="/predict?probabilities=false"), 200, LABELS),
    "chunked": (chunked(BODY), 200, LABELS),
    "charset": (request(BODY, content_type="application/json; charset=utf-8"), 200, LABELS),
    "upgrade": (request(BODY, "Upgrade: h2c", "Connection: upgrade"), 200, LABELS),
    "wrong-type": (request(BODY, content_type="text/csv"), 415, "unsupported-media-type"),
    "wrong-path": (request(method="GET", target="/nowhere"), 404, "not-found"),
    "wrong-method": (request(method="GET"), 405, "method-not-allowed"),
    "bad-parameter": (request(BODY, "Canopy-Deadline-Ms: never"), 400, "bad-parameter"),
}
"""Kinds of requests with their statuses, and their documents or the kinds of their problems."""


def mixture(number: int) -> list[str]:
    """Many kinds in no order, the same each time."""
    return random.Random(7).choices(list(KINDS), k=number)  # noqa: S311 - no secret


def expect(answer: Answer, kind: str) -> None:
    """Hold an answer against what a kind of request gets."""
    _, status, content = KINDS[kind]
    assert answer.status == status, kind
    assert (answer.document if status == 200 else answer.kind) == content
    assert not answer.closes


def waiting(server: ServerProcess, number: int) -> bool:
    """Whether so many requests of one row wait for an engine that is busy."""
    return in_the_batcher(server) == (number, 1)


def send_and_expect(wire: Wire, kinds: Sequence[str]) -> None:
    """Send requests in one go, and then read their answers."""
    wire.send(b"".join(KINDS[kind][0] for kind in kinds))
    for kind in kinds:
        expect(wire.receive(), kind)


def test_requests_of_all_kinds_are_answered_in_order(server: ServerProcess) -> None:
    """Each kind comes behind each other one, all in one send."""
    wire = Wire(server)
    for first in KINDS:
        send_and_expect(wire, [kind for second in KINDS for kind in (first, second)])


def test_answers_keep_their_order_while_the_engine_is_busy(server: ServerProcess, hold: Hold) -> None:
    """What could be answered at once waits for its turn, and only one request of a connection is queued."""
    wires = [Wire(server) for _ in range(3)]
    kinds = ["hot", "live", "hot", "hot-refused", "query", "wrong-path", "chunked", "hot"]
    with hold():
        for wire in wires:
            wire.send(b"".join(KINDS[kind][0] for kind in kinds))
        until(partial(waiting, server, len(wires)))
    for wire in wires:
        for kind in kinds:
            expect(wire.receive(), kind)
        send_and_expect(wire, ["hot"])


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param(["hot"] * 500, id="hot"),
        pytest.param(["hot", *["hot-refused"] * 500], id="refused-behind-a-good-one"),
        pytest.param(["live"] * 500, id="ordinary"),
        pytest.param(["upgrade"] * 500, id="upgrades"),
        pytest.param(mixture(500), id="mixed"),
    ],
)
def test_five_hundred_requests_in_one_send(server: ServerProcess, kinds: list[str]) -> None:
    """All are answered, in order, and the connection lives on."""
    wire = Wire(server)
    send_and_expect(wire, kinds)
    send_and_expect(wire, ["hot"])


def test_a_request_behind_others_may_come_in_pieces(server: ServerProcess, hold: Hold) -> None:
    """While those before wait for the engine, it is read; cut anywhere, it gets its answer."""
    for kind in ("hot", "chunked"):
        sent = KINDS[kind][0]
        wires = []
        with hold():
            for cut in range(0, len(sent), 7):
                wire = Wire(server)
                wire.send(KINDS["query"][0] + sent[:cut], sent[cut:])
                wires.append(wire)
            until(partial(waiting, server, len(wires)))
        for wire in wires:
            expect(wire.receive(), "query")
            expect(wire.receive(), kind)


@pytest.mark.parametrize("before", [pytest.param(0, id="first"), pytest.param(1, id="second")])
def test_nothing_behind_the_last_request_is_answered(server: ServerProcess, before: int) -> None:
    """`Connection: close` ends it, with what came behind it unanswered and not even queued."""
    for body in (BODY, b"{}"):
        for behind in (GOOD, REFUSED, KINDS["live"][0], GARBAGE):
            accepted = counted(server, "accepted")
            wire = Wire(server)
            wire.send(GOOD * before + request(body, "Connection: close") + behind * 3)
            for _ in range(before):
                expect(wire.receive(), "hot")
            assert wire.receive().closes
            assert wire.ends()
            assert counted(server, "accepted") == accepted + before + (body == BODY)


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_behind_good_requests_does_not_harm_them(server: ServerProcess, kind: str) -> None:
    """First come the answers, then a 400, then the end."""
    wire = Wire(server)
    wire.send(KINDS[kind][0] * 3 + GARBAGE)
    for _ in range(3):
        expect(wire.receive(), kind)
    answer = wire.receive()
    assert (answer.status, answer.kind, answer.closes) == (400, "malformed-request", True)
    assert wire.ends()


@pytest.mark.parametrize(
    "unfinished",
    [
        pytest.param(GOOD[:60], id="head"),
        pytest.param(GOOD[:-5], id="body"),
        pytest.param(chunked(BODY)[:-40], id="chunk"),
    ],
)
def test_a_long_head_behind_good_requests_does_not_harm_them(
    server: ServerProcess, hold: Hold, unfinished: bytes
) -> None:
    """Likewise, while the engine is busy, and whatever comes behind it."""
    wire = Wire(server)
    with hold():
        wire.send(GOOD + KINDS["live"][0] + request(BODY, "X-Long: " + "x" * 40_000) + unfinished)
        until(partial(waiting, server, 1))
    expect(wire.receive(), "hot")
    expect(wire.receive(), "live")
    assert wire.receive().kind == "head-too-large"
    assert wire.ends()


def test_a_fault_in_a_body_behind_good_requests_is_answered_last(server: ServerProcess, hold: Hold) -> None:
    """The request with the faulty body gets no answer but the 400."""
    wire = Wire(server)
    with hold():
        wire.send(GOOD + chunked(BODY).replace(b"14\r\n", b"zz\r\n", 1))
        until(partial(waiting, server, 1))
    expect(wire.receive(), "hot")
    assert wire.receive().kind == "malformed-request"
    assert wire.ends()


def pour(wire: Wire, sent: bytes) -> threading.Thread:
    """Send from another thread, since the server may not read all of it before its answers are read."""
    thread = threading.Thread(target=wire.send, args=[sent])
    thread.start()
    return thread


def test_a_client_may_read_late(start: Start, way: str) -> None:
    """Thousands of requests of all kinds wait in the sockets, not in the server's memory, and all are answered."""
    kinds = ["hot-refused"] * 5000 + mixture(500)
    with start("--http", way) as server:
        Client(server).predict(1)
        before = server.peak_memory_mb()
        wire = Wire(server, receive_buffer=4096)
        sending = pour(wire, b"".join(KINDS[kind][0] for kind in kinds))
        for _ in range(20):
            assert Client(server).predict(4).document == {"prediction": [label(4)]}, "others are served meanwhile"
        for kind in kinds:
            expect(wire.receive(), kind)
        sending.join()
        assert server.peak_memory_mb() - before < 8


def test_a_client_may_send_faster_than_it_is_answered(start: Start, way: str) -> None:
    """It is read from no faster than it can be answered, though it takes all its answers."""
    with start("--http", way) as server:
        Client(server).predict(1)
        before = server.peak_memory_mb()
        wire = Wire(server)
        sending = pour(wire, REFUSED * 5000)
        for _ in range(5000):
            expect(wire.receive(), "hot-refused")
        sending.join()
        assert server.peak_memory_mb() - before < 8
