"""Who is expected to arrive, and how soon."""

from dataclasses import dataclass

_NEWEST = 1 / 8
"""Weight of the newest interarrival time."""


@dataclass(slots=True)
class ArrivalEstimator:
    """The callers that come and go, as far as arrivals and answers show them.

    Attributes:
        callers: callers of the last batch and of the queue when it ended: about so many there are.
        gap: mean interarrival time in seconds, an exponentially forgetting average. It is counted from the last
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
