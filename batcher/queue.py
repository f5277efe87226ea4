"""What waits for the engine: who asked, in which order, and until when."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic

from batcher.deadlines import Deadlines
from batcher.policy import Limits
from batcher.waiter import Item, Result, Waiter


class Queue(Generic[Item, Result]):
    """Waiters in order of arrival, and the parts of failed batches, each to be tried as a batch of its own.

    Both wait alike: they count, expire and leave in the same way, and they take turns, so that neither waits for all
    of the other.

    Attributes:
        rows: rows of all that wait.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._items = 0
        self._arrived: OrderedDict[Waiter[Item, Result], None] = OrderedDict()
        self._failed: list[OrderedDict[Waiter[Item, Result], None]] = []
        self._failed_next = True
        self._deadlines: Deadlines[Waiter[Item, Result]] = Deadlines()

    def __len__(self) -> int:
        return self._items

    def __repr__(self) -> str:
        return f"<Queue of {self._items} items, {self.rows} rows>"

    def add(self, waiter: Waiter[Item, Result]) -> bool:
        """Append a waiter; returns whether its deadline is now the earliest."""
        return self._enter(waiter, self._arrived)

    def put_back(self, waiters: Iterable[Waiter[Item, Result]]) -> None:
        """Take in a part of a failed batch, which is tried before the parts that were put back earlier."""
        part: OrderedDict[Waiter[Item, Result], None] = OrderedDict()
        self._failed.append(part)
        for waiter in waiters:
            if not waiter.done():
                self._enter(waiter, part)

    def retrying(self) -> bool:
        """Whether a part of a failed batch waits."""
        while self._failed and not self._failed[-1]:
            self._failed.pop()
        return bool(self._failed)

    def oldest(self) -> float:
        """When the first in order of arrival was submitted; there must be one."""
        return next(iter(self._arrived)).arrived

    def take(self, limits: Limits) -> list[Waiter[Item, Result]]:
        """Take out the next batch: a part of a failed one, or the longest run of arrivals that fits."""
        taken: list[Waiter[Item, Result]] = []
        rows = 0
        if self.retrying() and (self._failed_next or not self._arrived):
            taken += self._failed[-1]
            self._failed[-1].clear()
            rows = sum(waiter.rows for waiter in taken)
            self._failed_next = False
        else:
            room = limits.max_batch_rows
            for waiter in self._arrived:
                if rows + waiter.rows > room or len(taken) >= limits.max_batch_items:
                    break
                rows += waiter.rows
                taken.append(waiter)
            for _ in taken:
                self._arrived.popitem(last=False)
            self._failed_next = True
        for waiter in taken:
            waiter.part = None
        self.rows -= rows
        self._items -= len(taken)
        return taken

    def remove(self, waiter: Waiter[Item, Result]) -> bool:
        """Take out a waiter; returns whether it was waiting."""
        if waiter.part is None:
            return False
        del waiter.part[waiter]
        waiter.part = None
        self.rows -= waiter.rows
        self._items -= 1
        return True

    def next_deadline(self) -> float | None:
        """The earliest deadline of anybody who still hopes for an answer, waiting or in the engine."""
        return self._deadlines.earliest()

    def expire(self, now: float) -> list[Waiter[Item, Result]]:
        """Take out those who wait and whose deadline is not after ``now``; the engine keeps what it has."""
        return [waiter for waiter in self._deadlines.due(now) if self.remove(waiter)]

    def clear(self) -> list[Waiter[Item, Result]]:
        """Take out everybody."""
        everybody = [waiter for part in (self._arrived, *self._failed) for waiter in part]
        for waiter in everybody:
            self.remove(waiter)
        return everybody

    def _enter(self, waiter: Waiter[Item, Result], part: OrderedDict[Waiter[Item, Result], None]) -> bool:
        part[waiter] = None
        waiter.part = part
        self.rows += waiter.rows
        self._items += 1
        return self._deadlines.add(waiter.deadline, waiter)
