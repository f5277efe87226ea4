"""What an observer of the batcher is told."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BatchEvent:
    """One call of the engine has ended.

    Attributes:
        items: items in the batch.
        rows: rows in the batch.
        queue_wait: seconds from the arrival of the oldest item of the batch to the start of the call.
        duration: seconds from the start of the call until its outcome was back on the event loop.
        error: what the engine raised; None if it succeeded.
        queued_rows: rows in the queue when the call ended.
    """

    items: int
    rows: int
    queue_wait: float
    duration: float
    error: BaseException | None
    queued_rows: int


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
        refused: items refused because of overload.
        dropped: items that a drain had to give up.
        batches: calls of the engine that succeeded.
        batched_rows: rows in those calls.
        cost_fixed: learned seconds of a call.
        cost_per_row: learned seconds that each row adds.
        draining: whether new items are refused.
    """

    queued_items: int
    queued_rows: int
    running_rows: int
    accepted: int
    answered: int
    failed: int
    cancelled: int
    expired: int
    refused: int
    dropped: int
    batches: int
    batched_rows: int
    cost_fixed: float
    cost_per_row: float
    draining: bool
