# cython: language_level=3, annotation_typing=False
"""The worker between the queue and the engine. All decisions are policy's; this module carries them out."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from batcher.calls import Calls
from batcher.errors import EngineFailed, EngineStuck
from batcher.intake import STUCK, Intake
from batcher.outcomes import Outcomes
from batcher.policy import FLUSH, Flush, Limits, WaitUntil, flush_or_wait
from batcher.waiter import Batch


class Worker:
    """Takes batches out of the queue, has the engine called with each, and hands on what comes of it.

    Args:
        limits: the bounds to keep.
        engine: see ``Batcher``, as the next two.
        executor: runs the engine, unless ``inline`` says otherwise.
        inline: whether to run it on the event loop.
        timeout: seconds that an item may wait in the queue, at most.
        call_timeout: seconds after which a call in the executor is stuck.
        clock: seconds, monotonic.
        loop: the event loop.
        outcomes: tells waiters and the observer.

    Attributes:
        calls: those of the engine.
        intake: takes the items in, and has what is known of them.
        drained: set when a drain has nothing more to wait for.
    """

    __slots__ = (
        "_arrivals",
        "_clock",
        "_company_timer",
        "_cost",
        "_expiry",
        "_idle_since",
        "_limits",
        "_loop",
        "_outcomes",
        "_queue",
        "calls",
        "drained",
        "intake",
    )

    def __init__(
        self,
        limits: Limits,
        engine: Callable[[list[Any]], Sequence[Any]],
        executor: Executor | None,
        inline: Callable[[float, list[Any]], bool],
        *,
        timeout: float,
        call_timeout: float,
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
        outcomes: Outcomes,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._loop = loop
        self._outcomes = outcomes
        self._idle_since = float("-inf")
        self._company_timer: asyncio.TimerHandle | None = None
        self.drained = asyncio.Event()
        self.calls = Calls(engine, executor, inline, call_timeout, loop, finished=self._finish, stuck=self._give_up)
        self.intake = Intake(
            limits, timeout, clock, loop, self.calls, outcomes, turn=self.turn, expired=self.check_drained
        )
        self._queue = self.intake.queue
        self._expiry = self.intake.expiry
        self._cost = self.intake.cost
        self._arrivals = self.intake.arrivals

    def turn(self) -> None:
        """Start what is due, if the engine is idle."""
        self.intake.awake()
        if self._company_timer is not None:
            self._company_timer.cancel()
            self._company_timer = None
        if self.calls.batch is not None:
            return
        now = self._clock()
        self._expiry.expire(now)
        if self._queue.items and self.calls.batch is None:
            decision = self._decide(now)
            if isinstance(decision, WaitUntil):
                self._company_timer = self._loop.call_later(decision.time - now, self.turn)
            else:
                self._start(now)
        self.check_drained()

    def check_drained(self) -> None:
        """Tell a drain, if nothing is left to wait for."""
        if self.intake.draining and not self._queue.items and self.calls.batch is None:
            self.drained.set()
            self._expiry.stop()

    def _decide(self, now: float) -> Flush | WaitUntil:
        if self.intake.draining or self._queue.retrying():
            return FLUSH
        return flush_or_wait(
            self._limits,
            self._cost,
            self._arrivals,
            now=now,
            rows=self._queue.rows,
            items=self._queue.items,
            since=max(self._queue.oldest(), self._idle_since),
        )

    def _start(self, now: float) -> None:
        waiters = self._queue.take(self._limits)
        rows = 0
        for waiter in waiters:
            rows += waiter.rows
        batch = Batch.__new__(Batch)
        batch.begin(waiters, rows, now, self._cost.seconds(rows))
        self.calls.start(batch, batch.enter())

    def _give_up(self, batch: Batch) -> None:
        """A call has not returned in time: nobody waits for it any more, and nothing else is begun until it does."""
        failure = EngineFailed(f"the engine has not returned within {self.calls.call_timeout:g} s")
        for waiter in batch.waiters:
            self._outcomes.fail(waiter, failure, "failed")
        for waiter in self._queue.clear():
            self._outcomes.fail(waiter, EngineStuck(STUCK), "dropped")

    def _finish(self, batch: Batch, results: Sequence[Any] | None, error: BaseException | None) -> None:
        """Answer the callers of a batch, or halve it, and let the engine go on."""
        now = self._clock()
        batch.finished = self._idle_since = now
        self.intake.settling = True
        still_there = batch.still_there()
        self._arrivals.answered(now, still_there + self._queue.items)
        if results is not None:
            if not batch.stuck:  # which tells nothing of what a call costs
                self._cost.observe(batch.rows, now - batch.started)
            self._outcomes.answer(batch, results, still_there)
        else:
            self._outcomes.counts.failed_batches += 1
            self._divide(batch, error)
        self.intake.settling = False
        if self._queue.items or self.intake.draining:
            self.intake.wake()
        self._outcomes.observe(batch, error)
        batch.waiters = []  # who know their batch: each would keep the other until the garbage collector comes
        if self._queue.items and not batch.inline:
            self.turn()  # at once: a turn of the loop may be long, and the engine would idle

    def _divide(self, batch: Batch, error: BaseException | None) -> None:
        """A call has failed: try its items in halves, or tell the only one."""
        if len(batch.waiters) == 1:
            failure = EngineFailed("the engine failed on this item")
            failure.__cause__ = error
            self._outcomes.fail(batch.waiters[0], failure, "failed")
        else:
            middle = len(batch.waiters) // 2
            self._queue.put_back(batch.waiters[middle:])
            self._queue.put_back(batch.waiters[:middle])
            self._expiry.watch(batch.finished)
