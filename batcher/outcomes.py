# cython: language_level=3, annotation_typing=False
"""What waiters and the observer are told, and how often."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from batcher.waiter import Batch, Waiter

COUNTED: Final = (
    "accepted",
    "answered",
    "failed",
    "cancelled",
    "expired",
    "queue_full",
    "deadline_unreachable",
    "dropped",
    "batches",
    "batched_rows",
    "failed_batches",
)
"""What of the statistics only ever grows."""


class BatchEvent:
    """One call of the engine has ended.

    It is made for each call, and a frozen dataclass would take a microsecond to make.

    Args:
        waits: seconds that each item of the batch waited for the call to start, in order of arrival.
        rows: rows in the batch.
        duration: seconds from the start of the call until its outcome was back on the event loop.
        error: what the engine raised; None if it succeeded.

    Attributes:
        waits, rows, duration, error: see above; not to be changed.
    """

    __slots__ = ("duration", "error", "rows", "waits")

    def __init__(self, waits: list[float], rows: int, duration: float, error: BaseException | None) -> None:
        self.waits = waits
        self.rows = rows
        self.duration = duration
        self.error = error

    def __repr__(self) -> str:
        told = f"waits={self.waits!r}, rows={self.rows!r}, duration={self.duration!r}, error={self.error!r}"
        return f"BatchEvent({told})"


class Observer(Protocol):
    """Called on the event loop after each call of the engine, when its callers have been answered."""

    def __call__(self, event: BatchEvent, /) -> None:
        """Take note of ``event``; must be quick, and must not raise."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot of the batcher.

    Attributes:
        queued_items: items waiting, those of failed batches that are retried in parts included.
        queued_rows: rows of these.
        running_rows: rows in the engine.
        accepted: items accepted since the start.
        answered: items answered with a result.
        failed: items on which the engine failed.
        cancelled: items that their callers gave up before they were answered.
        expired: items whose deadline passed in the queue.
        queue_full: items refused because the queue had no room for them.
        deadline_unreachable: items refused because the backlog was longer than they could wait.
        dropped: items that a drain had to give up.
        batches: calls of the engine that succeeded.
        batched_rows: rows in those calls.
        failed_batches: calls of the engine that failed.
        cost_fixed: learned seconds of a call.
        cost_per_row: learned seconds that each row adds.
        draining: whether new items are refused.
        stuck: whether a call of the engine has not returned in time.
    """

    queued_items: int
    queued_rows: int
    running_rows: int
    accepted: int
    answered: int
    failed: int
    cancelled: int
    expired: int
    queue_full: int
    deadline_unreachable: int
    dropped: int
    batches: int
    batched_rows: int
    failed_batches: int
    cost_fixed: float
    cost_per_row: float
    draining: bool
    stuck: bool


class Counts:
    """How often each thing has happened; for what each means see ``Statistics``."""

    __slots__ = (
        "accepted",
        "answered",
        "batched_rows",
        "batches",
        "cancelled",
        "deadline_unreachable",
        "dropped",
        "expired",
        "failed",
        "failed_batches",
        "queue_full",
    )

    def __init__(self) -> None:
        self.accepted = self.answered = self.failed = self.cancelled = self.expired = self.dropped = 0
        self.queue_full = self.deadline_unreachable = 0
        self.batches = self.batched_rows = self.failed_batches = 0


class Outcomes:
    """Tells each waiter its outcome, and counts. What it raises thereupon is its own fault, and harms nobody else.

    Args:
        loop: whose exception handler hears of such faults.
        observer: see ``Batcher``.

    Attributes:
        counts: how often each thing has happened.
    """

    __slots__ = ("_loop", "_observer", "counts")

    def __init__(self, loop: asyncio.AbstractEventLoop, observer: Observer | None) -> None:
        self.counts = Counts()
        self._loop = loop
        self._observer = observer

    def answer(self, batch: Batch, results: Sequence[Any], waiting: int) -> None:
        """A call has succeeded.

        Args:
            batch: what it was for.
            results: one for each waiter of it.
            waiting: how many of these still wait.
        """
        self.counts.batches += 1
        self.counts.batched_rows += batch.rows
        self.counts.answered += waiting
        for place, result in enumerate(results):
            waiter = batch.waiters[place]
            if not waiter.done():
                try:
                    waiter.set_result(result)
                except Exception as fault:
                    self._report(fault)

    def fail(self, waiter: Waiter, error: Exception, count: str) -> None:
        """An item is not answered; its waiter is told why, if it still waits.

        Args:
            waiter: the item's.
            error: why.
            count: which of the counts goes up.
        """
        if not waiter.done():
            setattr(self.counts, count, getattr(self.counts, count) + 1)
            try:
                waiter.set_exception(error)
            except Exception as fault:
                self._report(fault)

    def observe(self, batch: Batch, error: BaseException | None) -> None:
        """A call has ended; its error is None if it succeeded."""
        if self._observer is not None:
            try:
                self._observer(BatchEvent(batch.waits(), batch.rows, batch.finished - batch.started, error))
            except Exception as fault:
                self._report(fault)

    def _report(self, fault: Exception) -> None:
        self._loop.call_exception_handler({"message": "a batcher's caller or observer raised", "exception": fault})
