"""What a server did between two looks at its statistics."""

import math
from dataclasses import replace

import pytest

from loadtest.reports.activity import Snapshot, between, read
from tests.conftest import Start
from tests.helpers.support import Client

LOOK = Snapshot(
    at=100,
    cpu_seconds=5,
    memory_mb=50,
    connections=3,
    queued_rows=0,
    answered=1000,
    shed=7,
    batches=10,
    batched_rows=1000,
    batch_sizes={1.0: 4, 128.0: 6, None: 0},
    waits=1000,
    wait_seconds=2,
)


def test_what_a_server_did_is_what_has_grown() -> None:
    """Per second, per request and per batch, whatever there was before."""
    grown = {1.0: 4, 128.0: 8, None: 1}
    later = replace(LOOK, at=102, cpu_seconds=6, answered=1500, shed=9, batches=13, batched_rows=1900)
    did = between(LOOK, replace(later, batch_sizes=grown, waits=1500, wait_seconds=3))
    assert did is not None
    assert (did.rate, did.shed_rate, did.cpu) == (250, 1, 0.5)
    assert did.cpu_us == pytest.approx(2000)
    assert did.rows_per_batch == 300
    assert did.batch_sizes == [(128.0, 2), (None, 1)]
    assert did.wait_ms == pytest.approx(2)


def test_of_a_server_that_did_nothing_there_is_nothing_to_say_per_request() -> None:
    """It has used some CPU, but for no request."""
    did = between(LOOK, replace(LOOK, at=101, cpu_seconds=5.25))
    assert did is not None
    assert (did.rate, did.cpu, did.batch_sizes) == (0, 0.25, [])
    assert (did.cpu_us, did.rows_per_batch, did.wait_ms) == (None, None, None)


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(replace(LOOK, at=105, answered=3, cpu_seconds=1), id="started anew"),
        pytest.param(LOOK, id="the same moment"),
    ],
)
def test_two_looks_that_belong_to_nothing_tell_nothing(later: Snapshot) -> None:
    """A server that was started anew counts from zero."""
    assert between(LOOK, later) is None


def test_a_real_server_is_understood(start: Start) -> None:
    """What it answers at /stats holds every figure, and they fit what was asked."""
    with start() as server:
        client = Client(server)
        before = read(server.get("/stats"))
        for _ in range(20):
            client.predict(1.0)
        after = read(server.get("/stats"))
    did = between(before, after)
    assert did is not None
    assert after.answered == 20
    assert sum(count for _, count in did.batch_sizes) == after.batches - before.batches > 0
    assert did.rows_per_batch == 20 / after.batches
    assert did.cpu_us is not None
    assert 0 < did.cpu_us < 100_000
    assert did.wait_ms is not None
    assert math.isfinite(did.wait_ms)
    assert after.memory_mb > 10
    assert after.connections >= 1


@pytest.mark.parametrize("document", [{}, {"batcher": {}}, {"batcher": 1, "queue_wait_seconds": 1, "workers": 1}])
def test_a_strangers_statistics_are_an_error(document: dict[str, object]) -> None:
    """They are not taken for a server that does nothing."""
    with pytest.raises((LookupError, TypeError)):
        read(document)
