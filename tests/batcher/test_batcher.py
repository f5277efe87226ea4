"""The batcher in virtual time: its seconds pass at once, and exactly."""

import asyncio
import gc
import math
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import cycle
from typing import Any

import pytest

from batcher import (
    Batch,
    Batcher,
    BatchEvent,
    BatchTooLarge,
    Closed,
    DeadlineExceeded,
    DeadlineUnreachable,
    EngineFailed,
    EngineStuck,
    FutureWaiter,
    Limits,
    Overloaded,
    Pending,
    QueueFull,
)
from batcher.testing import VirtualExecutor, run_virtually

FIXED, PER_ROW = 0.005, 0.00005


def echo(items: list[Any]) -> list[Any]:
    """An engine that answers each item with itself."""
    return list(items)


def cost(items: Sequence[object]) -> float:
    """Virtual seconds of a call."""
    return FIXED + PER_ROW * len(items)


WAYS = [
    pytest.param([False], id="executor"),
    pytest.param([True], id="loop"),
    pytest.param([True, False], id="by-turns"),
]
"""Whether one call after another runs on the event loop, over and over."""


def in_turn(way: Sequence[bool]) -> Callable[[float, Sequence[Any]], bool]:
    """What to tell a batcher so that its calls go this way."""
    turns = cycle(way)
    return lambda _seconds, _items: next(turns)


