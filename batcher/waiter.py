"""Who waits for a result: what the batcher needs to know of a caller, and how it tells it the outcome."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_Taken = TypeVar("_Taken", contravariant=True)


@dataclass(slots=True)
class Batch:
    """One call of the engine.

    Attributes:
        waiters: whose items it is given.
        rows: rows of all items.
        started: when the call began, in seconds of the batcher's clock.
        expected: seconds that it is expected to take.
        finished: when its outcome was back on the event loop; 0 before.
        inline: whether it runs on the event loop itself.
        stuck: whether it has not returned in time.
    """

    waiters: "Sequence[Waiter[Any, Any]]"
    rows: int
    started: float
    expected: float
    finished: float = 0.0
    inline: bool = True
    stuck: bool = False


class Waiter(Protocol[Item, _Taken]):
    """A caller, and its entry in the queue.

    Attributes:
        item: what the engine is to be given; the caller sets it.
        rows: how much of a batch it takes up; the caller sets it.
        arrived: when it was submitted, in seconds.
        deadline: until when it may wait, in seconds.
        part: the part of the queue that it stands in; None while it is in the engine, and afterwards.
        batch: the last call of the engine that it took part in; not set before.
    """

    item: Item
    rows: int
    arrived: float
    deadline: float
    part: "OrderedDict[Any, None] | None"
    batch: Batch

    def done(self) -> bool:
        """Whether it no longer waits."""

    def set_result(self, result: _Taken, /) -> None:
        """Take the result. Called at most once, from the event loop, and not if ``done``."""

    def set_exception(self, error: Exception, /) -> None:
        """Take the failure; likewise."""


class FutureWaiter(asyncio.Future[Result], Generic[Item, Result]):
    """A future that waits; cancelling it is giving up."""

    __slots__ = ("arrived", "batch", "deadline", "item", "on_cancel", "part", "rows")

    item: Item
    rows: int
    arrived: float
    deadline: float
    part: "OrderedDict[Any, None] | None"
    batch: Batch
    on_cancel: Callable[["FutureWaiter[Item, Result]"], None]

    def cancel(self, msg: object = None) -> bool:
        """See ``asyncio.Future.cancel``."""
        if not super().cancel(msg):
            return False
        self.on_cancel(self)
        return True
