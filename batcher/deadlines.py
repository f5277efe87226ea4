"""Deadlines in order, of futures of which most are done long before."""

import heapq
import itertools
from typing import Generic, Protocol, TypeVar


class Finite(Protocol):
    """Something that is done at some time."""

    def done(self) -> bool:
        """Whether it is."""


Future = TypeVar("Future", bound=Finite)

_SPARE = 1024
"""So many done futures are kept before it is worth the time to drop them."""


class Deadlines(Generic[Future]):
    """A heap of futures by deadline. Done ones drop out when they come up, or when they have become too many."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Future]] = []
        self._order = itertools.count()
        self._room = _SPARE

    def add(self, deadline: float, future: Future) -> bool:
        """Add a future; returns whether its deadline is now the earliest."""
        if len(self._heap) >= self._room:
            self._heap = [entry for entry in self._heap if not entry[2].done()]
            heapq.heapify(self._heap)
            self._room = 2 * len(self._heap) + _SPARE
        entry = (deadline, next(self._order), future)
        heapq.heappush(self._heap, entry)
        return self._heap[0] is entry

    def earliest(self) -> float | None:
        """The earliest deadline of a future that is not done; None if there is none."""
        while self._heap and self._heap[0][2].done():
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[Future]:
        """Take out the futures that are not done and whose deadline is not after ``now``."""
        found = []
        while (deadline := self.earliest()) is not None and deadline <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found