class Bench:
    """A batcher whose engine takes virtual time, and what it did.

    Attributes:
        given: the items of each call that the executor was given.
    """

    def __init__(
        self,
        engine: Callable[[list[Any]], Sequence[Any]] = echo,
        *,
        seconds: Callable[[Any], float] = cost,
        limits: Limits | None = None,
        inline: Callable[[float, Sequence[Any]], bool] = lambda _seconds, _items: False,
        timeout: float = 30.0,
        call_timeout: float = math.inf,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.events: list[BatchEvent] = []
        self.given: list[list[Any]] = []
        self._seconds = seconds
        self.batcher: Batcher[Any, Any] = Batcher(
            engine,
            limits,
            executor=VirtualExecutor(self.loop, self._take),
            inline=inline,
            timeout=timeout,
            call_timeout=call_timeout,
            observer=self.events.append,
            clock=self.loop.time,
        )

    def _take(self, items: list[Any]) -> float:
        self.given.append(list(items))
        return self._seconds(items)

    async def latency(self, item: object, rows: int = 1, timeout: float | None = None) -> float:
        """Submit an item and return how long its answer took."""
        before = self.loop.time()
        assert await self.batcher.submit(item, rows, timeout=timeout) == item
        return self.loop.time() - before


def test_a_lone_request_never_waits() -> None:
    """A client that asks again after each answer, at any pace, waits for nothing but the engine."""

    async def main() -> None:
        bench = Bench()
        for think in (0.0, 0.0001, 0.001, 0.01, 1.0, 0.0):
            for _ in range(5):
                assert await bench.latency("x") == pytest.approx(cost("x"))
                await asyncio.sleep(think)

    run_virtually(main())


def test_a_lone_request_after_a_crowd_and_a_pause_never_waits() -> None:
    """The rate of a crowd that has gone does not delay who comes after it."""

    async def main() -> None:
        bench = Bench()
        for _ in range(20):
            await asyncio.gather(*(bench.latency(number) for number in range(30)))
        await asyncio.sleep(1.0)
        assert await bench.latency("x") == pytest.approx(cost("x"))

    run_virtually(main())


def test_what_arrives_in_one_turn_shares_a_batch() -> None:
    """An idle engine starts at the end of the event-loop turn, with all that arrived in it."""

    async def main() -> None:
        bench = Bench()
        await asyncio.gather(*(bench.batcher.submit(number) for number in range(7)))
        assert [len(event.waits) for event in bench.events] == [7]

    run_virtually(main())


def test_who_is_known_to_be_alone_does_not_wait_for_the_end_of_the_turn() -> None:
    """With nobody near who could come in the same turn, an idle engine is called from within ``submit``."""

    async def main() -> None:
        bench = Bench(inline=lambda _seconds, _items: True)
        bench.batcher.observe(1, FIXED)
        answered_at_once = []
        for _ in range(4):
            pending = bench.batcher.submit("x")
            answered_at_once.append(pending.done())
            assert await pending == "x"
            await asyncio.sleep(1.0)
        assert answered_at_once == [False, True, True, True]

    run_virtually(main())


def test_two_who_come_together_are_parted_once_at_most() -> None:
    """After a lone caller the first of a crowd is taken to be alone as well; from then on they share their batches."""

    async def main() -> None:
        bench = Bench()
        for _ in range(3):
            await bench.latency("lone")
            await asyncio.sleep(1.0)
        bench.events.clear()
        for _ in range(5):
            await asyncio.gather(bench.latency(1), bench.latency(2))
            await asyncio.sleep(1.0)
        assert [len(event.waits) for event in bench.events] == [1, 1, 2, 2, 2, 2]

    run_virtually(main())


def test_a_crowd_that_takes_long_to_be_read_is_seen_all_the_same() -> None:
    """After a lone caller each of them is taken to be alone as well, until one waits for company."""

    async def main() -> None:
        now, sizes = 0.0, []

        def engine(items: list[Any]) -> list[Any]:
            nonlocal now
            now += 0.001
            sizes.append(len(items))
            return items

        batcher = Batcher(engine, clock=lambda: now)
        for _ in range(10):
            await batcher.submit("lone")
            now += 1
        sizes.clear()
        for _ in range(20):
            turn = []
            for number in range(10):
                now += 0.01  # to read its request
                turn.append(batcher.submit(number))
            await asyncio.gather(*turn)
        assert sizes[-15:] == [10] * 15
        assert sum(sizes) == 200

    run_virtually(main())


def test_a_busy_engine_gathers() -> None:
    """Whatever arrives while a batch runs goes into the next one, first come, first served."""

    async def main() -> None:
        bench = Bench(limits=Limits(max_wait=0.0))
        first = bench.batcher.submit("first")
        await asyncio.sleep(0.001)
        others = [bench.batcher.submit(number) for number in range(5)]
        await asyncio.gather(first, *others)
        assert [len(event.waits) for event in bench.events] == [1, 5]
        assert bench.events[1].waits[0] == pytest.approx(cost("x") - 0.001)

    run_virtually(main())


@pytest.mark.parametrize("clients", [2, 3, 5, 10, 20])
def test_a_small_closed_loop_crowd_shares_one_batch(clients: int) -> None:
    """Clients that come back at once after each answer do not split into two groups that wait for each other."""

    async def main() -> float:
        bench = Bench()
        latencies: list[float] = []

        async def client(number: int) -> None:
            while bench.loop.time() < 1.0:
                await asyncio.sleep(0.00005 * (1 + number % 3))
                latencies.append(await bench.latency(number))

        await asyncio.gather(*(client(number) for number in range(clients)))
        return sum(latencies) / len(latencies)

    together = FIXED + PER_ROW * clients
    in_two_groups = 2 * FIXED + PER_ROW * clients
    assert run_virtually(main()) < (together + in_two_groups) / 2


def test_batches_are_bounded_in_rows_and_requests_are_not_split() -> None:
    """A request that does not fit into what is left of a batch starts the next one; nobody overtakes."""

    async def main() -> None:
        bench = Bench(limits=Limits(max_batch_rows=10))
        sizes = [4, 4, 4, 10, 1, 9, 1]
        await asyncio.gather(*(bench.batcher.submit(index, rows) for index, rows in enumerate(sizes)))
        assert [(len(event.waits), event.rows) for event in bench.events] == [(2, 8), (1, 4), (1, 10), (2, 10), (1, 1)]

    run_virtually(main())


def test_batching_can_be_turned_off() -> None:
    """With max_batch_items 1, each request is a call of its own, in order."""

    async def main() -> None:
        seen: list[list[int]] = []

        def engine(items: list[int]) -> list[int]:
            seen.append(items)
            return items

        bench = Bench(engine, limits=Limits(max_batch_items=1))
        await asyncio.gather(*(bench.batcher.submit(number, 3) for number in range(4)))
        assert seen == [[0], [1], [2], [3]]

    run_virtually(main())


def test_a_deadline_in_the_queue_fails_on_time() -> None:
    """A request whose deadline passes while it is queued learns so then, not when its batch would have started."""

    async def main() -> None:
        # Nothing is known of the engine's cost yet, so that nobody is refused early.
        bench = Bench(seconds=lambda _: 10.0)
        running = bench.batcher.submit("running")
        await asyncio.sleep(0.001)
        failed_after = {}

        async def impatient(timeout: float) -> None:
            before = bench.loop.time()
            with pytest.raises(DeadlineExceeded):
                await bench.batcher.submit("x", timeout=timeout)
            failed_after[timeout] = bench.loop.time() - before

        patient = bench.batcher.submit("patient")
        await asyncio.gather(*(impatient(timeout) for timeout in (0.25, 2.0, 0.5, 9.9)))
        assert failed_after == pytest.approx({timeout: timeout for timeout in (0.25, 2.0, 0.5, 9.9)}, abs=0.001)
        assert [await running, await patient] == ["running", "patient"]
        assert bench.batcher.statistics().expired == 4

    run_virtually(main())


def test_a_timeout_never_exceeds_the_batchers_own() -> None:
    """A caller may lower its deadline, not raise it."""

    async def main() -> None:
        bench = Bench(seconds=lambda _: 10.0, timeout=1.0)
        bench.batcher.submit("running")
        await asyncio.sleep(0.5)
        with pytest.raises(DeadlineExceeded):
            await bench.latency("x", timeout=60.0)
        assert bench.loop.time() == pytest.approx(1.5, abs=0.002)

    run_virtually(main())


def test_retry_after_follows_an_engine_whose_cost_changes() -> None:
    """When the engine becomes ten times slower, early refusals start and their Retry-After grows with it."""

    async def main() -> None:
        slowness = 1.0
        bench = Bench(seconds=lambda items: slowness * cost(items), limits=Limits(max_batch_rows=10), timeout=0.3)

        async def offered() -> list[Overloaded]:
            """Offer 400 items at once, in batches of ten, and wait for the answers."""
            refused: list[Overloaded] = []
            accepted = []
            for number in range(400):
                try:
                    accepted.append(bench.batcher.submit(number))
                except Overloaded as error:
                    refused.append(error)
                await asyncio.sleep(0)
            await asyncio.gather(*accepted, return_exceptions=True)
            return refused

        for _ in range(3):
            await offered()
        assert await offered() == []  # 40 batches of 5.5 ms are 0.22 s

        slowness = 10.0
        for _ in range(5):
            await offered()
        refused = await offered()
        assert all(isinstance(error, DeadlineUnreachable) for error in refused)
        # What is admitted fills the deadline at 55 ms a batch; the next in line must wait for a part of a batch.
        assert 300 < len(refused) < 395
        assert 0 < refused[-1].retry_after < 0.11

        slowness = 1.0
        for _ in range(5):
            await offered()
        assert await offered() == []

    run_virtually(main())


def test_a_stuck_engine_raises_retry_after() -> None:
    """The longer a call is overdue, the longer the refused are told to stay away."""

    async def main() -> None:
        bench = Bench(seconds=lambda items: 60.0 if items == ["stuck"] else cost(items), timeout=1.0)
        await bench.latency("x")
        stuck = bench.batcher.submit("stuck")
        answers = []
        for _ in range(3):
            await asyncio.sleep(10)
            with pytest.raises(DeadlineUnreachable) as refused:
                bench.batcher.submit("x")
            answers.append(refused.value.retry_after)
        assert answers == sorted(answers)
        assert answers[0] > 8
        await stuck

    run_virtually(main())


def test_a_full_queue_refuses() -> None:
    """Rows beyond max_queue_rows are refused at once, and accepted again when there is room."""

    async def main() -> None:
        bench = Bench(limits=Limits(max_batch_rows=10, max_queue_rows=20))
        first = bench.batcher.submit("running")
        await asyncio.sleep(0.001)
        queued = [bench.batcher.submit(number, 10) for number in range(2)]
        with pytest.raises(QueueFull) as refused:
            bench.batcher.submit("too many")
        assert refused.value.retry_after > 0
        await first
        await queued[0]
        await bench.latency("again")
        await asyncio.gather(*queued)

    run_virtually(main())


def test_whoever_is_refused_anyway_is_turned_away_with_the_same_words() -> None:
    """From the first refusal of the least that one can ask until the backlog shrinks, and each is counted."""

    async def main() -> None:
        bench = Bench(limits=Limits(max_batch_rows=10, max_queue_rows=10))
        batcher = bench.batcher

        def refusal(act: Callable[[], object]) -> Overloaded:
            with pytest.raises(Overloaded) as refused:
                act()
            return refused.value

        def fill() -> list[asyncio.Future[Any]]:
            batcher.raise_if_overloaded()
            made = [batcher.submit(number) for number in range(9)]
            with pytest.raises(QueueFull):
                batcher.submit("two rows", 2)
            batcher.raise_if_overloaded()  # a single row would fit
            return [*made, batcher.submit(9)]

        running = batcher.submit("running")
        await asyncio.sleep(0.001)
        queued = fill()
        batcher.raise_if_overloaded()  # nobody has asked yet
        first = refusal(lambda: batcher.submit("one too many"))
        assert refusal(batcher.raise_if_overloaded) is refusal(batcher.raise_if_overloaded) is first
        frames = len(list(traceback.walk_tb(first.__traceback__)))
        assert refusal(batcher.raise_if_overloaded) is first
        assert len(list(traceback.walk_tb(first.__traceback__))) == frames, "it grows with each time"
        assert batcher.statistics().queue_full == 5
        queued.pop().cancel()
        await asyncio.sleep(0)
        batcher.raise_if_overloaded()  # one has gone
        queued.append(batcher.submit(9))
        refusal(lambda: batcher.submit("one too many"))
        await running
        batcher.raise_if_overloaded()  # the next call has begun
        await asyncio.gather(*queued)

    run_virtually(main())


def test_whoever_comes_back_when_told_to_is_not_turned_away() -> None:
    """Though the call that was in the way has not returned yet: what is left of it is short enough to wait for."""

    async def main() -> None:
        bench = Bench(seconds=lambda _items: 1.0, timeout=0.25)
        bench.batcher.observe(1, 1.0)
        running = bench.batcher.submit("running")
        await asyncio.sleep(0.1)
        with pytest.raises(DeadlineUnreachable) as refused:
            bench.batcher.submit("too early")
        with pytest.raises(DeadlineUnreachable):
            bench.batcher.raise_if_overloaded()
        await asyncio.sleep(refused.value.retry_after + 0.01)
        assert not running.done()
        bench.batcher.raise_if_overloaded()
        await bench.latency("in time")
        await running

    run_virtually(main())


@pytest.mark.parametrize("rows", [0, -1, 11])
def test_an_item_that_never_fits_is_refused(rows: int) -> None:
    """More rows than a batch holds, or none, cannot be queued."""

    async def main() -> None:
        with pytest.raises(BatchTooLarge):
            Bench(limits=Limits(max_batch_rows=10)).batcher.submit("x", rows)

    run_virtually(main())


def test_cancelling_frees_queued_rows() -> None:
    """The rows of a caller that gave up make room at once and never reach the engine."""

    async def main() -> None:
        seen: list[object] = []

        def engine(items: list[object]) -> list[object]:
            seen.extend(items)
            return items

        bench = Bench(engine, limits=Limits(max_batch_rows=10, max_queue_rows=10))
        running = bench.batcher.submit("running")
        await asyncio.sleep(0.001)
        task = asyncio.create_task(bench.latency("given up", 10))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            bench.batcher.submit("next")
        task.cancel()
        await asyncio.sleep(0)
        assert bench.batcher.statistics().queued_rows == 0
        running.cancel()  # in the engine: its result is dropped
        await bench.latency("next")
        assert seen == ["running", "next"]
        assert bench.batcher.statistics().cancelled == 2

    run_virtually(main())


def failing_on(poison: set[int]) -> Callable[[list[int]], list[int]]:
    """An engine that fails if any of its items is poisonous."""

    def engine(items: list[int]) -> list[int]:
        if not poison.isdisjoint(items):
            raise ArithmeticError("poison")
        return items

    return engine


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param({3}, id="one"),
        pytest.param({0, 15}, id="both-ends"),
        pytest.param(set(range(1, 16)), id="all-but-one"),
        pytest.param(set(range(16)), id="all"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_only_the_guilty_fail(poison: set[int], way: list[bool], caplog: pytest.LogCaptureFixture) -> None:
    """A failing batch is halved until the items that fail alone are found; everybody else is answered."""

    async def main() -> None:
        bench = Bench(failing_on(poison), inline=in_turn(way))
        outcomes = await asyncio.gather(*(bench.batcher.submit(n) for n in range(16)), return_exceptions=True)
        for number, outcome in enumerate(outcomes):
            if number in poison:
                assert isinstance(outcome, EngineFailed)
                assert isinstance(outcome.__cause__, ArithmeticError)
            else:
                assert outcome == number
        assert await bench.batcher.submit(99) == 99

    run_virtually(main())
    assert caplog.records == []  # nothing got through to the event loop


@pytest.mark.parametrize("way", WAYS)
def test_an_engine_that_returns_too_few_results_fails_its_items(way: list[bool]) -> None:
    """A wrong number of results is a failure like any other: nobody gets a neighbour's result."""

    async def main() -> None:
        bench = Bench(lambda items: items[:-1] if len(items) > 1 else items, inline=in_turn(way))
        assert await asyncio.gather(*(bench.batcher.submit(number) for number in range(5))) == list(range(5))

        for nonsense, reason in (([], "0 results for 1 items"), (None, "NoneType"), (7, "int")):
            broken = Bench(
                lambda _, nonsense=nonsense: nonsense,  # type: ignore[misc]
                inline=in_turn(way),
            )
            with pytest.raises(EngineFailed) as failed:
                await broken.batcher.submit("x")
            assert reason in str(failed.value.__cause__)

    run_virtually(main())


@pytest.mark.parametrize(
    ("in_thread", "inline"),
    [
        pytest.param(True, False, id="thread"),
        pytest.param(False, False, id="loop"),
        pytest.param(True, True, id="loop-instead-of-thread"),
    ],
)
def test_stop_iteration_is_a_failure_like_any_other(in_thread: bool, inline: bool) -> None:
    """The one exception that no future can carry does not stop the batcher."""

    def engine(items: list[str]) -> list[str]:
        return [next(iter(())) if item == "empty" else item for item in items]

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher: Batcher[str, str] = Batcher(
                engine, executor=executor if in_thread else None, inline=lambda _seconds, _items: inline
            )
            first, second = batcher.submit("empty"), batcher.submit("x")
            with pytest.raises(EngineFailed):
                await first
            assert await second == "x"

    asyncio.run(main())


def test_a_failed_batch_and_the_queue_take_turns() -> None:
    """While a batch is searched for its guilty items, others are served, and what is retried counts as waiting."""

    async def main() -> None:
        bench = Bench(failing_on(set(range(16))), seconds=lambda _: 1.0)
        guilty = [bench.batcher.submit(number) for number in range(16)]
        await asyncio.sleep(1.5)
        assert bench.batcher.statistics().queued_items == 8  # the other half is in the engine
        with pytest.raises(DeadlineUnreachable):
            bench.batcher.submit(98, timeout=0.1)
        assert await bench.latency(99) <= 2.5
        assert not any(future.done() for future in guilty)
        await asyncio.wait(guilty)

    run_virtually(main())


def test_a_deadline_passes_on_time_while_a_failed_batch_is_retried() -> None:
    """An item that went back to wait after a failure is told when its time is over."""

    async def main() -> None:
        bench = Bench(failing_on(set(range(16))), seconds=lambda _: 1.0)
        others = [bench.batcher.submit(number) for number in range(15)]
        with pytest.raises(DeadlineExceeded):
            await bench.batcher.submit(15, timeout=2.5)
        assert bench.loop.time() == pytest.approx(2.5, abs=0.001)
        await asyncio.wait(others)

    run_virtually(main())


def test_large_requests_are_refused_early_rather_than_expired() -> None:
    """The backlog counts a call for each request that shares none: nobody is accepted who must then be failed."""

    async def main() -> None:
        bench = Bench(seconds=lambda _: 1.0, timeout=12.5)
        bench.batcher.observe(600, 1.0)
        accepted = []
        refused = 0
        for number in range(30):
            try:
                accepted.append(bench.batcher.submit(number, 600))
            except DeadlineUnreachable:
                refused += 1
            await asyncio.sleep(0)
        assert refused >= 15
        await asyncio.gather(*accepted)

    run_virtually(main())


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_a_timeout_that_is_no_time_is_refused(timeout: float) -> None:
    """A caller that cannot wait at all, or says nonsense, is told so."""

    async def main() -> None:
        with pytest.raises(ValueError, match="not above 0"):
            Bench().batcher.submit("x", timeout=timeout)

    run_virtually(main())


def test_an_idle_engine_serves_whom_it_can_within_the_shortest_deadline() -> None:
    """A deadline bounds the time in the queue: with nothing ahead, the shortest is met, and two share a call."""

    async def main() -> None:
        bench = Bench()
        assert await bench.latency("x") > 0.005
        first, second = (bench.batcher.submit(name, timeout=0.0001) for name in "ab")
        assert [await first, await second] == ["a", "b"]

    run_virtually(main())


@pytest.mark.parametrize("way", WAYS)
def test_drain_answers_what_was_accepted_and_refuses_the_rest(way: list[bool]) -> None:
    """After drain begins nothing is accepted; it ends when the last answer is out, without waiting for company."""

    async def main() -> None:
        bench = Bench(limits=Limits(max_batch_rows=2), inline=in_turn(way))
        accepted = [bench.batcher.submit(number) for number in range(5)]
        drained = asyncio.create_task(bench.batcher.drain())
        await asyncio.sleep(0)
        with pytest.raises(Closed):
            bench.batcher.submit("late")
        await drained
        assert [future.result() for future in accepted] == list(range(5))
        assert "draining" in repr(bench.batcher)
        await bench.batcher.drain()

    run_virtually(main())


def test_drain_gives_up_after_its_timeout() -> None:
    """What is still queued then fails with Closed; what is in the engine is answered when it is done."""

    async def main() -> None:
        bench = Bench(seconds=lambda _: 10.0, limits=Limits(max_batch_rows=1))
        accepted = [bench.batcher.submit(number) for number in range(3)]
        await asyncio.sleep(1)
        await bench.batcher.drain(timeout=2)
        assert bench.loop.time() == pytest.approx(3)
        outcomes = await asyncio.gather(*accepted, return_exceptions=True)
        assert outcomes[0] == 0
        assert [type(outcome) for outcome in outcomes[1:]] == [Closed, Closed]

    run_virtually(main())


def test_without_an_executor_the_engine_runs_on_the_loop() -> None:
    """An engine of microseconds needs no thread; its failures are bisected all the same."""

    async def main() -> None:
        batcher: Batcher[int, int] = Batcher(failing_on({2}), Limits(max_batch_rows=4))
        outcomes = await asyncio.gather(*(batcher.submit(number) for number in range(8)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [int, int, EngineFailed, int, int, int, int, int]

    asyncio.run(main())


def test_a_call_that_is_short_enough_runs_on_the_loop_and_the_others_in_the_executor() -> None:
    """A call that ``inline`` is true for ends in the turn in which it starts, and the executor never hears of it."""

    async def main() -> None:
        bench = Bench(seconds=lambda _: 0.06, limits=Limits(max_wait=0.0), inline=lambda took, _items: took < 0.05)
        bench.batcher.observe(1, 0.001)
        bench.batcher.observe(60, 0.06)
        long = bench.batcher.submit("long", 60)
        await asyncio.sleep(0)
        assert bench.given == [["long"]]
        short = bench.batcher.submit("short", 20)
        assert await long == "long"
        await asyncio.sleep(0)
        assert short.result() == "short"
        assert bench.loop.time() == pytest.approx(0.06)
        assert bench.given == [["long"]]

    run_virtually(main())


def test_inline_calls_and_the_others_run_in_their_own_threads() -> None:
    """The engine is called in the event loop's thread where ``inline`` is true, and in the executor's elsewhere."""

    async def main() -> None:
        threads: list[str] = []

        def engine(items: list[bool]) -> list[bool]:
            threads.append(threading.current_thread().name)
            return items

        inline = True
        with ThreadPoolExecutor(1, "executor") as executor:
            batcher: Batcher[bool, bool] = Batcher(engine, executor=executor, inline=lambda _seconds, _items: inline)
            assert await batcher.submit(True)
            inline = False
            assert await batcher.submit(True)
        assert threads == [threading.current_thread().name, "executor_0"]

    asyncio.run(main())


def test_inline_is_asked_before_each_call_with_what_it_is_expected_to_cost() -> None:
    """``inline`` is asked once a call, retries included, with the predicted cost of its rows, and its items."""

    async def main() -> None:
        asked: list[float] = []
        given: list[list[int]] = []

        def inline(seconds: float, items: Sequence[int]) -> bool:
            asked.append(seconds)
            given.append(list(items))
            return len(asked) % 2 == 0

        def predicted(rows: int) -> float:
            known = bench.batcher.statistics()
            return known.cost_fixed + rows * known.cost_per_row

        bench = Bench(failing_on({40, 60}), limits=Limits(max_wait=0.0), inline=inline)
        bench.batcher.observe(1, 0.003)
        bench.batcher.observe(100, 0.102)
        await asyncio.gather(*(bench.batcher.submit(rows, rows) for rows in (40, 60)), return_exceptions=True)
        expected = [0.102, 0.042, 0.062]  # a failed call teaches nothing
        for rows in (1, 50, 7, 300):
            expected.append(predicted(rows))
            await bench.latency(rows, rows)
        assert asked == pytest.approx(expected)
        assert given == [[40, 60], [40], [60], [1], [50], [7], [300]]

    run_virtually(main())


def test_a_shut_down_executor_fails_its_items() -> None:
    """An executor that takes no more calls is an engine failure, not a hang."""

    async def main() -> None:
        executor = ThreadPoolExecutor()
        executor.shutdown()
        batcher: Batcher[str, str] = Batcher(echo, executor=executor)
        with pytest.raises(EngineFailed):
            await batcher.submit("x")

    run_virtually(main())


def test_statistics_add_up() -> None:
    """Each accepted item is counted under exactly one outcome."""

    async def main() -> None:
        bench = Bench(failing_on({1}))
        futures = [bench.batcher.submit(number) for number in range(4)]
        futures[0].cancel()
        await asyncio.gather(*futures, return_exceptions=True)
        counts = bench.batcher.statistics()
        assert (counts.accepted, counts.answered, counts.failed, counts.cancelled) == (4, 2, 1, 1)
        assert counts.queued_rows == counts.queued_items == counts.running_rows == 0
        assert counts.batches == len([event for event in bench.events if event.error is None])

    run_virtually(main())


def test_a_call_that_does_not_return_in_time_fails_its_batch_alone() -> None:
    """Its callers are told, those who wait and those who come are sent away, and all is well when it returns."""

    async def main() -> None:
        bench = Bench(seconds=lambda items: 10.0 if "slow" in items else cost(items), call_timeout=2.0)
        before = bench.batcher.statistics()
        slow, company = bench.batcher.submit("slow"), bench.batcher.submit("company")
        await asyncio.sleep(1.0)
        queued = bench.batcher.submit("queued")
        await asyncio.sleep(0.9)
        assert not slow.done()
        await asyncio.sleep(0.2)
        assert bench.batcher.stuck
        for future in (slow, company):
            with pytest.raises(EngineFailed, match="not returned within 2 s"):
                await future
        with pytest.raises(EngineStuck):
            await queued
        with pytest.raises(EngineStuck):
            bench.batcher.submit("late")
        await asyncio.sleep(8.0)
        assert not bench.batcher.stuck
        assert await bench.latency("x") == pytest.approx(cost("x"))
        after = bench.batcher.statistics()
        assert after.cost_fixed < 1.0, "a call that was stuck tells nothing of what a call costs"
        assert (after.failed, after.dropped, after.answered) == (2, 1, before.answered + 1)

    run_virtually(main())


def test_a_stuck_call_does_not_hold_up_a_drain() -> None:
    """There is nobody left whom it could answer to; the drain is over when it returns, or in its time."""

    async def main() -> None:
        bench = Bench(seconds=lambda _items: 10.0, call_timeout=2.0)
        future = bench.batcher.submit("slow")
        await bench.batcher.drain(timeout=5.0)
        assert bench.loop.time() == pytest.approx(5.0)
        with pytest.raises(EngineFailed):
            await future

    run_virtually(main())


def test_a_batch_in_time_is_not_taken_to_be_stuck() -> None:
    """However many there are: each call is watched by itself."""

    async def main() -> None:
        bench = Bench(seconds=lambda _items: 1.5, call_timeout=2.0)
        for number in range(5):
            assert await bench.batcher.submit(number) == number
        assert not bench.batcher.stuck

    run_virtually(main())


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_for_the_garbage_collector(way: list[bool]) -> None:
    """Requests and batches leave no cycles, so that a busy server need not look for them."""

    async def ask(bench: Bench) -> None:
        futures = [bench.batcher.submit(number) for number in range(8)]
        futures[1].cancel()
        await asyncio.wait(futures)

    async def main() -> list[Any]:
        bench = Bench(inline=in_turn(way))
        await ask(bench)
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await ask(bench)
            await asyncio.sleep(60)  # its timers are gone by now
            gc.collect()
            return [thing for thing in gc.garbage if isinstance(thing, (FutureWaiter, Pending, Batch))]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()

    assert run_virtually(main()) == []


def test_a_refused_item_leaves_nothing_for_the_garbage_collector() -> None:
    """Least of all under overload."""

    class Thing:
        pass

    async def main() -> Any:  # noqa: ANN401 - what a weak reference has
        batcher: Batcher[Thing, Thing] = Batcher(echo, Limits(max_queue_rows=1, max_wait=1.0))
        thing = Thing()
        gone = weakref.ref(thing)
        batcher.submit(Thing())
        for item in (thing, Thing()):  # the batcher keeps the last refusal, and that its traceback
            with pytest.raises(QueueFull):
                batcher.submit(item)
        del item, thing
        batcher.close()
        return gone()

    gc.disable()
    try:
        assert run_virtually(main()) is None
    finally:
        gc.enable()


@pytest.mark.parametrize("way", WAYS)
def test_a_full_batch_starts_before_the_turn_ends(way: list[bool]) -> None:
    """A turn may bring in thousands of items, and take longer than the first of them can wait."""

    async def main() -> None:
        bench = Bench(limits=Limits(max_batch_rows=4), inline=in_turn(way))
        futures = [bench.batcher.submit(number) for number in range(4)]
        assert bench.batcher.statistics().queued_rows == 0
        assert [future.done() for future in futures] == [way[0]] * 4
        futures += [bench.batcher.submit(number) for number in range(4, 9)]
        assert await asyncio.gather(*futures) == list(range(9))
        assert [len(event.waits) for event in bench.events] == [4, 4, 1]

    run_virtually(main())


class Manual(Executor):
    """Calls return when a test wants them to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Future[Any], list[Any]]] = []

    def submit(self, _fn: Callable[..., Any], /, *args: Any, **_kwargs: Any) -> Future[Any]:  # noqa: ANN401
        """See ``Executor.submit``."""
        call: Future[Any] = Future()
        self.calls.append((call, args[0]))
        return call


def test_an_engine_that_has_returned_does_not_idle_while_a_turn_lasts() -> None:
    """The next item to come notices, those who waited are answered, and the next batch starts."""

    async def main() -> None:
        executor = Manual()
        batcher: Batcher[str, str] = Batcher(echo, Limits(max_wait=0.0), executor=executor)
        first = batcher.submit("first")
        await asyncio.sleep(0)
        second = batcher.submit("second")
        (call, items), *_ = executor.calls
        call.set_result(items)
        assert not first.done()
        third = batcher.submit("third")
        assert first.done()
        assert [items for _, items in executor.calls] == [["first"], ["second"]]
        for _ in range(3):
            call, items = executor.calls[-1]
            if not call.done():
                call.set_result(items)
            await asyncio.sleep(0)
        assert [await first, await second, await third] == ["first", "second", "third"]

    run_virtually(main())


@pytest.mark.parametrize("way", WAYS)
def test_a_caller_that_raises_harms_nobody_else(way: list[bool]) -> None:
    """Nor does an observer: all others are answered, and what was raised is reported to the event loop."""

    class Faulty(FutureWaiter):
        def set_result(self, result: int) -> None:
            super().set_result(result)
            raise ArithmeticError("a caller's")

    def observe(_event: BatchEvent) -> None:
        raise ArithmeticError("an observer's")

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        reported: list[str] = []
        loop.set_exception_handler(lambda _loop, context: reported.append(str(context["exception"])))
        executor = VirtualExecutor(loop, cost)
        limits = Limits(max_batch_rows=3)
        batcher: Batcher[int, int] = Batcher(echo, limits, executor=executor, inline=in_turn(way), observer=observe)
        faulty = Faulty()
        faulty.item, faulty.future = 0, Pending(faulty, batcher.cancel, loop)
        batcher.enqueue(faulty)
        assert await asyncio.gather(*(batcher.submit(number) for number in range(1, 7))) == list(range(1, 7))
        return reported

    reported = run_virtually(main())
    assert reported.count("a caller's") == 1
    assert reported.count("an observer's") == 3


def test_a_caller_may_submit_again_from_within_its_answer() -> None:
    """Over and over: the next call starts when this one is settled, not within it."""

    class Again(FutureWaiter):
        over: asyncio.Event
        batcher: Batcher[int, int]

        def set_result(self, result: int) -> None:
            super().set_result(result)
            if result < 5000:
                ask(result + 1)
            else:
                self.over.set()

    def ask(number: int) -> None:
        waiter = Again()
        waiter.item = number
        waiter.future = Pending(waiter, Again.batcher.cancel, asyncio.get_running_loop())
        Again.batcher.enqueue(waiter)

    async def main() -> None:
        Again.over = asyncio.Event()
        Again.batcher = Batcher(echo, Limits(max_batch_items=1))
        ask(0)
        await Again.over.wait()

    run_virtually(main())
