# cython: language_level=3, annotation_typing=False
"""Deadlines that are not in the order of arrival."""

import heapq
import itertools

from batcher.waiter import Waiter

_SPARE = 1024
"""So many waiters that wait no more are kept before it is worth the time to drop them."""


class Deadlines:
    """A heap of waiters by deadline. Those that are not queued any more drop out when they come up, or are too many."""

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
        return heap[0][0] if heap else float("inf")

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
