"""One call of the engine after another, in virtual time."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

import pytest

from batcher import Batch
from batcher.calls import Calls
from batcher.testing import run_virtually

PATIENCE = 2.0


class Manual(Executor):
    """Its one call returns when a test wants it to."""

    call: Future[list[str]]

    def submit(self, _fn: Callable[..., object], /, *_args: object, **_kwargs: object) -> Future[list[str]]:  # type: ignore[override]
        """See ``Executor.submit``."""
        self.call = Future()
        return self.call


class Bench:
    """Calls, and what they told.

    Attributes:
        told: for each call that has ended, its results or its error; "stuck" for each that was found to be so.
    """

    def __init__(self, engine: Callable[[list[str]], Sequence[str]] = list, executor: Executor | None = None) -> None:
        self.told: list[object] = []
        self.loop = asyncio.get_running_loop()
        in_executor = lambda _seconds, _items: False  # noqa: E731
        self.calls: Calls = Calls(
            engine, executor, in_executor, PATIENCE, self.loop, finished=self._finished, stuck=self._stuck
        )

    def start(self, *items: str) -> Batch:
        """Start a call."""
        batch = Batch((), len(items), self.loop.time(), 0.1)
        self.calls.start(batch, list(items))
        return batch

    def _finished(self, _batch: Batch, results: Sequence[str] | None, error: BaseException | None) -> None:
        assert self.calls.batch is None
        self.told.append(error if results is None else list(results))

    def _stuck(self, batch: Batch) -> None:
        assert self.calls.batch is batch
        self.told.append("stuck")


def test_who_looks_before_the_loop_comes_round_takes_the_outcome() -> None:
    """And the loop, when it comes round, takes neither that nor the next call for one that has returned."""

    async def main() -> None:
        executor = Manual()
        bench = Bench(executor=executor)
        batch = bench.start("a")
        assert bench.calls.batch is batch
        assert bench.calls.returned is None
        executor.call.set_result(["a"])
        assert bench.calls.returned is not None
        bench.calls.collect()
        assert bench.told == [["a"]]
        batch = bench.start("b")
        await asyncio.sleep(PATIENCE / 2)
        assert bench.told == [["a"]]
        assert bench.calls.batch is batch
        executor.call.set_result(["b"])
        await asyncio.sleep(0)
        assert bench.told == [["a"], ["b"]]

    run_virtually(main())


def test_a_call_is_stuck_until_it_returns() -> None:
    """That is told once, and its outcome is told as well."""

    async def main() -> None:
        executor = Manual()
        bench = Bench(executor=executor)
        bench.start("a")
        await asyncio.sleep(PATIENCE - 0.1)
        assert not bench.calls.stuck()
        await asyncio.sleep(3 * PATIENCE)
        assert bench.calls.stuck()
        executor.call.set_result(["a"])
        await asyncio.sleep(0)
        assert not bench.calls.stuck()
        assert bench.told == ["stuck", ["a"]]

    run_virtually(main())


def test_a_call_that_returned_while_the_loop_was_late_is_not_taken_to_be_stuck() -> None:
    """A process that was stopped for a while has its timers run before it hears of the call."""

    async def main() -> None:
        executor = Manual()
        bench = Bench(executor=executor)
        bench.start("a")
        # So close to each other that both timers run in one round of the loop: what the first has the loop do comes
        # after the second.
        bench.loop.call_later(PATIENCE - 5e-10, executor.call.set_result, ["a"])
        await asyncio.sleep(3 * PATIENCE)
        assert bench.told == [["a"]]

    run_virtually(main())


def test_a_cancelled_call_is_a_failure() -> None:
    """As by an executor that is shut down with calls in its queue."""

    async def main() -> None:
        executor = Manual()
        bench = Bench(executor=executor)
        bench.start("a")
        executor.call.cancel()
        await asyncio.sleep(0)
        (error,) = bench.told
        assert isinstance(error, asyncio.CancelledError)

    run_virtually(main())


def test_an_interrupt_on_the_event_loop_goes_on_when_it_was_told() -> None:
    """It is the process that is to end, and not only the call; the engine is idle afterwards."""

    def interrupted(_items: list[str]) -> list[str]:
        raise KeyboardInterrupt

    async def main() -> None:
        bench = Bench(interrupted)
        with pytest.raises(KeyboardInterrupt):
            bench.start("a")
        (error,) = bench.told
        assert isinstance(error, KeyboardInterrupt)
        assert bench.calls.batch is None

    run_virtually(main())
