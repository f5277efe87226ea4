"""The worker between the queue and the engine. All decisions are policy's; this module carries them out."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

from batcher import policy
from batcher.calls import Calls
from batcher.errors import Closed, EngineFailed, EngineStuck
from batcher.events import COUNTED, Observer, Statistics
from batcher.future import FutureWaiter, Pending
from batcher.intake import STUCK, Intake
from batcher.outcomes import Outcomes
from batcher.waiter import Batch, Waiter

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Gathers items from many callers and answers them by few calls of an engine.

    One call runs at a time. While it runs, the queue gathers; an idle engine starts at the end of the event-loop turn
    in which an item arrives, unless ``policy.flush_or_wait`` finds that waiting for company pays. Items share batches
    first come, first served, and are never split over two. If a call fails, its batch is halved until only the items
    that fail alone are left; all others are answered.

    Use it from one event loop only.

    Args:
        engine: called with the items of a batch, returns one result an item, in order.
        limits: the bounds to keep.
        executor: runs the engine; None runs it on the event loop, which suits calls of microseconds.
        inline: asked before each call, with the seconds that it is expected to take and with its items, whether to run
            it on the event loop all the same: handing a short call to a thread and back costs more than the call.
        timeout: seconds that an item may wait in the queue unless ``submit`` says less.
        call_timeout: seconds after which a call that the executor runs is taken to be stuck: its items fail, and until
            it returns all others are refused. A call on the event loop cannot be watched from there.
        observer: told of each call of the engine.
        clock: seconds, monotonic. The event loop's own clock may have a resolution of milliseconds only.

    Attributes:
        intake: takes the items in; who comes by thousands a second may ask it directly.
    """

    def __init__(
        self,
        engine: Callable[[list[Item]], Sequence[Result]],
        limits: policy.Limits | None = None,
        *,
        executor: Executor | None = None,
        inline: Callable[[float, list[Item]], bool] = lambda _seconds, _items: False,
        timeout: float = 30.0,
        call_timeout: float = math.inf,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits or policy.Limits()
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._idle_since = float("-inf")
        self._outcomes = Outcomes(self._loop, observer)
        self._calls = Calls(
            engine, executor, inline, call_timeout, self._loop, finished=self._finish, stuck=self._give_up
        )
        self.intake = Intake(
            self._limits,
            timeout,
            clock,
            self._loop,
            self._calls,
            self._outcomes,
            turn=self._turn,
            expired=self._check_drained,
        )
        self._queue = self.intake.queue
        self._expiry = self.intake.expiry
        self._cost = self.intake.cost
        self._arrivals = self.intake.arrivals
        self._company_timer: asyncio.TimerHandle | None = None
        self._drained = asyncio.Event()

    def __repr__(self) -> str:
        busy = "busy" if self._calls.batch else "idle"
        state = "stuck" if self.stuck else "draining" if self.intake.draining else busy
        return f"<Batcher {state}, {self._queue!r}>"

    def statistics(self) -> Statistics:
        """Snapshot of what is queued, what has been done and what was learned."""
        running = self._calls.batch
        return Statistics(
            **{name: getattr(self._outcomes.counts, name) for name in COUNTED},
            queued_items=len(self._queue),
            queued_rows=self._queue.rows,
            running_rows=running.rows if running else 0,
            cost_fixed=self._cost.fixed,
            cost_per_row=self._cost.per_row,
            draining=self.intake.draining,
            stuck=self.stuck,
        )

    @property
    def stuck(self) -> bool:
        """Whether a call of the engine has not returned in time."""
        return self._calls.stuck()

    def observe(self, rows: int, seconds: float) -> None:
        """Tell the cost model of a call made elsewhere, such as a warm-up."""
        self._cost.observe(rows, seconds)

    def submit(self, item: Item, rows: int = 1, *, timeout: float | None = None) -> Pending[Result]:
        """Queue one item.

        Args:
            item: handed to the engine as it is.
            rows: how much of a batch it takes up.
            timeout: seconds that the item may wait in the queue, above 0; it only ever lowers the batcher's own.

        Returns:
            A future of the item's result. Cancelling it takes a queued item out of the queue. It fails with
            DeadlineExceeded if the deadline passes in the queue, EngineFailed if the engine fails on this item alone,
            Closed if a drain has to give it up.

        Raises:
            Closed, EngineStuck, BatchTooLarge, ValueError, Overloaded: as ``enqueue``.
        """
        waiter = FutureWaiter()
        waiter.item = item
        waiter.rows = rows
        return self.follow(waiter, timeout=timeout)

    def follow(self, waiter: FutureWaiter, *, timeout: float | None = None) -> Pending[Result]:
        """Queue a waiter, whose ``item`` and ``rows`` are set; as ``submit``."""
        future: Pending[Result] = Pending(waiter, self.cancel, self._loop)
        waiter.future = future
        try:
            self.intake.enqueue(waiter, timeout)
        except BaseException:
            waiter.future = None  # or each would keep the other until the garbage collector comes
            raise
        return future

    def raise_if_overloaded(self) -> None:
        """Refuse whatever comes, if that is known before it is looked at: an overload costs the less for it.

        What would have been refused an item of one row with the longest of timeouts, any other would be refused too,
        until the backlog shrinks or the time has come that it was told to come back. Calling this is never needed.

        Raises:
            Overloaded: the same error, until then.
        """
        self.intake.raise_if_overloaded()

    def enqueue(self, waiter: Waiter, *, timeout: float | None = None) -> None:
        """Queue a caller that is told of the outcome by a call, which is cheaper than a future.

        Args:
            waiter: its ``item`` and ``rows`` are set. If it gives up, it must ``cancel``.
            timeout: see ``submit``.

        Raises:
            Closed: the batcher is draining.
            EngineStuck: a call of the engine does not return.
            BatchTooLarge: the item can never fit.
            ValueError: the timeout is not above 0.
            Overloaded: the item is refused; the error tells when to try again.
        """
        self.intake.enqueue(waiter, timeout)

    def cancel(self, waiter: Waiter) -> None:
        """The caller has given up: free its rows if they are still queued."""
        self._outcomes.counts.cancelled += 1
        if self._queue.remove(waiter):
            waiter.item = None  # whoever keeps the waiter for a while need not keep that
            self._check_drained()

    async def drain(self, timeout: float | None = None) -> None:
        """Refuse new items and wait until every accepted one is answered.

        Args:
            timeout: after so many seconds the batcher is closed.
        """
        self.intake.draining = True
        self.intake.wake()
        self._check_drained()
        try:
            await asyncio.wait_for(self._drained.wait(), timeout)
        except TimeoutError:
            self.close()

    def close(self) -> None:
        """Refuse new items and fail all that are not in the engine with Closed; the running call is not awaited."""
        self.intake.draining = True
        error = Closed("the batcher was closed before the item was served")
        for waiter in self._queue.clear():
            self._outcomes.fail(waiter, error, "dropped")
        self._check_drained()

    def _turn(self) -> None:
        """Start what is due, if the engine is idle."""
        self.intake.awake()
        if self._company_timer is not None:
            self._company_timer.cancel()
            self._company_timer = None
        if self._calls.batch is not None:
            return
        now = self._clock()
        self._expiry.expire(now)
        if self._queue and self._calls.batch is None:
            decision = self._decide(now)
            if isinstance(decision, policy.WaitUntil):
                self._company_timer = self._loop.call_later(decision.time - now, self._turn)
            else:
                self._start(self._queue.take(self._limits), now)
        self._check_drained()

    def _decide(self, now: float) -> policy.Flush | policy.WaitUntil:
        if self.intake.draining or self._queue.retrying():
            return policy.FLUSH
        return policy.flush_or_wait(
            self._limits,
            self._cost,
            self._arrivals,
            now=now,
            rows=self._queue.rows,
            items=len(self._queue),
            since=max(self._queue.oldest(), self._idle_since),
        )

    def _start(self, waiters: Sequence[Waiter], now: float) -> None:
        rows = sum([waiter.rows for waiter in waiters])
        batch = Batch(waiters, rows, now, self._cost.seconds(rows))
        self._calls.start(batch, batch.enter())

    def _give_up(self, batch: Batch) -> None:
        """A call has not returned in time: nobody waits for it any more, and nothing else is begun until it does."""
        failure = EngineFailed(f"the engine has not returned within {self._calls.call_timeout:g} s")
        for waiter in batch.waiters:
            self._outcomes.fail(waiter, failure, "failed")
        for waiter in self._queue.clear():
            self._outcomes.fail(waiter, EngineStuck(STUCK), "dropped")

    def _finish(self, batch: Batch, results: Sequence[Any] | None, error: BaseException | None) -> None:
        """Answer the callers of a batch, or halve it, and let the engine go on."""
        now = batch.finished = self._idle_since = self._clock()
        self.intake.settling = True
        still_there = batch.still_there()
        self._arrivals.answered(now, still_there + len(self._queue))
        if results is not None:
            if not batch.stuck:  # which tells nothing of what a call costs
                self._cost.observe(batch.rows, now - batch.started)
            self._outcomes.answer(batch, results, still_there)
        else:
            self._outcomes.counts.failed_batches += 1
            self._divide(batch, error)
        self.intake.settling = False
        self.intake.wake()
        self._outcomes.observe(batch, error)
        batch.waiters = []  # who know their batch: each would keep the other until the garbage collector comes
        if self._queue and not batch.inline:
            self._turn()  # at once: a turn of the loop may be long, and the engine would idle

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

    def _check_drained(self) -> None:
        if self.intake.draining and not (self._queue or self._calls.batch):
            self._drained.set()
            self._expiry.stop()
