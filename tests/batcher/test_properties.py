"""Whatever happens, in whatever order: each accepted item is answered exactly once, and the bounds are kept."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher import Batcher, BatcherError, BatchEvent, Closed, DeadlineExceeded, EngineFailed, Limits, Overloaded
from batcher.testing import VirtualExecutor, VirtualLoop, run_virtually


@dataclass(frozen=True)
class Client:
    """What one caller does."""

    at: float
    rows: int
    timeout: float
    cancel_after: float | None
    poisonous: bool


@dataclass(frozen=True)
class Scenario:
    """A random program: who asks when, what the engine does, and when the drain begins."""

    limits: Limits
    clients: list[Client]
    fixed: float
    per_row: float
    inline_below: float
    flaky_calls: frozenset[int]
    drain_at: float | None
    drain_timeout: float | None


@dataclass
class Log:
    """What happened."""

    outcomes: dict[int, list[str]] = field(default_factory=dict)
    calls: list[tuple[float, float, list[int]]] = field(default_factory=list)


TIMES = st.floats(0, 0.05)
CLIENTS = st.builds(
    Client,
    at=TIMES,
    rows=st.integers(1, 8),
    timeout=st.floats(0.0005, 0.2),
    cancel_after=st.none() | st.floats(0, 0.03),
    poisonous=st.integers(0, 9).map(lambda number: number == 0),
)
SCENARIOS = st.builds(
    Scenario,
    limits=st.builds(
        Limits,
        max_batch_rows=st.integers(8, 24),
        max_queue_rows=st.integers(8, 60),
        max_wait=st.sampled_from([0.0, 0.001, 0.005]),
        max_batch_items=st.sampled_from([1, 3, 1000]),
    ),
    clients=st.lists(CLIENTS, min_size=1, max_size=40),
    fixed=st.floats(0, 0.01),
    per_row=st.floats(0, 0.001),
    # Every call in the executor, the short ones on the event loop, or all of them.
    inline_below=st.sampled_from([0.0, 0.002, 0.005, math.inf]),
    flaky_calls=st.frozensets(st.integers(0, 10), max_size=3),
    drain_at=st.none() | TIMES,
    drain_timeout=st.none() | st.floats(0, 0.02),
)


async def play(scenario: Scenario) -> tuple[Log, Batcher[int, int], list[BatchEvent]]:
    """Run a scenario to its end."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    log = Log()
    events: list[BatchEvent] = []
    clients = scenario.clients
    on_loop = False

    def inline(expected: float, _items: Sequence[int]) -> bool:
        nonlocal on_loop
        on_loop = expected < scenario.inline_below
        return on_loop

    def seconds(items: Sequence[int]) -> float:
        duration = scenario.fixed + scenario.per_row * sum(clients[item].rows for item in items)
        log.calls.append((loop.time(), loop.time() + duration, list(items)))
        return duration

    calls = 0

    def engine(items: list[int]) -> list[int]:
        nonlocal calls
        calls += 1
        if on_loop:
            loop._jump(seconds(items))  # nothing else happens meanwhile
        if calls - 1 in scenario.flaky_calls and len(items) > 1:
            raise OSError("a passing fault")
        if any(clients[item].poisonous for item in items):
            raise ArithmeticError("poison")
        return [item * 10 for item in items]

    batcher = Batcher(
        engine,
        scenario.limits,
        executor=VirtualExecutor(loop, seconds),
        inline=inline,
        timeout=1.0,
        observer=events.append,
        clock=loop.time,
    )

    async def ask(number: int) -> None:
        client = clients[number]
        await asyncio.sleep(client.at)
        outcomes = log.outcomes[number] = []
        try:
            future = batcher.submit(number, client.rows, timeout=client.timeout)
        except (Overloaded, Closed) as error:
            outcomes.append(f"not accepted: {type(error).__name__}")
            return
        future.add_done_callback(lambda done: outcomes.append(describe(done, number)))
        if client.cancel_after is not None:
            loop.call_later(client.cancel_after, future.cancel)
        await asyncio.wait([future])

    async def drain() -> None:
        if scenario.drain_at is not None:
            await asyncio.sleep(scenario.drain_at)
            await batcher.drain(scenario.drain_timeout)

    await asyncio.gather(drain(), *(ask(number) for number in range(len(clients))))
    await asyncio.sleep(1)
    return log, batcher, events


