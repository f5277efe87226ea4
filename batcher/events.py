"""What an observer of the batcher is told."""

from dataclasses import dataclass
from typing import Final, Protocol

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


@dataclass(frozen=True, slots=True)
class BatchEvent:
    """One call of the engine has ended.

    Attributes:
        waits: seconds that each item of the batch waited for the call to start, in order of arrival.
        rows: rows in the batch.
        duration: seconds from the start of the call until its outcome was back on the event loop.
        error: what the engine raised; None if it succeeded.
    """

    waits: list[float]
    rows: int
    duration: float
    error: BaseException | None


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
