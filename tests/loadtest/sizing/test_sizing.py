"""Replicas for a load, out of what was measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from loadtest.reports.grid import MODES, Cell
from loadtest.reports.results import Latency, Measured, Results, Round, encode
from loadtest.sizing.__main__ import main
from loadtest.sizing.plan import Load, NoPlan, plans
from loadtest.system.budget import Usage
from tests.deploy.chart.rendering import REGISTRY, one, render

MODE = "compiled-hot-batched"
TEN = ["--rate", "10", "--p99-ms", "10"]
USAGE = Usage(1.0, 0.5, 10, 0, 0.0, 70.0, 0)


def turn(rate: float, p99: float, **told: Any) -> Round:  # noqa: ANN401
    """A round of one second, of a server within limits."""
    return replace(Round(int(rate), 1.0, Latency(p99 / 3, p99 / 3, p99 / 2, p99, p99), {}, None, 80.0, USAGE), **told)


def results(*cells: tuple[float, int, list[Round]], mode: str = MODE) -> Results:
    """Of some CPU limits and numbers of connections."""
    return Results(
        started="2026-01-01T00:00:00+00:00",
        command="python -m loadtest.compare",
        machine={"processor": "a fast one"},
        limits="control group, 1024 MiB",
        memory_mib=1024,
        model="BestModelRF/1",
        rows=20_000,
        seconds=1,
        warm_up=0.5,
        ceiling={16: [turn(50_000, 1)], 256: [turn(21_000, 1)]},
        measured=[Measured(Cell(MODES[mode], cpu, users), rounds) for cpu, users, rounds in cells],
    )


MEASURED = results(
    (0.25, 16, [turn(4000, 60)]),
    (0.25, 256, [turn(5000, 110)]),
    (1, 16, [turn(18_000, 4), turn(16_000, 5), turn(17_000, 6)]),
    (1, 256, [turn(20_000, 30, memory_mb=120.0)]),
)


def load(rate: float, p99_ms: float, share: float = 0.5, spare: int = 1) -> Load:
    """What is asked for."""
    return Load(rate, p99_ms, share, spare)


def test_a_replica_is_planned_for_a_share_of_the_most_that_it_answered_within_the_bound() -> None:
    """The load by that, rounded up, and the spare ones."""
    plan = next(plan for plan in plans(MEASURED, MODE, load(45_000, 50)) if plan.size.cpu == 1)
    assert (plan.size.users, plan.size.rate, plan.size.p99_ms) == (256, 20_000, 30)
    assert (plan.carries, plan.replicas) == (10_000, 6)


def test_a_rate_beyond_the_bound_does_not_count() -> None:
    """Fewer connections are then what a replica may have; a figure is the rounds' median."""
    (plan,) = plans(MEASURED, MODE, load(17_000, 10))
    assert (plan.size.cpu, plan.size.users, plan.size.rate, plan.replicas) == (1, 16, 17_000, 3)


def test_the_least_cpu_in_all_comes_first() -> None:
    """Eleven quarters of a core are less than four cores, and more than two."""
    assert [plan.cpu for plan in plans(MEASURED, MODE, load(25_000, 200))] == [2.75, 4]
    assert [plan.cpu for plan in plans(MEASURED, MODE, load(9_000, 200))] == [1.25, 2]


def test_memory_is_what_any_crowd_took_and_half_as_much_again() -> None:
    """To a step of 32 MiB, upwards: 120 MB and 60 are 172 MiB."""
    plan = next(plan for plan in plans(MEASURED, MODE, load(45_000, 10)) if plan.size.cpu == 1)
    assert plan.memory_mib == 192


def test_a_rate_near_the_generators_own_is_told() -> None:
    """The server may be able to answer more."""
    (found,) = (plan for plan in plans(MEASURED, MODE, load(1, 50)) if plan.size.cpu == 1)
    assert found.size.at_the_ceiling
    (found,) = plans(MEASURED, MODE, load(1, 10))
    assert not found.size.at_the_ceiling


@pytest.mark.parametrize(
    ("measured", "bound", "reason"),
    [
        pytest.param(
            MEASURED, 1, "no replica of 0.25, 1 CPU answered within 1 ms; the best p99 was 5.0 ms", id="bound"
        ),
        pytest.param(
            results((1, 16, [turn(10, 1)]), mode="compiled-asgi-batched"), 9, f"{MODE} was not measured", id="mode"
        ),
        pytest.param(results((1, 16, [turn(10, 1, failures={"503": 1})])), 9, "or had failures", id="failures"),
        pytest.param(results((1, 16, [turn(10, 1, usage=None)])), 9, "had no limit of CPU", id="no-limits"),
    ],
)
def test_figures_that_do_not_tell_are_refused(measured: Results, bound: float, reason: str) -> None:
    """With what is wrong with them."""
    with pytest.raises(NoPlan, match=reason):
        plans(measured, MODE, load(100, bound))


@pytest.fixture
def kept(tmp_path: Path) -> list[str]:
    """Options: where the results are, and where the values go."""
    (tmp_path / "results.json").write_bytes(encode(MEASURED))
    return ["--results", str(tmp_path / "results.json"), "--values", str(tmp_path / "values.yaml")]


def test_the_command_shows_its_reasoning_and_writes_the_values(
    kept: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The values are the chart's, which takes them."""
    assert main(["--rate", "45000", "--p99-ms", "50", "--share", "0.5", *kept]) == 0
    said = capsys.readouterr().out
    assert "45,000 / 10,000 = 4.50, rounded up, and 1 more: 6 replicas of 1 CPU and 192 MiB" in said
    assert "the generator's limit, perhaps" in said
    written = yaml.safe_load((tmp_path / "values.yaml").read_text())
    assert written == {"replicas": 6, "resources": {"cpu": "1", "memory": "192Mi"}}
    deployment = one(render({"settings": REGISTRY} | written), "Deployment")
    assert deployment["spec"]["replicas"] == 6
    resources = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"requests": written["resources"], "limits": written["resources"]}


def test_without_figures_it_says_what_measures_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And without such as tell."""
    assert main([*TEN, "--results", str(tmp_path / "none.json")]) == 2
    assert "none.json: make bench" in capsys.readouterr().err
    (tmp_path / "none.json").write_text("{}")
    assert main([*TEN, "--results", str(tmp_path / "none.json")]) == 2
    assert "none.json: Object missing required field" in capsys.readouterr().err


def test_a_bound_that_nothing_keeps_ends_with_status_1(kept: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No values are written."""
    assert main(["--rate", "10", "--p99-ms", "0.5", *kept]) == 1
    assert "the best p99 was 5.0 ms" in capsys.readouterr().err
    assert not Path(kept[-1]).exists()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--rate", "10"], id="unbounded"),
        pytest.param(["--rate", "0", "--p99-ms", "10"], id="no-rate"),
        pytest.param(["--rate", "10", "--p99-ms", "inf"], id="no-bound"),
        pytest.param([*TEN, "--share", "1.5"], id="more-than-all"),
        pytest.param([*TEN, "--spare", "-1"], id="less-than-none"),
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str]) -> None:
    """Before anything is read."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
