"""The pure decisions."""

import dataclasses

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batcher import DeadlineUnreachable, Limits, QueueFull
from batcher.estimates import ArrivalEstimator, CostModel
from batcher.policy import FLUSH, Flush, WaitUntil, flush_or_wait, refuse, seconds_for, seconds_left

COST = CostModel(fixed=0.005, per_row=0.00005)
LIMITS = Limits(max_batch_rows=100, max_queue_rows=1000, max_wait=0.002)


def decide(*, callers: int, gap: float, rows: int, items: int | None = None, limits: Limits = LIMITS) -> object:
    """What an engine does that has just become idle, at time 10."""
    arrivals = ArrivalEstimator(callers=callers, gap=gap, last=10.0)
    return flush_or_wait(limits, COST, arrivals, now=10.0, rows=rows, items=items or rows, since=10.0)


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


def test_company_that_would_not_fit_is_not_waited_for() -> None:
    """One request that fills more than half of a batch has nothing to gain from another of its size."""
    assert decide(callers=2, gap=0.0001, rows=60, items=1) == FLUSH
    assert isinstance(decide(callers=2, gap=0.0001, rows=40, items=1), WaitUntil)


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
    cost = CostModel(fixed=fixed, per_row=per_row)
    decision = flush_or_wait(
        limits, cost, ArrivalEstimator(callers, gap, 10.0), now=10.0 + idle, rows=rows, items=rows, since=10.0
    )
    if isinstance(decision, WaitUntil):
        assert 10.0 + idle < decision.time <= 10.0 + min(max_wait, fixed) * (1 + 1e-9) + 1e-9
        assert rows < callers
    else:
        assert isinstance(decision, Flush)


@given(
    n=st.integers(1, 50),
    m=st.integers(1, 50),
    size=st.integers(1, 5),
    gap=st.floats(0, 0.003),
    fixed=st.floats(0.001, 0.1),
    per_row=st.floats(0, 0.0005),
)
def test_waiting_is_chosen_exactly_if_it_lowers_the_sum_of_latencies(
    n: int, m: int, size: int, gap: float, fixed: float, per_row: float
) -> None:
    """The rule agrees with adding up everybody's latency under both choices, as its docstring derives it."""
    last = m * gap
    ours, theirs = per_row * size * n, per_row * size * m
    arrivals = [gap * (i + 1) for i in range(m)]
    at_once = n * (fixed + ours) + sum(fixed + ours + fixed + theirs - arrival for arrival in arrivals)
    waited = n * (last + fixed + ours + theirs) + sum(last + fixed + ours + theirs - arrival for arrival in arrivals)
    assume(abs(waited - at_once) > 1e-6)
    assume(m * (fixed - ours) / (n + m) > 0.001)  # a wait that timers can tell
    decision = flush_or_wait(
        Limits(max_batch_rows=1000, max_wait=60.0),
        CostModel(fixed=fixed, per_row=per_row),
        ArrivalEstimator(n + m, gap, 10.0),
        now=10.0,
        rows=n * size,
        items=n,
        since=10.0,
    )
    assert isinstance(decision, WaitUntil) == (waited < at_once)


def test_an_overdue_batch_is_expected_to_take_as_long_again_as_it_is_late() -> None:
    """The time left shrinks until the batch is due and grows from then on."""
    assert [seconds_left(now, started=1.0, expected=2.0) for now in (1.0, 2.5, 3.0, 5.0)] == [2.0, 0.5, 0.0, 2.0]


@pytest.mark.parametrize(
    ("limits", "rows", "items", "calls"),
    [
        pytest.param(LIMITS, 0, 0, 0, id="nothing"),
        pytest.param(LIMITS, 100, 100, 1, id="one-full-batch"),
        pytest.param(LIMITS, 101, 101, 2, id="two-batches"),
        pytest.param(LIMITS, 180, 3, 3, id="large-items-share-nothing"),
        pytest.param(Limits(max_batch_items=1), 100, 20, 20, id="unbatched"),
    ],
)
def test_the_backlog_is_counted_in_calls_and_rows(limits: Limits, rows: int, items: int, calls: int) -> None:
    """Batches cost their fixed part each, rows their own."""
    assert seconds_for(limits, COST, rows, items) == pytest.approx(0.005 * calls + 0.00005 * rows)


def test_with_nothing_ahead_everything_is_admitted() -> None:
    """Even a hopeless deadline is admitted to an idle engine, whose cost may have been learned too high."""
    expensive = CostModel(fixed=1000.0)
    assert refuse(LIMITS, expensive, rows=1, timeout=0.001, queued_rows=0, queued_items=0, running=None) is None


def test_a_full_queue_refuses_until_there_is_room() -> None:
    """Retry-After is the time for the running batch and for as many rows as are too many."""
    error = refuse(LIMITS, COST, rows=50, timeout=100, queued_rows=1000, queued_items=500, running=0.25)
    assert isinstance(error, QueueFull)
    assert error.retry_after == pytest.approx(0.25 + 0.005 + 50 * 0.00005)


def test_a_backlog_beyond_the_deadline_refuses_until_it_has_shrunk() -> None:
    """Retry-After is the time after which the same request would have to wait no longer than it can."""
    ahead = 0.25 + 9 * 0.005 + 900 * 0.00005
    queue = {"queued_rows": 999, "queued_items": 999}
    error = refuse(LIMITS, COST, rows=1, timeout=0.1, **queue, running=0.25)
    assert isinstance(error, DeadlineUnreachable)
    assert error.retry_after == pytest.approx(ahead - 0.1)
    assert refuse(LIMITS, COST, rows=1, timeout=ahead + 1e-9, **queue, running=0.25) is None


def test_who_shares_the_next_batch_has_nothing_ahead() -> None:
    """What is queued but leaves room in the same batch costs a newcomer no waiting."""
    assert refuse(LIMITS, COST, rows=1, timeout=1e-6, queued_rows=50, queued_items=50, running=None) is None
    assert refuse(LIMITS, COST, rows=1, timeout=1e-6, queued_rows=100, queued_items=100, running=None) is not None


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
