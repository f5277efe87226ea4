"""What waiters and the observer are told, and how often."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Generic

from batcher.events import BatchEvent, Observer
from batcher.waiter import Batch, Result, Waiter


class Outcomes(Generic[Result]):
    """Tells each waiter its outcome, and counts. What it raises thereupon is its own fault, and harms nobody else.

    Args:
        loop: whose exception handler hears of such faults.
        observer: see ``Batcher``.

    Attributes:
        counts: by the names that ``Statistics`` has for them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, observer: Observer | None) -> None:
        self.counts: Counter[str] = Counter()
        self._loop = loop
        self._observer = observer

    def answer(self, batch: Batch, results: Sequence[Result], waiting: int) -> None:
        """A call has succeeded.

        Args:
            batch: what it was for.
            results: one for each waiter of it.
            waiting: how many of these still wait.
        """
        self.counts["batches"] += 1
        self.counts["batched_rows"] += batch.rows
        self.counts["answered"] += waiting
        for waiter, result in zip(batch.waiters, results, strict=True):
            if not waiter.done():
                try:
                    waiter.set_result(result)
                except Exception as fault:
                    self._report(fault)

    def fail(self, waiter: Waiter[Any, Any], error: Exception, count: str) -> None:
        """An item is not answered; its waiter is told why, if it still waits."""
        if not waiter.done():
            self.counts[count] += 1
            try:
                waiter.set_exception(error)
            except Exception as fault:
                self._report(fault)

    def observe(self, batch: Batch, error: BaseException | None) -> None:
        """A call has ended; its error is None if it succeeded."""
        if self._observer is not None:
            waits = [batch.started - waiter.arrived for waiter in batch.waiters]
            try:
                self._observer(BatchEvent(waits, batch.rows, batch.finished - batch.started, error))
            except Exception as fault:
                self._report(fault)

    def _report(self, fault: Exception) -> None:
        self._loop.call_exception_handler({"message": "a batcher's caller or observer raised", "exception": fault})
