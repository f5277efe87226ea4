# cython: language_level=3, annotation_typing=False
"""When to run a batch, and whom to refuse: pure functions of what is known now. Times and costs are in seconds."""

import math
from dataclasses import dataclass

from batcher.errors import DeadlineUnreachable, Overloaded, QueueFull
from batcher.estimates import ArrivalEstimator, CostModel


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds that the batcher keeps.

    Attributes:
        max_batch_rows: most rows in one engine call.
        max_queue_rows: most rows waiting, those in the engine not counted.
        max_wait: longest time, in seconds, that an idle engine may wait for company for a queued item.
        max_batch_items: most items in one engine call; 1 turns batching off.
    """

    max_batch_rows: int = 1024
    max_queue_rows: int = 20_000
    max_wait: float = 0.002
    max_batch_items: float = math.inf

    def __post_init__(self) -> None:
        if min(self.max_batch_rows, self.max_queue_rows, self.max_batch_items) < 1:
            raise ValueError("a batch and the queue must have room for at least one row")
        if self.max_wait < 0:
            raise ValueError("max_wait must not be negative")


@dataclass(frozen=True, slots=True)
class Flush:
    """Run a batch now."""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Look again at ``time``, or when something arrives."""

    time: float


FLUSH = Flush()

TIMER_RESOLUTION = 0.0005
"""Waits shorter than this are not taken: event loops round their timers to milliseconds."""


def flush_or_wait(
    limits: Limits, cost: CostModel, arrivals: ArrivalEstimator, now: float, rows: int, items: int, since: float
) -> Flush | WaitUntil:
    """Decide what an idle engine does with a queue that is not empty.

    Let n items be queued and m more expected, one every ``gap`` seconds, each with as many rows as those queued. If
    the engine starts now, the n take fixed + per_row x rows, and the m wait for that and then for a call of their own.
    If it waits for the m, all take one call, but the n start m x gap later and compute the m's rows too. Adding up
    everybody's latency, waiting is the better choice when

        gap < (fixed - per_row x rows) / (n + m),

    and gathering the m is worth m times as much. So the engine waits for those of the crowd who are missing and would
    fit, only if they arrive fast enough, and no longer than that in all, nor than ``max_wait``. A lone client, a crowd
    of one, does not wait; the last of a crowd that has just left may, once, before it is known to be alone. A busy
    engine asks nothing: it gathers what arrives.

    Args:
        limits: the bounds to keep.
        cost: the learned cost of a call.
        arrivals: who is expected.
        now: the present.
        rows: rows queued.
        items: items queued, at least one.
        since: when the engine was first idle and the queue not empty.
    """
    missing = min(arrivals.callers, items_per_batch(limits, rows, items)) - items
    if missing <= 0:
        return FLUSH
    call_timeout = (cost.fixed - cost.per_row * rows) / (items + missing)
    if arrivals.gap >= call_timeout:
        return FLUSH
    until = since + min(missing * call_timeout, limits.max_wait)
    return WaitUntil(until) if until - now >= TIMER_RESOLUTION else FLUSH


def items_per_batch(limits: Limits, rows: int, items: int) -> int:
    """How many items fit into a batch, if all are as large as ``items`` items of ``rows`` rows are on average."""
    most_rows, most_items = limits.max_batch_rows, limits.max_batch_items
    return int(min(max(1, most_rows * items // rows), most_items))


def seconds_for(limits: Limits, cost: CostModel, rows: int, items: int) -> float:
    """Predict how long the engine takes for ``items`` queued items of ``rows`` rows in all; items are not split."""
    if not items:
        return 0.0
    return cost.seconds(rows, calls=math.ceil(items / items_per_batch(limits, rows, items)))


def seconds_left(now: float, started: float, expected: float) -> float:
    """Predict how long a batch that started at ``started`` and was expected to take ``expected`` will still take.

    A batch that is overdue is taken to need as long again as it is late, so that a stuck engine is noticed.
    """
    return abs(started + expected - now)


def refuse(
    limits: Limits,
    cost: CostModel,
    *,
    rows: int,
    timeout: float,
    queued_rows: int,
    queued_items: int,
    running: float | None,
) -> Overloaded | None:
    """Decide whether a new item is refused; None admits it.

    An item is refused if the queue has no room for it, or if by the learned cost the batches ahead of its own take
    longer than it may wait. With nothing ahead of it an item is always admitted: only a call can correct a cost that
    was learned too high.

    Args:
        limits: the bounds to keep.
        cost: the learned cost of a call.
        rows: rows of the new item.
        timeout: seconds that it may wait in the queue.
        queued_rows: rows queued.
        queued_items: items queued.
        running: seconds that the running batch will still take; None while the engine is idle.

    Returns:
        The error to raise. Its ``retry_after`` is the predicted time until the queue has room, or until the backlog
        has shrunk to what the caller can wait for.
    """
    ahead = running or 0.0
    excess = queued_rows + rows - limits.max_queue_rows
    if excess > 0:
        leaving = math.ceil(queued_items * excess / queued_rows) if queued_rows else 0
        retry_after = ahead + seconds_for(limits, cost, excess, leaving)
        return QueueFull(f"{queued_rows} rows are queued, {limits.max_queue_rows} fit", retry_after)
    total_rows, total_items = queued_rows + rows, queued_items + 1
    fitting = items_per_batch(limits, total_rows, total_items)
    batches = queued_items // fitting
    wait = ahead + cost.seconds(batches * fitting * total_rows / total_items, calls=batches)
    if wait > timeout:
        return DeadlineUnreachable(f"the backlog takes {wait:.3g} s", retry_after=wait - timeout)
    return None
