"""The queue's own order and accounts; how the batcher uses it is tested with the batcher."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from batcher.policy import Limits
from batcher.queue import Queue
from batcher.waiter import Waiter

LIMITS = Limits(max_batch_rows=10)


class Caller(Waiter):
    """A waiter that may give up."""

    def __init__(self, item: str = "", rows: int = 1, deadline: float = 100.0) -> None:
        super().__init__()
        self.item, self.rows, self.deadline = item, rows, deadline
        self.gone = False

    def done(self) -> bool:
        """See ``Waiter``."""
        return self.gone


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "fail", "remove", "expire"]), st.integers(1, 10))))
def test_rows_and_items_are_those_of_who_waits(steps: list[tuple[str, int]]) -> None:
    """Whatever comes and goes, the accounts agree with who is in the queue, and nobody is in it twice."""
    queue = Queue()
    waiting: set[Waiter] = set()
    taken: list[Waiter] = []
    for now, (step, number) in enumerate(steps):
        if step == "add":
            waiter = Caller(rows=number, deadline=now + number)
            queue.add(waiter)
            waiting.add(waiter)
        elif step == "take" and waiting:
            taken = queue.take(LIMITS)
            assert taken
            assert set(taken) <= waiting
            waiting.difference_update(taken)
        elif step == "fail":
            queue.put_back(taken)
            waiting.update(taken)
            taken = []
        elif step == "remove" and waiting:
            first = min(waiting, key=lambda waiter: waiter.deadline)
            assert queue.remove(first)
            assert not queue.remove(first)
            waiting.remove(first)
        elif step == "expire":
            late = set(queue.expire(now))
            assert late == {waiter for waiter in waiting if waiter.deadline <= now}
            waiting -= late
        assert len(queue) == len(waiting)
        assert queue.rows == sum(waiter.rows for waiter in waiting)
    assert set(queue.clear()) == waiting
    assert (len(queue), queue.rows) == (0, 0)


def test_failed_parts_and_arrivals_take_turns() -> None:
    """Each part is a batch of its own, the latest first, and in between an ordinary batch goes."""
    queue = Queue()
    queue.put_back([Caller("c"), Caller("d")])
    queue.put_back([Caller("a"), Caller("b")])
    for item in "xy":
        queue.add(Caller(item, rows=6))
    batches = []
    while queue:
        batches.append("".join(waiter.item for waiter in queue.take(LIMITS)))
    assert batches == ["ab", "x", "cd", "y"]


def test_a_deadline_that_passes_in_the_engine_counts_when_the_batch_failed() -> None:
    """While a waiter is in the engine it does not expire; put back, it does at once."""
    queue = Queue()
    queue.add(Caller(deadline=5.0))
    taken = queue.take(LIMITS)
    assert queue.expire(6.0) == []
    queue.put_back(taken)
    assert queue.expire(6.0) == taken


def test_who_is_done_is_not_put_back() -> None:
    """A caller that gave up while its batch ran is not tried again."""
    queue = Queue()
    gone, there = Caller("gone"), Caller("there")
    gone.gone = True
    queue.put_back([gone, there])
    assert queue.take(LIMITS) == [there]
    assert not queue.retrying()


def test_those_who_left_do_not_pile_up() -> None:
    """However many give up while the engine takes nobody, few are kept."""
    queue = Queue()
    for _ in range(20_000):
        caller = Caller()
        queue.add(caller)
        queue.remove(caller)
    assert sum(type(each) is Caller for each in gc.get_objects()) <= 1100


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=60), st.floats(0, 100))
def test_exactly_those_expire_whose_deadline_has_come(callers: list[tuple[float, bool]], now: float) -> None:
    """In whatever order deadlines come; and no deadline of those left is before the next one that is told."""
    queue = Queue()
    due, left = set(), []
    for deadline, gone in callers:
        caller = Caller(deadline=deadline)
        queue.add(caller)
        if gone:
            queue.remove(caller)
        elif deadline <= now:
            due.add(caller)
        else:
            left.append(deadline)
    late = queue.expire(now)
    assert len(late) == len(due)
    assert set(late) == due
    assert queue.expire(now) == []
    assert queue.next_deadline() <= min(left, default=float("inf"))
    assert queue.next_deadline() > now or not left


def test_nobody_who_left_is_kept_when_nobody_waits() -> None:
    """Neither in the row nor in the heap, though no batch is taken for long."""
    queue = Queue()
    callers = [Caller(deadline=deadline) for deadline in (9.0, 5.0, 7.0)]
    for caller in callers:
        queue.add(caller)
    for caller in callers:
        queue.remove(caller)
    del caller, callers
    gc.collect()
    assert not any(type(each) is Caller for each in gc.get_objects())


def test_who_was_put_back_expires_once() -> None:
    """Though its deadline stands in the heap from the time before."""
    queue = Queue()
    queue.add(Caller(deadline=9.0))
    late = Caller(deadline=5.0)
    queue.add(late)
    queue.put_back(queue.take(LIMITS))
    assert queue.expire(6.0) == [late]
    assert len(queue) == 1
