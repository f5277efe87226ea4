"""The comparison of ways to serve, in small."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from loadtest import compare
from loadtest.reports import results
from loadtest.reports.grid import MODES, SENSIBLE
from loadtest.sizing import __main__ as sizing
from loadtest.system.cgroup import NoControlGroups
from loadtest.system.process import ServerProcess, serving
from tests.conftest import Store, stub_serving
from tests.loadtest.system.test_budget import needs_groups

TWO = ["compiled-hot-batched", "compiled-hot-unbatched"]
SHORT = ["--users", "8", "2", "--seconds", "0.4", "--warm-up", "0.1", "--rounds", "2", "--modes", *TWO]


@pytest.fixture
def stub_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command start the stand-in, which needs no model; the constant server stays the real one."""

    def start(
        options: Sequence[str],
        **how: Any,  # noqa: ANN401 - as serving takes it
    ) -> AbstractContextManager[ServerProcess]:
        return serving(options, **how) if "program" in how else stub_serving(options, **how)

    monkeypatch.setattr(compare, "serving", start)


def compared(folder: Path, *options: str, status: int = 0) -> results.Results:
    """Run the comparison; returns what it has kept."""
    out, page = folder / "results.json", folder / "report.html"
    command = ["--json", str(out), "--html", str(page), "--markdown", str(folder / "tables.md"), *options]
    assert compare.main(command) == status
    assert page.read_text().startswith("<!doctype html>")
    return results.read(out)


@needs_groups
def test_every_cell_is_measured_within_its_limits(
    stub_instead: None,  # noqa: ARG001 - asked for its effect
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each mode with each number of users as often as there are rounds, and the generator alone besides."""
    found = compared(tmp_path, *SHORT, "--cpu", "0.5")
    table = capsys.readouterr().out
    assert "BestModelRF/7, control group, 1024 MiB" in table
    assert [(str(each.cell.mode), each.cell.cpu, each.cell.users) for each in found.measured] == [
        (mode, 0.5, users) for users in (2, 8) for mode in TWO
    ]
    for each in found.measured:
        assert len(each.rounds) == 2
        assert not each.failures
        for turn in each.rounds:
            assert turn.answered > 0
            assert turn.latency is not None
            assert 0 < turn.latency.p50 <= turn.latency.p99 <= turn.latency.max
            assert turn.activity is not None
            assert 0 < turn.activity.cpu < 0.75
            assert turn.usage is not None
            assert turn.usage.cpu_seconds < 0.75 * turn.usage.seconds
            assert turn.memory_mb is not None
            if each.cell.mode.batching == "off":
                assert turn.activity.rows_per_batch == 1
    assert {users: len(rounds) for users, rounds in found.ceiling.items()} == {2: 2, 8: 2}
    assert all(turn.answered > 0 for rounds in found.ceiling.values() for turn in rounds)


@pytest.mark.slow
def test_without_control_groups_it_is_said_that_nothing_is_limited(
    stub_instead: None,  # noqa: ARG001 - asked for its effect
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The comparison goes on, and every way to show it tells what is missing."""

    def none_here(*_: float) -> None:
        raise NoControlGroups("there are none here")

    monkeypatch.setattr(compare, "budget", none_here)
    found = compared(tmp_path, *SHORT, "--rounds", "1", "--users", "2")
    assert "no limit of CPU or memory" in found.limits
    assert "there are none here" in capsys.readouterr().out
    assert all(turn.usage is None for each in found.measured for turn in each.rounds)


def test_refusals_fail_the_comparison(
    stub_instead: None,  # noqa: ARG001 - asked for its effect
    tmp_path: Path,
) -> None:
    """The exit status is 1, and the reason is kept."""
    options = [*SHORT, "--rounds", "1", "--modes", "compiled-hot-batched", "--users", "64"]
    found = compared(tmp_path, *options, "--", "--max-queue-rows", "1", status=1)
    assert found.measured[0].failures["status 503"] > 0


@needs_groups
def test_a_server_that_does_not_fit_is_no_run(
    stub_instead: None,  # noqa: ARG001 - asked for its effect
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A memory limit below what a server holds at rest ends it with status 2."""
    assert compare.main([*SHORT, "--memory", "8"]) == 2
    assert "8 MiB are less than the server holds at rest" in capsys.readouterr().err


def test_what_is_asked_for_is_before_what_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """--quick changes defaults only."""
    seen: list[dict[str, Any]] = []

    def look(args: Any, **_: bool) -> None:  # noqa: ANN401 - of the command line
        seen.append(vars(args))
        raise RuntimeError

    monkeypatch.setattr(compare, "Comparison", look)
    assert compare.main(["--quick", "--users", "5", "3"]) == 2
    assert (seen[0]["users"], seen[0]["rounds"], seen[0]["modes"]) == ([3, 5], 2, list(SENSIBLE))


def test_all_modes_can_be_asked_for() -> None:
    """Both engines, both ways of HTTP, batched or not, each under its own name."""
    assert len(MODES) == 8
    assert MODES["sklearn-asgi-unbatched"].options() == [
        *("--engine", "sklearn"),
        *("--http", "asgi"),
        *("--batching", "off"),
    ]


@pytest.mark.slow
def test_the_comparison_serves_the_registered_forest(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With servers as their users start them, in both engines."""
    modes = [*TWO, "sklearn-asgi-batched"]
    options = ["--users", "8", "--seconds", "1", "--warm-up", "0.3", "--rounds", "1", "--modes", *modes]
    compared(tmp_path, *options, "--", "--tracking-uri", store.tracking_uri)
    assert "BestModelRF/1" in capsys.readouterr().out


@needs_groups
@pytest.mark.slow
def test_what_it_keeps_of_several_sizes_makes_a_plan(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As docs/scale.md has it: replicas of the size that takes the least CPU, and the chart's values for them."""
    shape = ["--modes", TWO[0], "--cpu", "0.5", "1", "--users", "4", "16"]
    compared(tmp_path, *shape, "--seconds", "1", "--rounds", "1", "--", "--tracking-uri", store.tracking_uri)
    capsys.readouterr()
    files = ["--results", str(tmp_path / "results.json"), "--values", str(tmp_path / "values.yaml")]
    assert sizing.main(["--rate", "5000", "--p99-ms", "5000", *files]) == 0
    assert "the least CPU in all" in capsys.readouterr().out
    assert "replicas: " in (tmp_path / "values.yaml").read_text()
