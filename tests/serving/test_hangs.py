"""Where the model computes, and what happens if it does not return."""

from pathlib import Path

import pytest

from tests.conftest import Start
from tests.helpers.stub_server import HELD
from tests.helpers.support import Gate, Wire, label, request, rows, until


def test_a_call_that_hangs_fails_alone_and_is_owned_up_to(start: Start, way: str, tmp_path: Path) -> None:
    """Its requests get 500, others 503 at once, readiness says why; and all is well when the call returns."""
    gate = tmp_path / "gate"
    with start("--http", way, "--hang-timeout-seconds", "2", gate=str(gate)) as server:
        wire, other = Wire(server), Wire(server)
        with Gate(gate):
            wire.send(request(rows(HELD)))
            until(lambda: server.get("/stats")["batcher"]["running_rows"] == 1)
            other.send(request(rows(3)))
            answer = wire.receive()
            assert (answer.status, answer.kind) == (500, "inference-failed")
            answer = other.receive()
            assert (answer.status, answer.kind) == (503, "engine-stuck")
            answer = wire.ask(request(rows(3)))
            assert (answer.status, answer.kind) == (503, "engine-stuck")
            assert answer.headers["retry-after"] == "1"
            ready = wire.ask(request(method="GET", target="/health/ready"))
            assert (ready.status, ready.document["status"]) == (503, "stuck")
            assert wire.ask(request(method="GET", target="/health/live")).status == 200
        until(lambda: wire.ask(request(method="GET", target="/health/ready")).status == 200)
        assert wire.ask(request(rows(3))).document == {"prediction": [label(3)]}


@pytest.mark.parametrize(
    ("option", "expected"),
    [pytest.param("inline", "MainThread", id="inline"), pytest.param("thread", "inference_0", id="thread")],
)
def test_where_the_model_computes_can_be_chosen(start: Start, tmp_path: Path, option: str, expected: str) -> None:
    """Whatever engine it is: on the event loop, or in a thread beside it."""
    threads = tmp_path / "threads"
    with start("--inference", option, threads=str(threads)) as server:
        threads.unlink()  # of the warm-up
        assert Wire(server).ask(request(rows(3))).status == 200
    assert threads.read_text().split() == [expected]
