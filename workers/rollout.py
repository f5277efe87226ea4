"""A task that the workers are asked to get ready for, before any of them serves it."""

import asyncio
from typing import Final

from workers.channel import PrepareRollout

_DEATHS: Final = 3
"""So many workers may end while they get ready; then the task is taken to be the reason."""


class RolloutRefused(Exception):
    """A worker cannot do its task; the message says why."""


class Rollout:
    """What is to be served when every worker can.

    Args:
        preparation: what they are told.
        workers: how many there are.

    Attributes:
        preparation: see above.
        agreed: done when all are ready; RolloutRefused if one cannot be.
    """

    def __init__(self, preparation: PrepareRollout, workers: int) -> None:
        self.preparation = preparation
        self.agreed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._workers = workers
        self._ready: set[int] = set()
        self._deaths = 0

    def accept(self, index: int) -> None:
        """A worker is ready."""
        self._ready.add(index)
        if len(self._ready) == self._workers and not self.agreed.done():
            self.agreed.set_result(None)

    def refuse(self, reason: str) -> None:
        """A worker cannot be."""
        if not self.agreed.done():
            self.agreed.set_exception(RolloutRefused(reason))

    def worker_ended(self, index: int, end: str) -> None:
        """A worker has ended; its replacement gets ready from the start.

        Args:
            index: the worker.
            end: how, in words.
        """
        self._ready.discard(index)
        self._deaths += 1
        if self._deaths == _DEATHS:
            self.refuse(f"{_DEATHS} workers ended while they got ready for it, the last one {end}")
