# cython: language_level=3, annotation_typing=False, wraparound=False, boundscheck=False
"""What each prediction, and each call of the engine, adds to the figures."""

from array import array
from collections.abc import Mapping, Sequence


class Buckets:
    """Adds to a histogram: its buckets, one more for what is above their bounds, and the sum.

    Args:
        row: doubles, of the board.
        place: where in it the histogram begins.
        bounds: the upper bounds of the buckets, ascending.
    """

    __slots__ = ("_bounds", "_place", "_row")

    def __init__(self, row: "memoryview[float]", place: int, bounds: Sequence[float]) -> None:
        self._row = row
        self._place = place
        self._bounds = array("d", bounds)

    def add(self, value: float) -> None:
        """Count a value."""
        bucket = 0
        most = len(self._bounds)
        while bucket < most and self._bounds[bucket] < value:
            bucket += 1
        self._row[self._place + bucket] += 1
        self._row[self._place + most + 1] += value


class Recorder:
    """Adds to a row of the board.

    Args:
        row: doubles.
        routes: path → the place in the row where its good answers are counted.
        elsewhere: that of all other paths.
        duration: seconds from the queue to the answer.
        wait: seconds from the queue to the start of a call.
        inference: seconds of a call.
        size: rows in a call.
    """

    __slots__ = ("_duration", "_elsewhere", "_inference", "_routes", "_row", "_size", "_wait")

    def __init__(
        self,
        row: "memoryview[float]",
        routes: Mapping[str, int],
        *,
        elsewhere: int,
        duration: Buckets,
        wait: Buckets,
        inference: Buckets,
        size: Buckets,
    ) -> None:
        self._row = row
        self._routes = dict(routes)
        self._elsewhere = elsewhere
        self._duration = duration
        self._wait = wait
        self._inference = inference
        self._size = size

    def answered(self, route: str, seconds: float) -> None:
        """A prediction was made and sent, ``seconds`` after its request had been queued."""
        place = self._routes.get(route, self._elsewhere)
        self._row[place] += 1
        self._duration.add(seconds)

    def predicted(self, seconds: float) -> None:
        """A prediction was made, ``seconds`` after its request had been queued."""
        self._duration.add(seconds)

    def waited(self, waits: list[float]) -> None:
        """So many seconds the requests of a batch waited."""
        for seconds in waits:
            self._wait.add(seconds)

    def computed(self, rows: int, seconds: float) -> None:
        """A call of the engine with so many rows has succeeded, and took ``seconds``."""
        self._inference.add(seconds)
        self._size.add(rows)
