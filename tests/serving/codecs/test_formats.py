"""What holds for every format: right answers beside each other, and what happens when there is none."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.formats import FORMATS, Format
from tests.helpers.stub_server import HELD, RAISES
from tests.helpers.support import ORDINARY, Gate, Wire, counted, in_the_batcher, label, request, rows, until
from tests.serving.conftest import Hold

EACH = [pytest.param(each, id=name) for name, each in FORMATS.items()]
BATCH = re.compile(r'rows;desc="(\d+)"')


@pytest.mark.parametrize("sent", EACH)
def test_every_format_has_the_right_answers(server: ServerProcess, sent: Format) -> None:
    """Of one row, of several, and again when the head is known; the hot way and the ordinary one."""
    wire = Wire(server)
    for headers in ((), (), (ORDINARY,)):
        for elevations in ([3.0], [3.0, 4.0, 12.0]):
            answer = wire.ask(sent.request(*elevations, headers=headers))
            assert (answer.status, sent.labels(answer)) == (200, [label(each) for each in elevations])
            assert answer.headers["canopy-model"] == "BestModelRF/7"


@pytest.mark.parametrize("sent", EACH)
def test_every_format_goes_the_hot_way(hot_only: ServerProcess, sent: Format) -> None:
    """What is odd about a request sends it the other one, which is forbidden here."""
    wire = Wire(hot_only)
    assert [wire.ask(sent.request(3)).status for _ in range(3)] == [200] * 3
    assert wire.ask(sent.request(3, headers=(ORDINARY,))).status == 403


@pytest.fixture(scope="module")
def hot_only(start: Start) -> Iterator[ServerProcess]:
    """A server in which no request for a prediction goes through Starlette."""
    with start(hot_only=True) as server:
        yield server


def test_one_batch_has_rows_of_every_format(server: ServerProcess, hold: Hold) -> None:
    """Each caller gets its own answers, and the timing of each tells of the same call."""
    asked = [(each, Wire(server), [10.0 * n + k for k in range(1 + n % 3)]) for n, each in enumerate(FORMATS.values())]
    with hold():
        for sent, wire, elevations in asked:
            wire.send(sent.request(*elevations, headers=("Canopy-Timing: true",)))
        total = sum(len(elevations) for *_, elevations in asked)
        until(lambda: in_the_batcher(server)[0] == total)
    for sent, wire, elevations in asked:
        answer = wire.receive()
        assert (answer.status, sent.labels(answer)) == (200, [label(each) for each in elevations])
        found = BATCH.search(answer.headers["server-timing"])
        assert found is not None
        assert int(found[1]) == total


@pytest.mark.parametrize("sent", EACH)
def test_deadlines_hold_on_every_format(server: ServerProcess, hold: Hold, sent: Format) -> None:
    """A request that has waited for long enough is told so."""
    wire = Wire(server)
    with hold():
        wire.send(sent.request(3, headers=("Canopy-Deadline-Ms: 50",)))
        assert wire.receive().status in {503, 504}  # at once, if calls were seen to take as long


@pytest.mark.parametrize("sent", EACH)
def test_who_hangs_up_leaves_the_queue(server: ServerProcess, hold: Hold, sent: Format) -> None:
    """The rows are not computed."""
    wire = Wire(server)
    cancelled = counted(server, "cancelled")
    with hold():
        wire.send(sent.request(3, 4))
        until(lambda: in_the_batcher(server)[0] == 2)
        wire.reset()
        until(lambda: in_the_batcher(server)[0] == 0)
    assert counted(server, "cancelled") == cancelled + 1


@pytest.mark.parametrize("sent", EACH)
def test_a_row_on_which_the_model_fails_harms_no_neighbour(hot_only: ServerProcess, sent: Format) -> None:
    """It fails by itself, in words of its format."""
    good, bad, other = Wire(hot_only), Wire(hot_only), Wire(hot_only)
    good.send(sent.request(3))
    bad.send(sent.request(RAISES))
    other.send(FORMATS["predict"].request(4))
    assert sent.labels(good.receive()) == [label(3)]
    assert bad.receive().status == 500
    assert FORMATS["predict"].labels(other.receive()) == [label(4)]


@pytest.mark.parametrize("sent", EACH)
def test_a_body_that_breaks_the_schema_is_refused(server: ServerProcess, sent: Format) -> None:
    """By the path of the fault, in the format's own words, and the connection goes on."""
    wire = Wire(server)
    bad = [1.0] * 10 + [0.0, 0.0]
    bad[0] = 1e39
    for headers in ((), (ORDINARY,)):
        answer = wire.ask(sent.of([(3.0, *bad[1:]), tuple(bad)], *headers))
        assert answer.status == sent.invalid
        said = json.loads(answer.body)
        detail = said.get("detail") or said.get("error") or said.get("message")
        assert re.match(r"\$\.|line 3, column 1: ", detail), detail
    assert wire.ask(sent.request(3)).status == 200


def test_overload_and_drain_are_told_by_every_format(start: Start, tmp_path_factory: pytest.TempPathFactory) -> None:
    """503 with Retry-After for what does not fit the queue; and what was accepted is answered after SIGTERM."""
    path = tmp_path_factory.mktemp("gate") / "gate"
    limit = 2 * len(FORMATS)
    with start("--max-queue-rows", str(limit), gate=str(path)) as server:
        held = Wire(server)
        waiting = [(sent, Wire(server)) for sent in FORMATS.values()]
        with Gate(path):
            held.send(request(rows(HELD)))
            until(lambda: in_the_batcher(server) == (0, 1))
            for sent, wire in waiting:
                wire.send(sent.request(3, 4))
            until(lambda: in_the_batcher(server)[0] == limit)
            for sent in FORMATS.values():
                answer = Wire(server).ask(sent.request(3))
                assert answer.status == 503
                assert int(answer.headers["retry-after"]) >= 1
            server.process.terminate()
        for sent, wire in waiting:
            answer = wire.receive()
            assert (answer.status, sent.labels(answer)) == (200, [label(3), label(4)])


def test_a_crowd_of_every_format_gets_its_own_answers(server: ServerProcess) -> None:
    """Many at once, as they come."""

    def ask(number: int) -> bool:
        wire = Wire(server)
        kinds = list(FORMATS.values())
        for turn in range(20):
            sent = kinds[(number + turn) % len(kinds)]
            elevations = [float(number * 100 + turn + each) for each in range(1 + turn % 4)]
            if sent.labels(wire.ask(sent.request(*elevations))) != [label(each) for each in elevations]:
                return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(32)))
