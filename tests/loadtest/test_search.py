"""The answer to the resource question."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest import ceiling, crowd, search
from loadtest.crowd import Outcome
from loadtest.locust.generator import Crowd, CrowdMeasurement, Figures
from loadtest.searching import attempt
from loadtest.searching.attempt import Attempts, judge
from loadtest.system.budget import DoesNotFit, Usage
from loadtest.system.cgroup import NoControlGroups
from loadtest.system.netstat import AcceptQueue
from tests.conftest import stub_serving
from tests.loadtest.system.test_budget import needs_groups

GOOD = Figures(1000, 60, 16.0, 0, 120.5, 100, 200, 300, 450.4)
FEW = Crowd("", users=10, rate=50, time="1")
QUICK = ["--users", "30", "--cpu", "0.1", "0.5", "0.1", "--memory", "40", "100", "10"]


def outcome(whole: Figures = GOOD, *, oom_kills: int = 0, status: int | None = None) -> Outcome:
    """What a run showed."""
    usage = Usage(60, 10, 600, 300, 20, 64.2, oom_kills)
    return Outcome("BestModelRF/1", CrowdMeasurement(30, whole, whole, {}), usage, AcceptQueue(0, 0), status)


@pytest.mark.parametrize(
    ("shown", "p95", "passed", "said"),
    [
        pytest.param(outcome(), None, True, "16 requests/s, p95 200 ms, peak memory 64 MB", id="all answered"),
        pytest.param(outcome(), 200, True, "peak memory", id="within the bound"),
        pytest.param(outcome(), 199, False, "p95 200 ms, above 199 ms", id="too slow"),
        pytest.param(outcome(replace(GOOD, failures=25)), None, False, "2.50% failed", id="failures"),
        pytest.param(outcome(oom_kills=1, status=-9), None, False, "out of memory", id="out of memory"),
        pytest.param(outcome(status=3), None, False, "the server ended with status 3", id="dead"),
        pytest.param(
            outcome(Figures(0, 0, 0.0, 0, *[math.nan] * 5)), 500, False, "nothing was answered", id="no answer"
        ),
    ],
)
def test_a_run_is_judged(shown: Outcome, p95: float | None, *, passed: bool, said: str) -> None:
    """By failures, by the server's life, and by the bound if there is one; and it is said how it went."""
    found, verdict = judge(shown, p95)
    assert found is passed
    assert said in verdict


