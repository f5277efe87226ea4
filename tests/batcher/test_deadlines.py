"""The heap of deadlines."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from batcher.queue import Deadlines
from batcher.waiter import Waiter

TIMES = st.floats(0, 100)


def queued(deadline: float) -> Waiter:
    """One who waits."""
    waiter = Waiter()
    waiter.deadline, waiter.queued = deadline, True
    return waiter


@given(st.lists(st.tuples(TIMES, st.booleans()), max_size=60), TIMES)
def test_exactly_what_is_due_and_queued_comes_out(drawn: list[tuple[float, bool]], now: float) -> None:
    """Each waiter whose deadline has come is taken out once, in order of the deadlines, unless it has left."""
    deadlines = Deadlines()
    expected, left = [], []
    for deadline, gone in drawn:
        waiter = queued(deadline)
        deadlines.add(waiter)
        if gone:
            waiter.queued = False
        elif deadline <= now:
            expected.append(waiter)
        else:
            left.append(deadline)
    assert deadlines.due(now) == sorted(expected, key=lambda waiter: waiter.deadline)
    assert deadlines.due(now) == []
    assert deadlines.earliest() == min(left, default=float("inf"))


def test_those_who_left_do_not_pile_up() -> None:
    """However many are answered long before their deadline, few are kept."""
    deadlines = Deadlines()
    for _ in range(20_000):
        waiter = queued(30.0)
        deadlines.add(waiter)
        waiter.queued = False
    assert sum(type(each) is Waiter for each in gc.get_objects()) <= 1025
