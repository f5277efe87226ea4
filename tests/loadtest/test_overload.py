"""What h2load's log means, and an overload in small."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from loadtest import overload
from loadtest.generators.h2load import Plan, Responses, closed_loop, open_loop, read_log
from loadtest.generators.line import Answer
from tests.conftest import Start
from tests.helpers.support import rows

needs_h2load = pytest.mark.tool("h2load")

LOG = "1000000\t200\t2500\n1500000\t503\t100\n1200000\t-1\t0\n"


def responses(*each: tuple[float, int, float], seconds: float = 1) -> Responses:
    """Of moments of sending, statuses and times taken."""
    sent, status, took = zip(*each, strict=True)
    return Responses(np.array(sent), np.array(status), np.array(took), seconds)


def test_a_log_is_read_in_seconds(tmp_path: Path) -> None:
    """Microseconds since 1970 become seconds since the first request, in whatever order they were written."""
    path = tmp_path / "log"
    path.write_text(LOG)
    found = read_log(path)
    assert found.sent.tolist() == [0, 0.5, 0.2]
    assert found.status.tolist() == [200, 503, -1]
    assert found.took.tolist() == [0.0025, 0.0001, 0]
    assert found.seconds == 0.5


@pytest.mark.filterwarnings("ignore:loadtxt. input contained no data")
def test_an_empty_log_is_an_error(tmp_path: Path) -> None:
    """A run in which nothing was answered has no figures."""
    path = tmp_path / "log"
    path.touch()
    with pytest.raises(ValueError, match="no request was answered"):
        read_log(path)


def test_a_part_of_a_run_has_rates_and_latencies_of_its_own() -> None:
    """Requests count where they were sent; what was never seen has no latency."""
    whole = responses((0, 200, 9), (1, 200, 0.1), (2.5, 200, 0.3), (2, 503, 0.01), (3, 503, 9), seconds=3)
    part = whole.between(1, 3)
    assert (part.rate(200), part.rate(503), part.rate(200, 503), part.rate(504)) == (1, 0.5, 1.5, 0)
    assert part.latency_ms(200, 50) == pytest.approx(200)
    assert part.latency_ms(503, 99) == pytest.approx(10)
    assert math.isnan(part.latency_ms(504, 50))


def test_a_part_of_a_closed_loop_has_what_ended_in_it() -> None:
    """Also what was asked for before; not what ended after it."""
    part = responses((0, 200, 1.5), (1.5, 200, 1), (2, 200, 1.5), (0.5, 200, 0.2), seconds=3).ended_between(1, 3)
    assert part.rate(200) == 1
    assert part.sent.tolist() == [0, 1.5]


def test_the_figures_tell_goodput_refusals_and_failures_apart() -> None:
    """Each response is counted once, and refusals without Retry-After are noticed."""
    alone = responses(*[(0.0, 200, 0.02)] * 4)
    crowded = responses((0, 200, 0.1), (0, 200, 0.1), (0, 200, 0.1), (0, 503, 0.001), (0, 504, 0.2), (0, -1, 0))
    own = [Answer(200, {}, b""), Answer(503, {b"retry-after": b"1"}, b""), Answer(503, {}, b"")]
    found = overload.figures(10, 8, alone, crowded, 99.0, own)
    assert (found.capacity, found.goodput, found.goodput_of_capacity) == (4, 3, 0.75)
    assert (found.asked, found.offered) == (8, 6)
    assert (found.refused, found.expired, found.failed) == (1, 1, 1)
    assert (found.own_refused, found.own_without_retry_after) == (2, 1)


@pytest.mark.parametrize(("clients", "rate"), [(100, 300), (16, 160), (7, 40), (8000, 12_345)])
def test_the_moments_of_an_open_loop_are_spread_evenly(clients: int, rate: float) -> None:
    """The clients connect over the time that each lets pass between two requests, and keep that order."""
    plan = Plan.of(clients, rate, seconds=2)
    first = np.arange(clients) // plan.together / 100
    assert first.max() < plan.interval
    moments = (first[:, None] + np.arange(plan.each) * plan.interval).ravel()
    moments = moments[(moments >= plan.start) & (moments < plan.end)]
    assert len(moments) / 2 == pytest.approx(plan.together * 100, rel=0.05)
    assert plan.together * 100 == pytest.approx(max(100, rate), abs=50)
    assert np.diff(np.sort(moments)).max() <= 0.02
    assert plan.options() == [
        *("-c", str(clients), "-n", str(clients * plan.each), "--rps", f"{1 / plan.interval:.6f}"),
        *("-r", str(plan.together), "--rate-period", "10ms", "-T", f"{math.ceil(plan.end + 2)}s"),
    ]


@needs_h2load
def test_an_open_loop_asks_evenly_at_its_rate(start: Start) -> None:
    """However many clients there are, and whatever they are answered: each of them once in its interval."""
    with start() as server:
        found = open_loop(server, rows(3), clients=100, rate=300, seconds=1)
    assert set(found.status.tolist()) == {200}
    assert 0 < len(found.sent) <= 400


@needs_h2load
def test_a_closed_loop_asks_as_fast_as_it_is_answered(start: Start) -> None:
    """Each client has one request under way, no more: four wait for an engine that answers one in 20 ms."""
    with start("--batching", "off", fixed=0.02) as server:
        found = closed_loop(server, rows(3), clients=4, seconds=1)
    assert set(found.status.tolist()) == {200}
    assert 0 < found.rate(200) <= 50
    assert found.latency_ms(200, 50) > 60


@needs_h2load
def test_an_overloaded_server_answers_some_and_refuses_the_rest(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends with status 0, a table, and every figure in a file; each refusal has Retry-After.

    The engine answers 20 requests a second at most, however quick the machine is, and one that is busy can offer more.
    """
    monkeypatch.setattr(overload, "serving", lambda options: start("--max-batch-rows", "4", *options, fixed=0.2))
    monkeypatch.setitem(overload.SERVERS, "default", ("--max-rows-per-request", "4"))
    out = tmp_path / "figures.json"
    options = ["--servers", "default", "--rounds", "2", "--seconds", "1", "--clients", "16", "--factor", "8"]
    options += ["--json", str(out)]
    assert overload.main([*options, "--deadline-ms", "500"]) == 0
    assert "goodput of capacity" in capsys.readouterr().out
    found = json.loads(out.read_text())["servers"]["default"]
    assert len(found) == 2
    for row in found:
        assert 0 < row["capacity"] <= 24
        assert 0 < row["goodput"] <= 24
        assert row["refused"] > 0
        assert row["own_refused"] > 0
        assert row["own_without_retry_after"] == 0


def test_without_h2load_the_remedy_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Status 2, and the package to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert overload.main([]) == 2
    assert "nghttp2-client" in capsys.readouterr().err