@needs_groups
def test_an_attempt_is_a_real_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Real users at a server within its limits; one that does not fit in has failed without a run."""
    monkeypatch.setattr(crowd, "serving", stub_serving)
    attempts = Attempts(FEW, None, [])
    made = attempts.make(0.5, 200)
    assert made.passed
    assert made.outcome is not None
    assert made.outcome.measured.users == 10
    row = made.row("least CPU")
    assert not row.failed
    assert row.mean_ms is not None
    assert row.max_ms is not None
    assert 0 < row.mean_ms <= row.max_ms
    small = attempts.make(0.5, 8, users=3)
    assert not small.passed
    assert (small.row("x").failed, small.row("x").mean_ms, small.users) == (True, None, 3)
    assert attempts.made == [made, small]
    assert "3 users, 0.5 CPU, 8 MB: failed (does not fit at rest)" in capsys.readouterr().err


Visit = Callable[..., Outcome]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], list[tuple[int, float, float]]]:
    """Stands in for servers and crowds: what is enough, and does not fit below half of the memory that is."""

    def enough(cpu: float, memory: float) -> list[tuple[int, float, float]]:
        seen: list[tuple[int, float, float]] = []

        def visit(crowd: Crowd, own_cpu: float, own_memory: float, *, server_options: Sequence[str]) -> Outcome:
            assert server_options == ["--workers", "1"]
            seen.append((crowd.users, own_cpu, own_memory))
            if own_memory < memory / 2:
                raise DoesNotFit
            return outcome(GOOD if own_cpu >= cpu and own_memory >= memory else replace(GOOD, failures=500))

        monkeypatch.setattr(attempt, "visit", visit)
        return seen

    alone = ceiling.Ceiling("Locust, ReferenceUser, 2 processes", 30, 0, 6650.0, 3.0, 9.0, 0.2)
    monkeypatch.setattr(ceiling, "locust_alone", lambda _: alone)
    return enough


def searched(folder: Path, *options: str, status: int = 0) -> dict[str, object]:
    """Run the command; returns what it has kept."""
    files = ["--json", str(folder / "search.json"), "--markdown", str(folder / "search.md")]
    assert search.main([*QUICK, *files, *options, "--", "--workers", "1"]) == status
    document: dict[str, object] = json.loads((folder / "search.json").read_text())
    return document


def test_the_least_of_both_is_found_and_tried_together(
    world: Callable[[float, float], list[tuple[int, float, float]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The reference's table goes on with ours: the least, what was not enough, and both together."""
    seen = world(0.3, 60)
    kept = searched(tmp_path)
    assert seen[0] == (30, 0.5, 100)
    assert seen[-1] == (30, 0.3, 60)
    assert {cpu for _, cpu, memory in seen[:-1] if memory < 100} == {0.5}
    assert {memory for _, cpu, memory in seen[:-1] if cpu < 0.5} == {100}
    table = (tmp_path / "search.md").read_text()
    for row in (
        "| reference | its best | 10,000 | no | 11,834 | 23,659 | 5.5 GB | 2.5 |",
        "| Canopy | least CPU: 16 requests/s, p95 200 ms, peak memory 64 MB | 30 | no | 120 | 450 | 100 MB | 0.3 |",
        "| 30 | yes | 120 | 450 | 100 MB | 0.2 |",
        "| 30 | no | 120 | 450 | 60 MB | 0.5 |",
        "| 30 | no | 120 | 450 | 60 MB | 0.3 |",
        "| Locust, ReferenceUser, 2 processes | 30 | 6,650 |",
    ):
        assert row in table, row
    assert "both together" in capsys.readouterr().out
    assert kept["found"]["cpu"]["least"] == 0.3  # type: ignore[index]
    assert kept["found"]["memory"]["least"] == 60  # type: ignore[index]
    assert len(kept["attempts"]) == len(seen)  # type: ignore[arg-type]


def test_not_even_the_most_is_a_failure(
    world: Callable[[float, float], list[tuple[int, float, float]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The exit status is 1, and nothing is tried together."""
    seen = world(0.9, 60)
    searched(tmp_path, "--search", "cpu", status=1)
    assert seen == [(30, 0.5, 100)]
    assert "not enough CPU: 16 requests/s, p95 200 ms, 50.00% failed" in capsys.readouterr().out


def test_the_references_own_limits_come_first(
    world: Callable[[float, float], list[tuple[int, float, float]]], tmp_path: Path
) -> None:
    """In its order: a quarter of a core and 256 MB before all."""
    seen = world(0.1, 60)
    searched(tmp_path, "--reference-rows", "--search")
    assert seen == [(1, 0.25, 256), (1, 3, 6144), (10_000, 2.5, 5120), (10_000, 3, 6144), (10_000, 2.5, 5632)]


def test_the_bound_is_held_to(world: Callable[[float, float], list[tuple[int, float, float]]], tmp_path: Path) -> None:
    """No limits make these users fast enough."""
    world(0.1, 60)
    searched(tmp_path, "--p95", "150", "--search", "memory", status=1)


def test_no_limits_no_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is said, with status 2."""

    def fail(*_: object, **__: object) -> None:
        raise NoControlGroups("there are none here")

    monkeypatch.setattr(ceiling, "locust_alone", fail)
    assert search.main(QUICK) == 2
    assert "search: there are none here" in capsys.readouterr().err


def test_steps_that_lead_nowhere_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is run."""
    with pytest.raises(SystemExit):
        search.main(["--cpu", "1", "0.5", "0.1"])
    assert "there is no way from 1 to 0.5" in capsys.readouterr().err
