# cython: language_level=3, annotation_typing=False
"""What waiters and the observer are told, and how often."""

import asyncio
from collections.abc import Sequence
from typing import Any

from batcher.events import BatchEvent, Observer
from batcher.waiter import Batch, Waiter


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
