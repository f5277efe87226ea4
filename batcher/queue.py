# cython: language_level=3, annotation_typing=False
"""What waits for the engine: who asked, in which order, and until when."""

import heapq
import itertools
from collections.abc import Iterable

from batcher.policy import Limits
from batcher.waiter import Waiter

_NEVER = float("inf")

_SPARE = 1024
"""So many who have left are kept in a row or heap before it is worth the time to drop them."""


class Queue:
    """Waiters in order of arrival, and the parts of failed batches, each to be tried as a batch of its own.

    Both wait alike: they count, expire and leave in the same way, and they take turns, so that neither waits for all
    of the other.

    Those who leave before their turn stay in their row, marked, until it comes to them. Most deadlines are in the order
    of arrival, for most callers wait equally long: of these the row itself tells which is the next. The others stand in
    a heap.

    Attributes:
        rows: rows of all that wait.
        items: how many wait.
    """

    __slots__ = ("_arrived", "_deadlines", "_failed", "_failed_next", "_latest", "_left", "_next", "items", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self.items = 0
        self._arrived: list[Waiter] = []
        self._left = 0
        self._failed: list[list[Waiter]] = []
        self._failed_next = True
        self._deadlines = Deadlines()
        self._latest = -_NEVER
        self._next = _NEVER

    def __len__(self) -> int:
        return self.items

    def __repr__(self) -> str:
        return f"<Queue of {self.items} items, {self.rows} rows>"

    def add(self, waiter: Waiter) -> None:
        """Append a waiter."""
        if not self._arrived:
            self._latest = -_NEVER
        self._arrived.append(waiter)
        if waiter.deadline >= self._latest:
            self._latest = waiter.deadline
            waiter.in_order = True
            self._enter(waiter)
        else:
            self._enter_heap(waiter)

    def put_back(self, waiters: Iterable[Waiter]) -> None:
        """Take in a part of a failed batch, which is tried before the parts that were put back earlier."""
        part = [waiter for waiter in waiters if not waiter.done()]
        self._failed.append(part)
        for waiter in part:
            self._enter_heap(waiter)

    def retrying(self) -> bool:
        """Whether a part of a failed batch waits."""
        while self._failed and not self._waiting(self._failed[-1]):
            self._failed.pop()
        return bool(self._failed)

    def oldest(self) -> float:
        """When the first in order of arrival was submitted; there must be one."""
        for waiter in self._arrived:
            if waiter.queued:
                return waiter.arrived
        raise IndexError("nobody waits")

    def take(self, limits: Limits) -> list[Waiter]:
        """Take out the next batch: a part of a failed one, or the longest run of arrivals that fits."""
        if self._failed and self.retrying() and (self._failed_next or self.items == self._retried()):
            self._failed_next = False
            taken = [waiter for waiter in self._failed.pop() if waiter.queued]
        else:
            self._failed_next = True
            taken = self._first(limits.max_batch_rows, limits.max_batch_items)
        for waiter in taken:
            self._leave(waiter)
        return taken

    def remove(self, waiter: Waiter) -> bool:
        """Take out a waiter; returns whether it was waiting."""
        if not waiter.queued:
            return False
        self._leave(waiter)
        self._left += 1  # of a failed part too, which only has the row tidied earlier
        if not self.items:
            self._forget()
        elif self._left > self.items + _SPARE:
            self._arrived = [each for each in self._arrived if each.queued]
            self._left = 0
        return True

    def next_deadline(self) -> float:
        """No deadline of anybody who waits is before this time in seconds; infinity if nobody waits."""
        return self._next if self.items else _NEVER

    def expire(self, now: float) -> list[Waiter]:
        """Take out those who wait and whose deadline is not after ``now``; the engine keeps what it has."""
        if now < self._next:
            return []
        late = self._deadlines.due(now)
        self._next = self._deadlines.earliest()
        for waiter in self._arrived:
            if waiter.queued and waiter.in_order:
                if waiter.deadline > now:
                    self._next = min(self._next, waiter.deadline)
                    break
                late.append(waiter)
        return [waiter for waiter in late if self.remove(waiter)]  # one that was put back may be in the heap twice

    def clear(self) -> list[Waiter]:
        """Take out everybody."""
        everybody = [waiter for part in (self._arrived, *self._failed) for waiter in part if waiter.queued]
        for waiter in everybody:
            self._leave(waiter)
        self._forget()
        return everybody

    def _forget(self) -> None:
        """Nobody waits: keep none of those who have left."""
        self._arrived = []
        self._failed = []
        self._left = 0
        self._deadlines = Deadlines()

    def _first(self, most_rows: int, most_items: float) -> list[Waiter]:
        """The longest run of arrivals that fits, which leave their row."""
        taken: list[Waiter] = []
        rows = passed = 0
        for waiter in self._arrived:
            if waiter.queued:
                if rows + waiter.rows > most_rows or len(taken) >= most_items:
                    break
                rows += waiter.rows
                taken.append(waiter)
            passed += 1
        del self._arrived[:passed]
        self._left = max(0, self._left - (passed - len(taken)))
        return taken

    def _retried(self) -> int:
        """How many wait in parts of failed batches."""
        count = 0
        for part in self._failed:
            count += self._waiting(part)
        return count

    def _waiting(self, part: list[Waiter]) -> int:
        """How many of a part wait."""
        count = 0
        for waiter in part:
            count += waiter.queued
        return count

    def _enter_heap(self, waiter: Waiter) -> None:
        waiter.in_order = False
        self._enter(waiter)
        self._deadlines.add(waiter)

    def _enter(self, waiter: Waiter) -> None:
        waiter.queued = True
        self.rows += waiter.rows
        self.items += 1
        if waiter.deadline < self._next:
            self._next = waiter.deadline

    def _leave(self, waiter: Waiter) -> None:
        waiter.queued = False
        self.rows -= waiter.rows
        self.items -= 1


class Deadlines:
    """A heap of waiters by deadline, of those whose deadlines are not in the order of arrival.

    Those that are not queued any more drop out when they come up, or are too many.
    """

    __slots__ = ("_heap", "_order", "_room")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Waiter]] = []
        self._order = itertools.count()
        self._room = _SPARE

    def add(self, waiter: Waiter) -> None:
        """Add a queued waiter."""
        if len(self._heap) >= self._room:
            self._tidy()
        heapq.heappush(self._heap, (waiter.deadline, next(self._order), waiter))

    def earliest(self) -> float:
        """The earliest deadline of a queued waiter; infinity if there is none."""
        heap = self._heap
        while heap and not heap[0][2].queued:
            heapq.heappop(heap)
        return heap[0][0] if heap else _NEVER

    def due(self, now: float) -> list[Waiter]:
        """Take out the queued waiters whose deadline is not after ``now``, the earliest first."""
        found = []
        while self._heap and self.earliest() <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found

    def _tidy(self) -> None:
        """Drop those who wait no more."""
        self._heap = [entry for entry in self._heap if entry[2].queued]
        heapq.heapify(self._heap)
        self._room = 2 * len(self._heap) + _SPARE
