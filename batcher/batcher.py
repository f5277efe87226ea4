"""What callers use of a batcher. A worker (``worker``) has the engine called."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

from batcher import policy
from batcher.errors import Closed
from batcher.future import FutureWaiter, Pending
from batcher.outcomes import COUNTED, Observer, Outcomes, Statistics
from batcher.waiter import Waiter
from batcher.worker import Worker

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Gathers items from many callers and answers them by few calls of an engine.

    One call runs at a time. While it runs, the queue gathers; an idle engine starts at the end of the event-loop turn
    in which an item arrives, unless ``policy.flush_or_wait`` finds that waiting for company pays, or nothing suggests
    that there is any: then it starts at once (``ArrivalEstimator.arrival``). Items share batches first come, first
    served, and are never split over two. If a call fails, its batch is halved until only the items that fail alone are
    left; all others are answered.

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
        self._loop = asyncio.get_running_loop()
        self._outcomes = Outcomes(self._loop, observer)
        self._worker = Worker(
            limits or policy.Limits(),
            engine,
            executor,
            inline,
            timeout=timeout,
            call_timeout=call_timeout,
            clock=clock,
            loop=self._loop,
            outcomes=self._outcomes,
        )
        self._calls = self._worker.calls
        self.intake = self._worker.intake
        self._queue = self.intake.queue
        self._cost = self.intake.cost

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
            self._worker.check_drained()

    async def drain(self, timeout: float | None = None) -> None:
        """Refuse new items and wait until every accepted one is answered.

        Args:
            timeout: after so many seconds the batcher is closed.
        """
        self.intake.draining = True
        self.intake.wake()
        self._worker.check_drained()
        try:
            await asyncio.wait_for(self._worker.drained.wait(), timeout)
        except TimeoutError:
            self.close()

    def close(self) -> None:
        """Refuse new items and fail all that are not in the engine with Closed; the running call is not awaited."""
        self.intake.draining = True
        error = Closed("the batcher was closed before the item was served")
        for waiter in self._queue.clear():
            self._outcomes.fail(waiter, error, "dropped")
        self._worker.check_drained()
