# cython: language_level=3, annotation_typing=False
"""Who waits for a result: what the batcher needs to know of a caller, and how it tells it the outcome."""

from collections.abc import Sequence
from typing import Any


class Batch:
    """One call of the engine.

    Args:
        waiters: whose items it is given.
        rows: rows of all items.
        started: when the call began, in seconds of the batcher's clock.
        expected: seconds that it is expected to take.

    Attributes:
        waiters, rows, started, expected: see above.
        finished: when its outcome was back on the event loop; 0 before.
        inline: whether it runs on the event loop itself.
        stuck: whether it has not returned in time.
    """

    __slots__ = ("expected", "finished", "inline", "rows", "started", "stuck", "waiters")

    def __init__(self, waiters: "Sequence[Waiter]", rows: int, started: float, expected: float) -> None:
        self.begin(waiters, rows, started, expected)

    def begin(self, waiters: "Sequence[Waiter]", rows: int, started: float, expected: float) -> None:
        """What the constructor does, for who makes one a request: to call that costs more than all of this."""
        self.waiters = list(waiters)
        self.rows = rows
        self.started = started
        self.expected = expected
        self.finished = 0.0
        self.inline = True
        self.stuck = False

    def enter(self) -> list[Any]:
        """Have the waiters know of it; returns their items."""
        items = []
        for waiter in self.waiters:
            waiter.batch = self
            items.append(waiter.item)
        return items

    def still_there(self) -> int:
        """How many of the waiters still wait."""
        count = 0
        for waiter in self.waiters:
            if not waiter.done():
                count += 1
        return count

    def waits(self) -> list[float]:
        """Seconds that each waiter waited for the call to start."""
        return [self.started - waiter.arrived for waiter in self.waiters]


class Waiter:
    """A caller, and its entry in the queue; to be subclassed.

    Attributes:
        item: what the engine is to be given; the caller sets it.
        rows: how much of a batch it takes up; the caller sets it.
        arrived: when it was submitted, in seconds.
        deadline: until when it may wait, in seconds.
        queued: whether it stands in the queue.
        in_order: whether nobody who came before it has a later deadline.
        batch: the last call of the engine that it took part in; None before.
    """

    __slots__ = ("arrived", "batch", "deadline", "in_order", "item", "queued", "rows")

    def __init__(self) -> None:
        self.item: Any = None
        self.rows = 1
        self.arrived = 0.0
        self.deadline = 0.0
        self.queued = False
        self.in_order = False
        self.batch: Batch = None  # type: ignore[assignment]  # before the first

    def done(self) -> bool:
        """Whether it no longer waits."""
        raise NotImplementedError

    def set_result(self, result: Any) -> None:  # noqa: ANN401 - what an engine gives
        """Take the result. Called at most once, from the event loop, and not if ``done``."""
        raise NotImplementedError

    def set_exception(self, error: Exception) -> None:
        """Take the failure; likewise."""
        raise NotImplementedError
