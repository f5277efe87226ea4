# cython: language_level=3, annotation_typing=False
"""Items that wait too long."""

import asyncio
from collections.abc import Callable

from batcher import policy
from batcher.errors import DeadlineExceeded
from batcher.outcomes import Outcomes
from batcher.queue import Queue


class Expiry:
    """Takes items out of the queue when their deadlines pass, by one timer.

    The timer is set to the earliest deadline, or to one that was the earliest: it then finds nothing, and is set anew.
    To set it for each item that comes to an empty queue would cost more than the item.

    Args:
        queue: what waits.
        outcomes: tells those who waited.
        loop: the event loop.
        clock: see ``Batcher``.
        expired: called when the timer has gone off and taken out what was due.
    """

    __slots__ = ("_clock", "_expired", "_loop", "_outcomes", "_queue", "_timer", "_until")

    def __init__(
        self,
        queue: Queue,
        outcomes: Outcomes,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        *,
        expired: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._outcomes = outcomes
        self._loop = loop
        self._clock = clock
        self._expired = expired
        self._timer: asyncio.TimerHandle | None = None
        self._until = float("inf")

    def watch(self, now: float) -> None:
        """See to it that the timer goes off no later than the earliest deadline, which may have changed."""
        earliest = self._queue.next_deadline()
        if earliest < self._until:
            self.stop()
            self._until = earliest
            self._timer = self._loop.call_later(max(0.0, earliest - now), self._go_off)

    def stop(self) -> None:
        """Watch no more, until ``watch`` is called again."""
        self._until = float("inf")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def expire(self, now: float) -> None:
        """Take out what is due at ``now``; the timer may be late."""
        for waiter in self._queue.expire(now):
            self._outcomes.fail(waiter, DeadlineExceeded("the deadline passed in the queue"), "expired")

    def _go_off(self) -> None:
        self.stop()
        now = self._clock()
        # The loop rounds its timers: one that is early by less than a tick is on time.
        self.expire(now + policy.TIMER_RESOLUTION)
        self.watch(now)
        self._expired()
