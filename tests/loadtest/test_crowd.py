"""A crowd, a server within limits, and what comes out."""

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from loadtest import crowd
from loadtest.locust.generator import Crowd, CrowdMeasurement, read
from loadtest.system.budget import Usage
from loadtest.system.netstat import AcceptQueue
from loadtest.system.process import ServerProcess
from tests.conftest import Store, stub_serving
from tests.loadtest.system.test_budget import needs_groups

QUICK = ["--users", "30", "--rate", "100", "--time", "2", "--processes", "1"]


@pytest.fixture
def stub_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command start the stand-in, which needs no model."""
    monkeypatch.setattr(crowd, "serving", stub_serving)


@needs_groups
@pytest.mark.slow
def test_a_server_within_limits_answers_a_crowd(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real server, limited to a half of a core and 256 MiB, with no failure; every figure is printed and kept."""
    out = tmp_path / "figures.json"
    options = ["--cpu", "0.5", "--memory", "256", "--json", str(out), "--", "--tracking-uri", store.tracking_uri]
    assert crowd.main([*QUICK, *options]) == 0
    table = capsys.readouterr().out
    assert "BestModelRF/1" in table
    assert "CPU: limit 0.5, used 0." in table
    assert "memory: limit 256 MiB, peak " in table
    figures = json.loads(out.read_text())
    assert figures["measured"]["users"] == 30
    assert figures["measured"]["whole"]["failures"] == 0
    assert figures["measured"]["whole"]["requests"] >= 30
    assert 0 < figures["usage"]["cpu_seconds"] < 0.6 * figures["usage"]["seconds"]
    assert figures["refused"].keys() == {"overflows", "drops"}  # of all servers of this machine
    assert figures["status"] is None


@needs_groups
def test_a_server_that_does_not_fit_is_no_run(
    stub_instead: None,  # noqa: ARG001 - asked for its effect
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A limit below what the server holds at rest is said to be that."""
    assert crowd.main([*QUICK, "--memory", "8"]) == 2
    assert "8 MiB are less than the server holds at rest" in capsys.readouterr().err


@needs_groups
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this needs two cores")
def test_server_and_crowd_are_pinned_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are cores enough: all of the server's processes on its own, and Locust on the others."""
    one, other = sorted(os.sched_getaffinity(0))[:2]
    ran_on: dict[str, set[int]] = {}

    def start(options: Sequence[str], **how: Any) -> AbstractContextManager[ServerProcess]:  # noqa: ANN401
        ran_on["server"] = os.sched_getaffinity(0)
        return stub_serving(options, **how)

    def ask(_: Crowd) -> CrowdMeasurement:
        ran_on["crowd"] = os.sched_getaffinity(0)
        return read({"users": 0, "failures": {}, "stages": {}})

    before = os.sched_getaffinity(0)
    monkeypatch.setattr(crowd, "apart", lambda server, load: ({one}, {other}) if (server, load) == (1, 3) else None)
    monkeypatch.setattr(crowd, "serving", start)
    monkeypatch.setattr(crowd, "measure", ask)
    outcome = crowd.visit(Crowd("", users=1, rate=1, processes=3), 0.5, 200)
    assert ran_on == {"server": {one}, "crowd": {other}}
    assert os.sched_getaffinity(0) == before
    assert not outcome.passed


@pytest.mark.parametrize(
    ("stages", "status", "passed"),
    [
        pytest.param({"requests": 10, "failures": 0}, None, True, id="all answered"),
        pytest.param({"requests": 10, "failures": 1}, None, False, id="a failure"),
        pytest.param({"requests": 0, "failures": 0}, None, False, id="nothing asked"),
        pytest.param({"requests": 10, "failures": 0}, -9, False, id="the server is dead"),
    ],
)
def test_only_a_run_without_any_failure_passes(stages: dict[str, int], status: int | None, *, passed: bool) -> None:
    """And only if there was a run, and the server lived to its end."""
    entry = {
        "num_requests": stages["requests"],
        "num_failures": stages["failures"],
        "total_response_time": 10,
        "max_response_time": 3,
        "response_times": {"1": stages["requests"]},
        "num_reqs_per_sec": {},
    }
    measured = read({"users": 1, "failures": {"broken": 1}, "stages": {"/predict": entry}})
    outcome = crowd.Outcome("BestModelRF/7", measured, Usage(1, 1, 10, 5, 0.5, None, 1), AcceptQueue(2, 3), status)
    assert outcome.passed is passed
    text = crowd.table(outcome, 0.25, 256)
    assert "throttled in 50% of 10 periods" in text
    assert "peak unknown, out-of-memory kills 1" in text
    assert "overflows 2, drops 3" in text
    assert ("the server ended with status -9" in text) is (status is not None)
    assert "1 x broken" in text
