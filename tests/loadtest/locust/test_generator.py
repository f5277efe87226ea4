"""Locust runs as a process of its own, and its result is read."""

import json
import math
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataset import Covertype
from loadtest.locust.generator import Crowd, measure, percentile, read
from loadtest.system.machine import allow_connections
from loadtest.system.process import ServerProcess
from tests.conftest import ROOT, Start
from tests.helpers.support import counted, label


def entry(**figures: object) -> dict[str, Any]:
    """What the locustfile writes of a stage."""
    return {
        "num_requests": 4,
        "num_failures": 1,
        "total_response_time": 400.0,
        "max_response_time": 251.3,
        "response_times": {"10": 2, "130": 1, "250": 1},
        "num_reqs_per_sec": {"100": 1, "101": 2, "102": 1},
    } | figures


def crowd(server: ServerProcess, **told: Any) -> Crowd:  # noqa: ANN401
    """A short visit of a few."""
    few = Crowd(f"http://{server.host}:{server.port}", users=20, rate=100, time="2")
    return replace(few, **told)


def labels_file(path: Path, sample: Covertype, labels: list[int]) -> str:
    """A file as training logs it."""
    path.write_text(json.dumps({"sample_sha256": sample.digest, "labels": labels}))
    return str(path)


def test_stages_are_joined_and_told_apart() -> None:
    """The whole run is all requests; the part after the ramp has its own, and the rate of all answers meanwhile."""
    joining = entry(num_requests=2, num_failures=0, total_response_time=2000.0, max_response_time=1500.4)
    joining |= {"response_times": {"500": 1, "1500": 1}, "num_reqs_per_sec": {"98": 1, "101": 1}}
    document = {
        "users": 7,
        "failures": {"status 503": 1},
        "stages": {"/predict while users join": joining, "/predict": entry()},
    }
    measured = read(document)
    assert (measured.users, measured.reasons) == (7, {"status 503": 1})
    whole, gathered = measured.whole, measured.gathered
    assert (whole.requests, whole.failures, whole.mean, whole.max) == (6, 1, 400.0, 1500.4)
    assert (whole.median, whole.p95, whole.p99) == (130, 1500, 1500)
    assert whole.seconds == 5
    assert whole.rate == pytest.approx(4 / 3)
    assert gathered is not None
    assert (gathered.requests, gathered.failures, gathered.mean, gathered.max) == (4, 1, 100.0, 251.3)
    assert gathered.rate == 3


def test_nothing_measured_is_not_a_good_result() -> None:
    """Without requests there are no latencies."""
    measured = read({"users": 0, "failures": {}, "stages": {}})
    assert measured.whole.requests == 0
    assert math.isnan(measured.whole.p99)
    assert math.isnan(measured.whole.max)
    assert measured.gathered is None


@pytest.mark.parametrize(
    ("part", "value"),
    [(0.5, 1), (0.9, 1), (0.91, 20), (0.99, 20), (0.991, 300), (1, 300)],
)
def test_a_percentile_is_reached_by_its_part(part: float, value: float) -> None:
    """The least value that so many do not exceed."""
    assert percentile({300: 1, 1: 90, 20: 9}, part) == value


def test_more_connections_than_files_are_refused() -> None:
    """It is said before the run what the system does not allow."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        with pytest.raises(RuntimeError, match=r"open files; the limit is \d+"):
            allow_connections(1 << 40)
        allow_connections(1)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_wrong_labels_are_failures(start: Start, sample: Covertype, tmp_path: Path) -> None:
    """A model whose answers are not those that training logged fails every request, although each is answered 200."""
    wrong = labels_file(tmp_path / "wrong.json", sample, [1 + label(row[0]) % 7 for row in sample.rows.tolist()])
    with start() as server:
        measured = measure(crowd(server, profile="CoverUser", time="1"), "--expected", wrong)
    assert measured.whole.failures == measured.whole.requests > 0
    assert measured.reasons == {"not the expected label": measured.whole.failures}


def test_the_last_answers_are_waited_for(start: Start) -> None:
    """What was asked before the end, and is answered long after it, is in the result."""
    with start("--batching", "off", fixed=2) as server:
        measured = measure(crowd(server, users=2, time="1"))
        accepted = counted(server, "accepted")
    assert measured.whole.requests == accepted >= 1
    assert measured.whole.failures == 0
    assert measured.whole.max >= 2000


@pytest.mark.slow
def test_late_reports_are_waited_for(start: Start, tmp_path: Path) -> None:
    """However long a generator process takes to report, as on a busy machine, all that it saw is in the result."""
    late = tmp_path / "late.py"
    late.write_text(
        """
import gevent
from locust import runners

told = runners.WorkerRunner._send_stats
def report(self):
    while True:
        gevent.sleep(8)
        told(self)
runners.WorkerRunner.stats_reporter = report
runners.WorkerRunner._send_stats = lambda self: None  # not when it is told to quit either
"""
    )
    with start() as server:
        both = f"{ROOT / 'loadtest' / 'locustfile.py'},{late}"
        measured = measure(crowd(server, processes=2), "-f", both)
        answered = counted(server, "answered")
    assert measured.whole.requests == answered >= 20
    assert measured.reasons == {}


def test_refusals_are_failures(start: Start) -> None:
    """The reference's users, too, take nothing but a label for an answer."""
    with start("--max-queue-rows", "1", fixed=0.2) as server:
        measured = measure(crowd(server, time="1"))
    assert measured.reasons["status 503"] > 0


def test_a_run_that_cannot_be_is_an_error(start: Start) -> None:
    """No result is no success."""
    with start() as server, pytest.raises(RuntimeError, match="without a result"):
        measure(crowd(server, shape="pyramid"))
