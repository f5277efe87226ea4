"""The churn finds what a server keeps, and who was answered wrongly."""

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from loadtest.churn import IMPATIENT, at_rest, churn, duration, faults, main
from loadtest.generators.closed_loop import encode_request
from loadtest.generators.departures import WAYS
from loadtest.generators.mixed_crowd import CrowdTally, MixedCrowd, learn
from loadtest.system.footprint import Footprint, footprint
from tests.conftest import Start, Store
from tests.helpers.stub_server import HELD
from tests.helpers.support import Wire, in_the_batcher, request, rows, until

ROW = [3000.0, *[1.0] * 9, 0.0, 0.0]
REST = Footprint(memory_mb=50, descriptors=10, queued=0)


def test_a_server_that_lets_everybody_go_has_no_fault(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """Clients leave in every way, good requests are answered, and everything comes back."""
    with start(*IMPATIENT) as server:
        found = asyncio.run(churn(server, 2, bad=2 * len(WAYS), good=4, seed=1, allowed_mb=64))
    assert found == []
    table = capsys.readouterr().out
    for way in ("closes at once", "half a head", "half a body", "resets", "pipelines and closes", "garbage"):
        count = next(line for line in table.splitlines() if line.endswith(f" x {way}")).split()[0]
        assert int(count) > 0, way


def test_somebody_elses_answer_is_a_failure(start: Start) -> None:
    """An answer of status 200 counts only if it is the one that the quiet server gave."""
    with start(*IMPATIENT) as server:
        sent = encode_request(server.host, ROW)
        truth = asyncio.run(learn(server, [sent]))
        tally = CrowdTally()
        draw = Random(0)  # noqa: S311 - no secrets
        asyncio.run(MixedCrowd(server, truth, bad=0, good=1, draw=draw).run(0.2, tally))
        assert tally.answered > 0
        assert not tally.failures
        asyncio.run(MixedCrowd(server, {sent: b"{}"}, bad=0, good=1, draw=draw).run(0.2, tally))
    assert tally.failures["somebody else's answer"] > 0


@pytest.mark.parametrize(
    ("after", "tally", "part"),
    [
        pytest.param(Footprint(50, 11, 0), CrowdTally(answered=1), "1 descriptors", id="descriptors"),
        pytest.param(Footprint(50, 10, 2), CrowdTally(answered=1), "2 requests are still queued", id="queue"),
        pytest.param(Footprint(59, 10, 0), CrowdTally(answered=1), "grew by 9.0 MB", id="memory"),
        pytest.param(REST, CrowdTally(), "no good request", id="no-answer"),
        pytest.param(
            REST, CrowdTally(1, Counter({"status 503": 3})), "3 good requests failed: status 503", id="failed"
        ),
        pytest.param(REST, CrowdTally(1, stayed=Counter({"garbage": 2})), "2 connections were left open", id="stayed"),
    ],
)
def test_each_fault_is_told(after: Footprint, tally: CrowdTally, part: str) -> None:
    """Whatever did not come back, or went wrong meanwhile, is a sentence of its own."""
    (fault,) = faults(REST, after, descriptors=10, allowed_mb=8, tally=tally)
    assert part in fault


def test_a_churn_without_a_fault_has_none() -> None:
    """Growth within the bound is allowed."""
    assert faults(REST, Footprint(57.9, 9, 0), descriptors=10, allowed_mb=8, tally=CrowdTally(answered=1)) == []


def test_a_footprint_counts_open_connections(start: Start, tmp_path: Path) -> None:
    """Each connection is a descriptor more, each waiting request is queued, and the memory is that of a process."""
    gate = tmp_path / "gate"
    gate.touch()
    with start(gate=str(gate)) as server:
        before = asyncio.run(at_rest(server))
        wires = [Wire(server) for _ in range(3)]
        for wire in wires:
            wire.send(request(rows(HELD)))
            until(lambda: in_the_batcher(server)[1] == 1)
        until(lambda: footprint(server).queued == 2)
        assert asyncio.run(at_rest(server)) == before + 3
        assert 20 < footprint(server).memory_mb < 1000
        gate.unlink()


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_a_time_may_have_a_unit(text: str, seconds: float) -> None:
    """Seconds, minutes or hours; seconds if it has none."""
    assert duration(text) == seconds


@pytest.mark.slow
def test_the_real_server_lets_everybody_go(store: Store) -> None:
    """The command ends with status 0 on the registered forest."""
    options = ["--time", "20s", "--clients", "56", "--allowed-mb", "32", "--", "--tracking-uri", store.tracking_uri]
    assert main(options) == 0
