"""The end of a wait: no item stays in the queue beyond its deadline."""

import asyncio
from collections.abc import Callable
from typing import Generic

from batcher import policy
from batcher.errors import DeadlineExceeded
from batcher.outcomes import Outcomes
from batcher.queue import Queue
from batcher.waiter import Item, Result


class Expiry(Generic[Item, Result]):
    """Takes items out of the queue when their deadlines pass, by one timer, which is set to the earliest of them.

    Args:
        queue: what waits.
        outcomes: tells those who waited.
        loop: the event loop.
        clock: see ``Batcher``.
        expired: called when the timer has gone off and taken out what was due.
    """

    def __init__(
        self,
        queue: Queue[Item, Result],
        outcomes: Outcomes[Result],
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

    def watch(self, now: float) -> None:
        """Set the timer to the earliest deadline, which may have changed."""
        self.stop()
        if (earliest := self._queue.next_deadline()) is not None:
            self._timer = self._loop.call_later(max(0.0, earliest - now), self._go_off)

    def stop(self) -> None:
        """Watch no more, until ``watch`` is called again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def expire(self, now: float) -> None:
        """Take out what is due at ``now``; the timer may be late."""
        for waiter in self._queue.expire(now):
            self._outcomes.fail(waiter, DeadlineExceeded("the deadline passed in the queue"), "expired")

    def _go_off(self) -> None:
        now = self._clock()
        # The loop rounds its timers: one that is early by less than a tick is on time.
        self.expire(now + policy.TIMER_RESOLUTION)
        self.watch(now)
        self._expired()
