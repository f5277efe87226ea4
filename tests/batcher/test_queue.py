"""The queue's own order and accounts; how the batcher uses it is tested with the batcher."""

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from batcher.policy import Limits
from batcher.queue import Queue
from batcher.waiter import FutureWaiter, Waiter

LIMITS = Limits(max_batch_rows=10)


def maker() -> Callable[..., FutureWaiter[str, None]]:
    """Makes waiters on the running loop."""
    loop = asyncio.get_running_loop()

    def make(item: str = "", rows: int = 1, deadline: float = 100.0) -> FutureWaiter[str, None]:
        waiter: FutureWaiter[str, None] = FutureWaiter(loop=loop)
        waiter.item, waiter.rows, waiter.arrived, waiter.deadline = item, rows, 0.0, deadline
        waiter.part = None
        waiter.on_cancel = lambda _: None
        return waiter

    return make


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "fail", "remove", "expire"]), st.integers(1, 10))))
def test_rows_and_items_are_those_of_who_waits(steps: list[tuple[str, int]]) -> None:
    """Whatever comes and goes, the accounts agree with who is in the queue, and nobody is in it twice."""

    async def main() -> None:
        make = maker()
        queue: Queue[str, None] = Queue()
        waiting: set[Waiter[str, None]] = set()
        taken: list[Waiter[str, None]] = []
        for now, (step, number) in enumerate(steps):
            if step == "add":
                waiter = make(rows=number, deadline=now + number)
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

    asyncio.run(main())


async def test_failed_parts_and_arrivals_take_turns() -> None:
    """Each part is a batch of its own, the latest first, and in between an ordinary batch goes."""
    make = maker()
    queue: Queue[str, None] = Queue()
    queue.put_back([make("c"), make("d")])
    queue.put_back([make("a"), make("b")])
    for item in "xy":
        queue.add(make(item, rows=6))
    batches = []
    while queue:
        batches.append("".join(waiter.item for waiter in queue.take(LIMITS)))
    assert batches == ["ab", "x", "cd", "y"]


async def test_a_deadline_that_passes_in_the_engine_counts_when_the_batch_failed() -> None:
    """While a waiter is in the engine it does not expire; put back, it does at once."""
    make = maker()
    queue: Queue[str, None] = Queue()
    queue.add(make(deadline=5.0))
    taken = queue.take(LIMITS)
    assert queue.expire(6.0) == []
    queue.put_back(taken)
    assert queue.expire(6.0) == taken


async def test_who_is_done_is_not_put_back() -> None:
    """A caller that gave up while its batch ran is not tried again."""
    make = maker()
    queue: Queue[str, None] = Queue()
    gone, there = make("gone"), make("there")
    gone.cancel()
    queue.put_back([gone, there])
    assert queue.take(LIMITS) == [there]
    assert not queue.retrying()
