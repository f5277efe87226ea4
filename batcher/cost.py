# cython: language_level=3, annotation_typing=False
"""What a batch costs: seconds = fixed + per_row x rows, learned from the batches that ran."""

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
