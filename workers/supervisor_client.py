"""The supervisor, as a worker sees it."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Final

from workers.channel import (
    Alive,
    CancelRollout,
    Channel,
    CommitRollout,
    Cover,
    Failed,
    News,
    PrepareRollout,
    Ready,
    RefreshRequest,
    Serving,
)

_LONGEST_REASON: Final = 8192
"""Characters; it has to go through the channel in one piece."""


class SupervisorClient:
    """Says what to serve, and is told what came of it.

    Args:
        channel: to it.

    Attributes:
        on_cover: called with the indexes of the workers for which this one is to stand in, and no others.
        news: what it has let all workers know last: JSON.
    """

    def __init__(self, channel: Channel) -> None:
        self.on_cover: Callable[[Sequence[int]], object] = lambda _slots: None
        self.news = b"null"
        self._channel = channel
        self._offers: asyncio.Queue[PrepareRollout] = asyncio.Queue()
        self._decisions: dict[int, asyncio.Future[bool]] = {}
        self._number = 0

    async def attend(self, dismissed: Callable[[None], None]) -> None:
        """Listen to the supervisor until it says no more or is gone; then call ``dismissed``, once, with None."""
        while (message := await self._channel.receive()) is not None:
            match message:
                case PrepareRollout(number):
                    self._decisions[number] = asyncio.get_running_loop().create_future()
                    self._offers.put_nowait(message)
                case CommitRollout(number) | CancelRollout(number):
                    if (decision := self._decisions.get(number)) is not None and not decision.done():
                        decision.set_result(isinstance(message, CommitRollout))
                case Cover(slots):
                    self.on_cover(slots)
                case News(content):
                    self.news = bytes(content)
                case _:
                    pass
        dismissed(None)

    async def task(self) -> tuple[bytes, tuple[int, ...]]:
        """Await what to get ready for next: JSON, and descriptors of files, which are the caller's to close."""
        self._decisions.pop(self._number, None)
        while self._is_off((offer := await self._offers.get()).number):
            for file in offer.files:
                os.close(file)
            del self._decisions[offer.number]
        self._number = offer.number
        return bytes(offer.task), offer.files

    def _is_off(self, number: int) -> bool:
        decision = self._decisions[number]
        return decision.done() and not decision.result()

    async def agree(self) -> bool:
        """Report to be ready, and await whether all are: then the task is to be served, else to be dropped."""
        await self._channel.send(Ready(self._number))
        return await self._decisions[self._number]

    async def called_off(self) -> None:
        """Await that the last task is wanted no more; never, once it is to be served."""
        if await asyncio.shield(self._decisions[self._number]):
            await asyncio.Event().wait()

    async def serving(self, description: str) -> None:
        """Report that the last task is served."""
        await self._channel.send(Serving(self._number, description))

    async def failed(self, reason: str) -> None:
        """Report that it cannot be."""
        await self._channel.send(Failed(self._number, reason[:_LONGEST_REASON]))

    def refresh(self) -> None:
        """Ask it to see whether there is something new to serve."""
        self._channel.push(RefreshRequest())

    def beat(self) -> None:
        """Show that the worker is well."""
        self._channel.push(Alive())
