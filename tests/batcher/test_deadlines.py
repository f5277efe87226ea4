"""The heap of deadlines."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from batcher.deadlines import Deadlines

TIMES = st.floats(0, 100)


@given(st.lists(st.tuples(TIMES, st.booleans()), max_size=60), TIMES)
def test_exactly_what_is_due_and_not_done_comes_out(futures: list[tuple[float, bool]], now: float) -> None:
    """Each future whose deadline has come is taken out once, in order of the deadlines, unless it is done."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        deadlines: Deadlines[asyncio.Future[None]] = Deadlines()
        expected = []
        left = []
        for deadline, done in futures:
            future = loop.create_future()
            deadlines.add(deadline, future)
            if done:
                future.set_result(None)
            elif deadline <= now:
                expected.append((deadline, future))
            else:
                left.append(deadline)
        assert deadlines.due(now) == [future for _, future in sorted(expected, key=lambda pair: pair[0])]
        assert deadlines.due(now) == []
        assert deadlines.earliest() == min(left, default=None)

    asyncio.run(main())


def test_add_tells_whether_the_earliest_deadline_has_changed() -> None:
    """Only then must a timer be set anew."""

    async def main() -> None:
        deadlines: Deadlines[asyncio.Future[None]] = Deadlines()
        loop = asyncio.get_running_loop()
        assert [deadlines.add(time, loop.create_future()) for time in (5, 7, 3, 4)] == [True, False, True, False]

    asyncio.run(main())


def test_done_futures_do_not_pile_up() -> None:
    """However many are answered long before their deadline, few are kept."""

    async def main() -> None:
        deadlines: Deadlines[asyncio.Future[None]] = Deadlines()
        loop = asyncio.get_running_loop()
        for _ in range(20_000):
            future = loop.create_future()
            deadlines.add(30.0, future)
            future.set_result(None)
        assert len(deadlines._row) + len(deadlines._heap) <= 1025

    asyncio.run(main())