def describe(future: asyncio.Future[int], number: int) -> str:
    """The outcome of an accepted item in a word; anything unexpected raises."""
    if future.cancelled():
        return "cancelled"
    error = future.exception()
    if error is None:
        assert future.result() == number * 10, "somebody else's result"
        return "answered"
    assert isinstance(error, DeadlineExceeded | EngineFailed | Closed), error
    return type(error).__name__


@given(SCENARIOS)
def test_every_accepted_item_is_answered_exactly_once(scenario: Scenario) -> None:
    """Each caller sees one outcome, the right one; the counts agree; nothing is left behind."""
    log, batcher, events = run_virtually(play(scenario))
    for number, client in enumerate(scenario.clients):
        assert len(log.outcomes[number]) == 1, log.outcomes[number]
        outcome = log.outcomes[number][0]
        if client.poisonous:
            assert outcome != "answered"
        else:
            assert outcome != "EngineFailed", "an innocent item failed"
        if outcome == "cancelled":
            assert client.cancel_after is not None
        if outcome == "Closed":
            assert scenario.drain_timeout is not None
    counts = batcher.statistics()
    outcomes = [outcomes[0] for outcomes in log.outcomes.values()]
    assert counts.accepted == sum(not outcome.startswith("not accepted") for outcome in outcomes)
    assert counts.answered == outcomes.count("answered")
    assert counts.failed == outcomes.count("EngineFailed")
    assert counts.cancelled == outcomes.count("cancelled")
    assert counts.expired == outcomes.count("DeadlineExceeded")
    assert counts.dropped == outcomes.count("Closed")
    assert counts.queued_items == counts.queued_rows == counts.running_rows == 0
    assert len(events) == len(log.calls)


@given(SCENARIOS)
def test_no_batch_exceeds_its_bounds_and_no_two_overlap(scenario: Scenario) -> None:
    """Batches keep both bounds, run one at a time, and take their items in the order of arrival."""
    log, _, _ = run_virtually(play(scenario))
    for _, _, items in log.calls:
        assert sum(scenario.clients[item].rows for item in items) <= scenario.limits.max_batch_rows
        assert len(items) <= scenario.limits.max_batch_items
        arrivals = [scenario.clients[item].at for item in items]
        assert arrivals == sorted(arrivals)
    for (_, end, _), (start, _, _) in zip(log.calls, log.calls[1:], strict=False):
        assert start >= end - 1e-9


@given(SCENARIOS)
def test_nobody_waits_while_the_engine_is_idle_longer_than_the_policy_says(scenario: Scenario) -> None:
    """From the moment on which the engine is idle and an item is queued, a call starts within max_wait."""
    log, _, _ = run_virtually(play(scenario))
    idle_since = 0.0
    first_call: dict[int, int] = {}
    for index, (_, _, items) in enumerate(log.calls):
        for item in items:
            first_call.setdefault(item, index)
    for index, (start, end, items) in enumerate(log.calls):
        new = [item for item in items if first_call[item] == index]
        if new and not scenario.flaky_calls and not any(client.poisonous for client in scenario.clients):
            ready = max(idle_since, min(scenario.clients[item].at for item in new))
            assert start - ready <= scenario.limits.max_wait + 0.001
        idle_since = end


@given(st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=64))
def test_bisection_finds_exactly_the_guilty(items: list[tuple[int, bool]]) -> None:
    """For any set of poisonous items in a batch, those fail and all others are answered, in few calls."""

    async def main() -> None:
        calls = 0

        def engine(batch: list[int]) -> list[int]:
            nonlocal calls
            calls += 1
            if any(items[number][1] for number in batch):
                raise ArithmeticError
            return batch

        batcher = Batcher(engine, Limits(max_batch_rows=1000))
        futures = [batcher.submit(number, rows) for number, (rows, _) in enumerate(items)]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        guilty = sum(poisonous for _, poisonous in items)
        for number, (outcome, (_, poisonous)) in enumerate(zip(outcomes, items, strict=True)):
            assert isinstance(outcome, EngineFailed) if poisonous else outcome == number
        assert calls <= 1 + 2 * guilty * len(items).bit_length()

    asyncio.run(main())


def test_the_error_tree_has_one_root() -> None:
    """Whoever wants to catch everything that the batcher raises can."""
    for error in (Overloaded, Closed, DeadlineExceeded, EngineFailed):
        assert issubclass(error, BatcherError)
    with pytest.raises(BatcherError):
        raise Overloaded("no", 1.0)
