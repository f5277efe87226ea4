"""Deadlines in order, of futures of which most are done long before."""

import heapq
import itertools
from collections import deque
from typing import Generic, Protocol, TypeVar


class Finite(Protocol):
    """Something that is done at some time."""

    def done(self) -> bool:
        """Whether it is."""


Future = TypeVar("Future", bound=Finite)

_SPARE = 1024
"""So many done futures are kept before it is worth the time to drop them."""


class Deadlines(Generic[Future]):
    """Futures by deadline. Done ones drop out when they come up, or when they have become too many.

    Most come in the order of their deadlines, for most callers wait equally long: these stand in a row, which costs
    less than a heap. The others stand in a heap.
    """

    def __init__(self) -> None:
        self._row: deque[tuple[float, Future]] = deque()
        self._heap: list[tuple[float, int, Future]] = []
        self._order = itertools.count()
        self._room = _SPARE

    def add(self, deadline: float, future: Future) -> bool:
        """Add a future; returns whether its deadline is now the earliest."""
        row, heap = self._row, self._heap
        if len(row) + len(heap) >= self._room:
            self._tidy()
        if not row or deadline >= row[-1][0]:
            row.append((deadline, future))
            return len(row) == 1 and not (heap and heap[0][0] <= deadline)
        heapq.heappush(heap, (deadline, next(self._order), future))
        return heap[0][2] is future and deadline < row[0][0]

    def earliest(self) -> float | None:
        """The earliest deadline of a future that is not done; None if there is none."""
        row, heap = self._row, self._heap
        while row and row[0][1].done():
            row.popleft()
        while heap and heap[0][2].done():
            heapq.heappop(heap)
        if row and heap:
            return min(row[0][0], heap[0][0])
        return row[0][0] if row else heap[0][0] if heap else None

    def due(self, now: float) -> list[Future]:
        """Take out the futures that are not done and whose deadline is not after ``now``, the earliest first."""
        found = []
        while (deadline := self.earliest()) is not None and deadline <= now:
            in_row = bool(self._row) and self._row[0][0] == deadline
            found.append(self._row.popleft()[1] if in_row else heapq.heappop(self._heap)[2])
        return found

    def _tidy(self) -> None:
        """Drop those who are done."""
        self._row = deque(entry for entry in self._row if not entry[1].done())
        self._heap = [entry for entry in self._heap if not entry[2].done()]
        heapq.heapify(self._heap)
        self._room = 2 * (len(self._row) + len(self._heap)) + _SPARE
