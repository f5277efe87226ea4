"""The learned cost and the crowd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.estimates import ArrivalEstimator, CostModel

SECONDS = st.floats(min_value=1e-6, max_value=10)
ROWS = st.integers(min_value=1, max_value=4096)


def test_a_line_is_learned_from_batches_of_different_sizes() -> None:
    """Fixed cost and slope are found as soon as the sizes tell them apart."""
    cost = CostModel()
    for rows in (1, 10, 100, 3, 50):
        cost.observe(rows, 0.005 + 0.0001 * rows)
    assert cost.fixed == pytest.approx(0.005)
    assert cost.per_row == pytest.approx(0.0001)
    assert cost.seconds(1000, calls=2) == pytest.approx(0.11)


def test_equal_batches_leave_the_slope_and_move_the_fixed_cost() -> None:
    """When sizes no longer vary, a slower engine shows in the fixed cost."""
    cost = CostModel()
    cost.observe(1, 0.0051)
    for _ in range(100):
        cost.observe(50, 0.010)
    for _ in range(100):
        cost.observe(50, 0.110)
    assert cost.per_row == pytest.approx(0.0001, rel=0.01)
    assert cost.seconds(50) == pytest.approx(0.110, rel=0.01)


def test_the_past_is_forgotten() -> None:
    """Some twenty batches after the engine has become ten times slower, the prediction has followed."""
    cost = CostModel()
    for rows in (1, 64) * 20:
        cost.observe(rows, 0.005 + 0.0001 * rows)
    for rows in (1, 64) * 10:
        cost.observe(rows, 0.05 + 0.001 * rows)
    assert cost.seconds(64) == pytest.approx(0.114, rel=0.15)


@given(st.lists(st.tuples(ROWS, SECONDS), min_size=1, max_size=40))
def test_costs_are_never_negative(batches: list[tuple[int, float]]) -> None:
    """Whatever is observed, neither part is negative."""
    cost = CostModel()
    for rows, seconds in batches:
        cost.observe(rows, seconds)
    assert cost.fixed >= -1e-12
    assert cost.per_row >= 0


@given(st.lists(SECONDS, min_size=1, max_size=40), ROWS)
def test_prediction_stays_within_what_was_seen(seconds: list[float], rows: int) -> None:
    """For batches of one size, the prediction lies between the fastest and the slowest."""
    cost = CostModel()
    for duration in seconds:
        cost.observe(rows, duration)
    assert min(seconds) * (1 - 1e-6) <= cost.seconds(rows) <= max(seconds) * (1 + 1e-6)


def test_the_first_arrivals_are_taken_as_they_are() -> None:
    """Before two arrivals nothing is known; the first gap is the first estimate."""
    arrivals = ArrivalEstimator()
    arrivals.arrival(5.0, call=0.1)
    assert arrivals.gap == float("inf")
    arrivals.arrival(5.25, call=0.1)
    assert arrivals.gap == 0.25


def test_a_gap_is_counted_from_the_end_of_a_call() -> None:
    """Callers that come back after an answer are close behind it, however long the call took."""
    arrivals = ArrivalEstimator()
    arrivals.arrival(0.0, call=10)
    arrivals.answered(7.0, callers=3)
    arrivals.arrival(7.5, call=10)
    assert arrivals.callers == 3
    assert arrivals.gap == 0.5


def test_a_pause_starts_the_estimate_anew() -> None:
    """After a pause the rate of the crowd before it no longer counts."""
    arrivals = ArrivalEstimator()
    for now in (0.0, 0.01, 0.02, 0.03):
        arrivals.arrival(now, call=0.1)
    assert arrivals.gap == pytest.approx(0.01)
    arrivals.arrival(2.03, call=0.1)
    assert arrivals.gap == pytest.approx(2.0)


def arrive(arrivals: ArrivalEstimator, after: float) -> bool:
    """Whether somebody is alone who comes so many seconds after all others, and is answered at once."""
    alone = arrivals.arrival(arrivals.last + after, call=0.1)
    arrivals.answered(arrivals.last, callers=1)
    return alone


def test_who_comes_on_its_own_is_told_from_a_crowd() -> None:
    """Alone is who comes four calls' time after anybody else, if the one before did so too and had the call alone."""
    arrivals = ArrivalEstimator(last=0.0)
    assert not arrive(arrivals, 5.0)  # nothing is known yet
    assert arrive(arrivals, 5.0)
    assert not arrive(arrivals, 0.375)  # less than four calls' time
    assert not arrive(arrivals, 5.0)  # somebody came close behind the one before
    arrivals.answered(arrivals.last, callers=2)
    assert not arrive(arrivals, 5.0)  # who had company
    assert arrive(arrivals, 5.0)


def test_a_crowd_that_is_answered_one_by_one_is_one_all_the_same() -> None:
    """It counts how soon one comes after another, not only how soon this one does."""
    arrivals = ArrivalEstimator(last=0.0)
    assert any(arrive(arrivals, 0.5) for _ in range(100))
    found = [arrive(arrivals, 0.5 if number % 3 == 0 else 0.2) for number in range(100)]
    assert not any(found[20:])


def test_a_lone_caller_waits_now_and_then_for_company() -> None:
    """A crowd whose members take long to be read would not be seen otherwise."""
    arrivals = ArrivalEstimator(last=0.0)
    found = [arrive(arrivals, 5.0) for _ in range(50)]
    assert [number for number, alone in enumerate(found) if not alone] == [0, 16, 32, 48]


def test_while_a_call_costs_nothing_nobody_of_a_crowd_is_alone() -> None:
    """Before the first call nothing tells whether they come one by one."""
    arrivals = ArrivalEstimator(last=0.0)
    for _ in range(5):
        assert not arrivals.arrival(arrivals.last + 1e-6, call=0.0)
        arrivals.answered(arrivals.last, callers=1)
