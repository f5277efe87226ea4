"""The pure decisions."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher import DeadlineUnreachable, Limits, QueueFull
from batcher.cost import CostModel, Crowd
from batcher.policy import FLUSH, Flush, WaitUntil, drain_seconds, flush_or_wait, refuse, seconds_left

COST = CostModel(fixed=0.005, per_row=0.00005, observed=True)
LIMITS = Limits(max_batch_rows=100, max_queue_rows=1000, max_wait=0.002)


def decide(*, callers: int, gap: float, rows: int, items: int | None = None, limits: Limits = LIMITS) -> object:
    """What an engine does that has just become idle, at time 10."""
    crowd = Crowd(callers=callers, gap=gap, last=10.0)
    return flush_or_wait(limits, COST, crowd, now=10.0, rows=rows, items=items or rows, since=10.0)


@pytest.mark.parametrize(
    ("callers", "gap", "rows"),
    [
        pytest.param(0, 0.0001, 1, id="nobody-seen-yet"),
        pytest.param(1, 0.0001, 1, id="lone-client"),
        pytest.param(5, 0.0001, 5, id="everybody-is-here"),
        pytest.param(10, 0.0006, 5, id="arrivals-too-slow"),
        pytest.param(200, 0.00001, 100, id="batch-full"),
        pytest.param(50, float("inf"), 5, id="rate-unknown"),
        pytest.param(1000, 0.000001, 99, id="wait-shorter-than-a-timer-tick"),
    ],
)
def test_an_idle_engine_starts_at_once(callers: int, gap: float, rows: int) -> None:
    """Without company that is worth waiting for, a batch starts at once."""
    assert decide(callers=callers, gap=gap, rows=rows) == FLUSH


def test_an_idle_engine_waits_for_the_rest_of_a_fast_crowd() -> None:
    """Half the crowd is queued and the others come fast: waiting is worth what their calls of their own would cost."""
    decision = decide(callers=10, gap=0.0001, rows=5)
    assert isinstance(decision, WaitUntil)
    assert decision.time == pytest.approx(10.0 + min(0.002, 5 * (0.005 - 5 * 0.00005) / 10))


def test_max_wait_zero_never_waits() -> None:
    """With max_wait 0 an idle engine always starts."""
    assert decide(callers=10, gap=0.0, rows=5, limits=dataclasses.replace(LIMITS, max_wait=0.0)) == FLUSH


def test_unbatched_never_waits() -> None:
    """With batching off there is no company to wait for."""
    assert decide(callers=10, gap=0.0, rows=1, limits=dataclasses.replace(LIMITS, max_batch_items=1)) == FLUSH


@given(
    callers=st.integers(0, 2000),
    gap=st.floats(0, 1),
    rows=st.integers(1, 200),
    fixed=st.floats(0, 1),
    per_row=st.floats(0, 0.01),
    max_wait=st.floats(0, 0.1),
    idle=st.floats(0, 1),
)
def test_no_wait_exceeds_its_bound(
    callers: int, gap: float, rows: int, fixed: float, per_row: float, max_wait: float, idle: float
) -> None:
    """Whatever is known, the engine waits no longer than max_wait in all, nor longer than a call costs."""
    limits = Limits(max_batch_rows=100, max_wait=max_wait)
    cost = CostModel(fixed=fixed, per_row=per_row, observed=True)
    decision = flush_or_wait(
        limits, cost, Crowd(callers, gap, 10.0), now=10.0 + idle, rows=rows, items=rows, since=10.0
    )
    if isinstance(decision, WaitUntil):
        assert 10.0 + idle < decision.time <= 10.0 + min(max_wait, fixed) * (1 + 1e-9) + 1e-9
        assert rows < callers
    else:
        assert isinstance(decision, Flush)


@given(n=st.integers(1, 50), m=st.integers(1, 50), gap=st.floats(0, 0.01))
def test_waiting_is_chosen_only_if_it_lowers_the_sum_of_latencies(n: int, m: int, gap: float) -> None:
    """The rule agrees with adding up everybody's latency under both choices, as its docstring derives it."""
    a, b = 0.005, 0.00005
    last = m * gap
    arrivals = [gap * (i + 1) for i in range(m)]
    at_once = n * (a + b * n) + sum(max(a + b * n, last) + a + b * m - arrival for arrival in arrivals)
    waited = n * (last + a + b * (n + m)) + sum(last + a + b * (n + m) - arrival for arrival in arrivals)
    decision = decide(callers=n + m, gap=gap, rows=n, limits=Limits(max_batch_rows=1000, max_wait=1.0))
    if isinstance(decision, WaitUntil):
        assert waited < at_once + 1e-9


def test_an_overdue_batch_is_expected_to_take_as_long_again_as_it_is_late() -> None:
    """The time left shrinks until the batch is due and grows from then on."""
    assert [seconds_left(now, started=1.0, expected=2.0) for now in (1.0, 2.5, 3.0, 5.0)] == [2.0, 0.5, 0.0, 2.0]


@pytest.mark.parametrize(
    ("limits", "rows", "items", "calls"),
    [
        pytest.param(LIMITS, 0, 0, 0, id="nothing"),
        pytest.param(LIMITS, 100, 100, 1, id="one-full-batch"),
        pytest.param(LIMITS, 101, 3, 2, id="two-batches"),
        pytest.param(Limits(max_batch_items=1), 100, 20, 20, id="unbatched"),
    ],
)
def test_the_backlog_is_counted_in_calls_and_rows(limits: Limits, rows: int, items: int, calls: int) -> None:
    """Batches cost their fixed part each, rows their own."""
    assert drain_seconds(limits, COST, rows, items) == pytest.approx(0.005 * calls + 0.00005 * rows)


def test_with_nothing_ahead_everything_is_admitted() -> None:
    """Even a hopeless deadline is admitted to an idle engine, whose cost may have been learned too high."""
    expensive = CostModel(fixed=1000.0, observed=True)
    assert refuse(LIMITS, expensive, rows=1, timeout=0.001, queued_rows=0, queued_items=0, running=None) is None


def test_a_full_queue_refuses_until_there_is_room() -> None:
    """Retry-After is the time for the running batch and for as many rows as are too many."""
    error = refuse(LIMITS, COST, rows=50, timeout=100, queued_rows=1000, queued_items=500, running=0.25)
    assert isinstance(error, QueueFull)
    assert error.retry_after == pytest.approx(0.25 + 0.005 + 50 * 0.00005)


def test_a_backlog_beyond_the_deadline_refuses_until_it_has_shrunk() -> None:
    """Retry-After is the time after which the same request could be answered within its deadline."""
    finish = 0.25 + 10 * 0.005 + 1000 * 0.00005
    error = refuse(LIMITS, COST, rows=1, timeout=0.1, queued_rows=999, queued_items=999, running=0.25)
    assert isinstance(error, DeadlineUnreachable)
    assert error.retry_after == pytest.approx(finish - 0.1)
    assert refuse(LIMITS, COST, rows=1, timeout=finish, queued_rows=999, queued_items=999, running=0.25) is None


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"max_batch_rows": 0}, id="batch"),
        pytest.param({"max_queue_rows": 0}, id="queue"),
        pytest.param({"max_wait": -0.001}, id="wait"),
        pytest.param({"max_batch_items": 0}, id="items"),
    ],
)
def test_senseless_limits_are_refused(bad: dict[str, float]) -> None:
    """A batcher that could never serve anything cannot be built."""
    with pytest.raises(ValueError, match="must"):
        Limits(**bad)  # type: ignore[arg-type]
