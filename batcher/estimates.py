# cython: language_level=3, annotation_typing=False
"""What is learned on the way: who is expected to arrive and how soon, and what a batch costs."""

_NEWEST = 1 / 8
"""Weight of the newest interarrival time."""

_PAUSE = 10
"""An arrival gap of so many fixed costs of a call ends a crowd: what was known of its rate is forgotten."""

_APART = 4
"""Who comes so many fixed costs of a call after everybody else comes apart from them."""

_LOOK_ROUND = 16
"""After so many calls for one caller each, another one may have company that is only seen when it is waited for."""

_NEVER = float("inf")


class ArrivalEstimator:
    """The callers that come and go, as far as arrivals and answers show them.

    Attributes:
        callers: callers of the last batch and of the queue when it ended: about so many there are.
        gap: mean interarrival time in seconds, an exponentially forgetting average. It is counted from the last
            arrival or the end of the last call, whichever is later: independent callers look the same either way,
            and callers that wait for an answer before they ask again come back soon after a call.
        last: time of the last arrival or end of a call, in seconds.
        alone: calls in a row that had one caller each, who came apart from everybody else.
    """

    __slots__ = ("_apart", "alone", "callers", "gap", "last")

    def __init__(self, callers: int = 0, gap: float = _NEVER, last: float = -_NEVER) -> None:
        self.callers = callers
        self.gap = gap
        self.last = last
        self.alone = 0
        self._apart = False

    def arrival(self, now: float, call: float) -> bool:
        """Learn of an arrival; a gap of many calls starts the estimate anew.

        Args:
            now: its time.
            call: seconds that a call costs, however few rows it has; 0 if that is not known.

        Returns:
            Whether nothing suggests that others come with it: it comes apart from everybody else, by four calls' time,
            so do arrivals on the average, and so did the one before, which had a call of its own. Of a crowd whose
            members take long to be read this is true as well, if each is given a call at once: so now and then it is
            False all the same, and who comes next shows.
        """
        gap = now - self.last
        self.gap = gap if gap >= _PAUSE * call or self.gap == _NEVER else self.gap + (gap - self.gap) * _NEWEST
        self.last = now
        self._apart = call > 0 and min(gap, self.gap) > _APART * call
        return self._apart and self.alone % _LOOK_ROUND > 0

    def answered(self, now: float, callers: int) -> None:
        """Learn that a call ended at ``now`` with ``callers`` items answered or still queued."""
        self.callers = callers
        self.last = now
        self.alone = self.alone + 1 if self._apart and callers == 1 else 0


_MEMORY = 0.9
"""Weight that the past keeps with each new batch: about the last ten batches count."""

_SPREAD = 0.01
"""Row counts tell the slope only if their variance exceeds this share of their squared mean."""


class CostModel:
    """An exponentially forgetting least-squares line through (rows, seconds).

    Neither part is ever negative. While all batches have about the same size, the slope cannot be told from the
    fixed part: the slope then stays as it was and the fixed part takes up the difference. Before the first batch,
    everything is taken to cost nothing.

    Attributes:
        fixed: seconds that a call costs, however few rows it has.
        per_row: seconds that each row adds.
    """

    __slots__ = ("_rows", "_rows_rows", "_rows_seconds", "_seconds", "_weight", "fixed", "per_row")

    def __init__(self, fixed: float = 0.0, per_row: float = 0.0) -> None:
        self.fixed = fixed
        self.per_row = per_row
        self._weight = self._rows = self._seconds = self._rows_rows = self._rows_seconds = 0.0

    def observe(self, rows: int, seconds: float) -> None:
        """Learn that a batch of ``rows`` rows took ``seconds``."""
        self._weight = _MEMORY * self._weight + 1.0
        self._rows = _MEMORY * self._rows + rows
        self._seconds = _MEMORY * self._seconds + seconds
        self._rows_rows = _MEMORY * self._rows_rows + rows * rows
        self._rows_seconds = _MEMORY * self._rows_seconds + rows * seconds

        mean_rows, mean_seconds = self._rows / self._weight, self._seconds / self._weight
        variance = self._rows_rows / self._weight - mean_rows * mean_rows
        if variance > _SPREAD * mean_rows * mean_rows:
            covariance = self._rows_seconds / self._weight - mean_rows * mean_seconds
            self.per_row = max(0.0, covariance / variance)
        # The line goes through the means, whatever its slope; too steep a slope is turned until it meets the origin.
        self.per_row = min(self.per_row, mean_seconds / mean_rows)
        self.fixed = mean_seconds - self.per_row * mean_rows

    def seconds(self, rows: float, calls: float = 1) -> float:
        """Predict what ``rows`` rows in ``calls`` batches cost."""
        return self.fixed * calls + self.per_row * rows
