# cython: language_level=3, annotation_typing=False
"""What comes in: refused at once, or queued."""

import asyncio
from collections.abc import Callable

from batcher.calls import Calls
from batcher.errors import BatchTooLarge, Closed, EngineStuck, Overloaded, QueueFull
from batcher.estimates import ArrivalEstimator, CostModel
from batcher.expiry import Expiry
from batcher.outcomes import Outcomes
from batcher.policy import Limits, refuse, seconds_left
from batcher.queue import Queue
from batcher.waiter import Batch, Waiter

STUCK = "a call of the engine does not return"
"""Why nothing is taken in."""


class Intake:
    """Takes items in, or refuses them, and wakes the engine.

    Args:
        limits: the bounds to keep.
        timeout: seconds that an item may wait in the queue, at most.
        clock: seconds, monotonic.
        loop: the event loop.
        calls: the engine's.
        outcomes: counts what becomes of the items.
        turn: starts what is due.
        expired: called when items have left the queue because their deadlines passed.

    Attributes:
        queue: what was taken in and waits.
        expiry: takes out what waits too long.
        cost: what a call costs, as far as that is known.
        arrivals: who is expected.
        draining: whether everything is refused.
        settling: whether callers are being answered: if one asks again, the engine starts at the end of the turn in any
            case, for no call may start within an answer.
    """

    __slots__ = (
        "_calls",
        "_clock",
        "_largest",
        "_limits",
        "_loop",
        "_most_batch_items",
        "_most_batch_rows",
        "_most_queue_rows",
        "_outcomes",
        "_refused",
        "_timeout",
        "_turn",
        "_turn_due",
        "arrivals",
        "cost",
        "draining",
        "expiry",
        "queue",
        "settling",
    )

    def __init__(
        self,
        limits: Limits,
        timeout: float,
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
        calls: Calls,
        outcomes: Outcomes,
        *,
        turn: Callable[[], None],
        expired: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._most_batch_rows = limits.max_batch_rows
        self._most_batch_items = limits.max_batch_items
        self._most_queue_rows = limits.max_queue_rows
        self._largest = min(limits.max_batch_rows, limits.max_queue_rows)
        self._timeout = timeout
        self._clock = clock
        self._loop = loop
        self._calls = calls
        self._outcomes = outcomes
        self._turn = turn
        self._turn_due = False
        self._refused: tuple[Overloaded, Batch | None, int, float] | None = None
        self.queue = Queue()
        self.expiry = Expiry(self.queue, outcomes, loop, clock, expired=expired)
        self.cost = CostModel()
        self.arrivals = ArrivalEstimator()
        self.draining = False
        self.settling = False

    def raise_if_overloaded(self) -> None:
        """See ``Batcher.raise_if_overloaded``."""
        calls = self._calls
        if calls.returned is not None:
            calls.collect()
        if self._refused is None or self.draining or calls.stuck():
            return
        refusal, batch, queued_rows, until = self._refused
        if batch is calls.batch and queued_rows <= self.queue.rows and self._clock() < until:
            self._count(refusal)
            raise refusal.with_traceback(None)  # or it would grow with each time
        self._refused = None

    def enqueue(self, waiter: Waiter, timeout: float | None = None) -> None:
        """See ``Batcher.enqueue``."""
        calls, queue = self._calls, self.queue
        if calls.returned is not None:
            # Not only when the loop comes round to it: with thousands of callers in one turn the engine would idle.
            calls.collect()
        running = calls.batch
        rows = waiter.rows
        if self.draining:
            raise Closed("the batcher is draining")
        if running is not None and running.stuck:
            raise EngineStuck(STUCK)
        if not 1 <= rows <= self._largest:
            raise BatchTooLarge(f"an item of {rows} rows never fits")
        allowed = self._timeout if timeout is None else min(timeout, self._timeout)
        if not allowed > 0:
            raise ValueError(f"a timeout of {timeout} s is not above 0")
        now = self._clock()
        apart = self.arrivals.arrival(now, self.cost.fixed)
        ahead = 0.0 if running is None else seconds_left(now, running.started, running.expected)
        total = queue.rows + rows
        # In time even if each item ahead took a call of its own: the common case, told at once.
        if total > self._most_queue_rows or ahead + self.cost.seconds(total, queue.items) > allowed:
            self._check(rows, allowed, now, running)

        waiter.arrived = now
        waiter.deadline = now + allowed
        self._outcomes.counts.accepted += 1
        queue.add(waiter)
        self.expiry.watch(now)
        if running is None:
            full = queue.rows >= self._most_batch_rows or queue.items >= self._most_batch_items
            if (full or apart) and not self.settling:
                self._turn()
            else:
                self.wake()

    def wake(self) -> None:
        """Let the engine decide at the end of this event-loop turn, so that all that arrives in it takes part."""
        if self._calls.batch is None and not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def awake(self) -> None:
        """The engine decides now."""
        self._turn_due = False

    def _check(self, rows: int, timeout: float, now: float, running: Batch | None) -> None:
        """Raise what refuses an item, if something does."""
        refusal = refuse(
            self._limits,
            self.cost,
            rows=rows,
            timeout=timeout,
            queued_rows=self.queue.rows,
            queued_items=self.queue.items,
            running=None if running is None else seconds_left(now, running.started, running.expected),
        )
        if refusal is None:
            return
        self._count(refusal)
        if rows == 1 and timeout == self._timeout:
            self._refused = refusal, running, self.queue.rows, now + refusal.retry_after
        try:
            raise refusal
        finally:
            del refusal  # its traceback has this frame, which would have it

    def _count(self, refusal: Overloaded) -> None:
        if isinstance(refusal, QueueFull):
            self._outcomes.counts.queue_full += 1
        else:
            self._outcomes.counts.deadline_unreachable += 1
