# cython: language_level=3, annotation_typing=False, wraparound=False, boundscheck=False
"""What each prediction adds to the figures."""

from array import array
from collections.abc import Mapping, Sequence


class Recorder:
    """Adds to a row of the board.

    Args:
        row: doubles.
        bounds: the upper bounds of the buckets of both histograms, in seconds, ascending.
        routes: path → the place in the row where its good answers are counted.
        elsewhere: that of all other paths.
        duration: where the histogram of durations begins.
        wait: where that of waits does.
    """

    __slots__ = ("_bounds", "_duration", "_elsewhere", "_routes", "_row", "_wait")

    def __init__(
        self,
        row: "memoryview[float]",
        bounds: Sequence[float],
        routes: Mapping[str, int],
        *,
        elsewhere: int,
        duration: int,
        wait: int,
    ) -> None:
        self._row = row
        self._bounds = array("d", bounds)
        self._routes = dict(routes)
        self._elsewhere = elsewhere
        self._duration = duration
        self._wait = wait

    def answered(self, route: str, seconds: float) -> None:
        """A prediction was made and sent, ``seconds`` after its request had been queued."""
        place = self._routes.get(route, self._elsewhere)
        self._row[place] += 1
        self._observe(self._duration, seconds)

    def predicted(self, seconds: float) -> None:
        """A prediction was made, ``seconds`` after its request had been queued."""
        self._observe(self._duration, seconds)

    def waited(self, waits: list[float]) -> None:
        """So many seconds the requests of a batch waited."""
        for seconds in waits:
            self._observe(self._wait, seconds)

    def _observe(self, histogram: int, seconds: float) -> None:
        """Add to a histogram: its buckets, one more for what is above their bounds, and the sum."""
        bucket = 0
        most = len(self._bounds)
        while bucket < most and self._bounds[bucket] < seconds:
            bucket += 1
        self._row[histogram + bucket] += 1
        self._row[histogram + most + 1] += seconds
