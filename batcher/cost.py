"""What a batch costs: seconds = fixed + per_row x rows, learned from the batches that ran."""

from dataclasses import dataclass, field

_MEMORY = 0.9
"""Weight that the past keeps with each new batch: about the last ten batches count."""

_NEWEST = 1 / 8
"""Weight of the newest gap between arrivals."""

_SPREAD = 0.01
"""Row counts tell the slope only if their variance exceeds this share of their squared mean."""


@dataclass(slots=True)
class CostModel:
    """An exponentially forgetting least-squares line through (rows, seconds).

    Neither part is ever negative. While all batches have about the same size, the slope cannot be told from the
    fixed part: the slope then stays as it was and the fixed part takes up the difference.

    Attributes:
        fixed: seconds that a call costs, however few rows it has.
        per_row: seconds that each row adds.
        observed: whether any batch has been seen; before, everything is taken to cost nothing.
    """

    fixed: float = 0.0
    per_row: float = 0.0
    observed: bool = False
    _weight: float = field(default=0.0, repr=False)
    _rows: float = field(default=0.0, repr=False)
    _seconds: float = field(default=0.0, repr=False)
    _rows_rows: float = field(default=0.0, repr=False)
    _rows_seconds: float = field(default=0.0, repr=False)

    def observe(self, rows: int, seconds: float) -> None:
        """Learn that a batch of ``rows`` rows took ``seconds``."""
        self._weight = _MEMORY * self._weight + 1.0
        self._rows = _MEMORY * self._rows + rows
        self._seconds = _MEMORY * self._seconds + seconds
        self._rows_rows = _MEMORY * self._rows_rows + rows * rows
        self._rows_seconds = _MEMORY * self._rows_seconds + rows * seconds
        self.observed = True

        mean_rows, mean_seconds = self._rows / self._weight, self._seconds / self._weight
        variance = self._rows_rows / self._weight - mean_rows * mean_rows
        if variance > _SPREAD * mean_rows * mean_rows:
            covariance = self._rows_seconds / self._weight - mean_rows * mean_seconds
            self.per_row = max(0.0, covariance / variance)
        # The line goes through the means, whatever its slope; too steep a slope is turned until it meets the origin.
        self.per_row = min(self.per_row, mean_seconds / mean_rows)
        self.fixed = mean_seconds - self.per_row * mean_rows

    def seconds(self, rows: int, calls: int = 1) -> float:
        """Predict what ``rows`` rows in ``calls`` batches cost."""
        return self.fixed * calls + self.per_row * rows


@dataclass(slots=True)
class Crowd:
    """Who may be expected to arrive, and how soon.

    Attributes:
        callers: items in the last batch and in the queue when it ended: about so many callers come and go.
        gap: mean seconds to the next arrival, an exponentially forgetting average. A gap is counted from the last
            arrival or the end of the last call, whichever is later: independent callers look the same either way,
            and callers that wait for an answer before they ask again come back soon after a call.
        last: time of the last arrival or end of a call, in seconds.
    """

    callers: int = 0
    gap: float = float("inf")
    last: float = float("-inf")

    def arrival(self, now: float, pause: float) -> None:
        """Learn of an arrival at ``now``; a gap of ``pause`` seconds or more starts the estimate anew."""
        gap = now - self.last
        self.gap = gap if gap >= pause or self.gap == float("inf") else self.gap + (gap - self.gap) * _NEWEST
        self.last = now

    def answered(self, now: float, callers: int) -> None:
        """Learn that a call ended at ``now`` with ``callers`` items answered or still queued."""
        self.callers = callers
        self.last = now
