# cython: language_level=3, annotation_typing=False
"""Who is expected to arrive, and how soon."""

_NEWEST = 1 / 8
"""Weight of the newest interarrival time."""

_NEVER = float("inf")


class ArrivalEstimator:
    """The callers that come and go, as far as arrivals and answers show them.

    Attributes:
        callers: callers of the last batch and of the queue when it ended: about so many there are.
        gap: mean interarrival time in seconds, an exponentially forgetting average. It is counted from the last
            arrival or the end of the last call, whichever is later: independent callers look the same either way,
            and callers that wait for an answer before they ask again come back soon after a call.
        last: time of the last arrival or end of a call, in seconds.
    """

    __slots__ = ("callers", "gap", "last")

    def __init__(self, callers: int = 0, gap: float = _NEVER, last: float = -_NEVER) -> None:
        self.callers = callers
        self.gap = gap
        self.last = last

    def arrival(self, now: float, pause: float) -> None:
        """Learn of an arrival at ``now``; a gap of ``pause`` seconds or more starts the estimate anew."""
        gap = now - self.last
        self.gap = gap if gap >= pause or self.gap == _NEVER else self.gap + (gap - self.gap) * _NEWEST
        self.last = now

    def answered(self, now: float, callers: int) -> None:
        """Learn that a call ended at ``now`` with ``callers`` items answered or still queued."""
        self.callers = callers
        self.last = now
