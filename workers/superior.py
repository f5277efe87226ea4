"""The supervisor, as a worker sees it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from workers.channel import Alive, Channel, Commit, Cover, Failed, Look, News, Offer, Ready, Serving, Withdraw

_LONGEST_REASON: Final = 8192
"""Characters; it has to go through the channel in one piece."""


class Superior:
    """Says what to serve, and is told what came of it.

    Args:
        channel: to it.

    Attributes:
        on_cover: called with the indexes of the workers for which this one is to stand in, and no others.
        news: what it has let all workers know last: JSON.
    """

    def __init__(self, channel: Channel) -> None:
        self.on_cover: Callable[[Sequence[int]], object] = lambda _seats: None
        self.news = b"null"
        self._channel = channel
        self._offers: asyncio.Queue[Offer] = asyncio.Queue()
        self._decisions: asyncio.Queue[Commit | Withdraw] = asyncio.Queue()
        self._number = 0

    async def attend(self, dismissed: Callable[[None], None]) -> None:
        """Listen to the supervisor until it says no more or is gone; then call ``dismissed``, once, with None."""
        while (message := await self._channel.receive()) is not None:
            match message:
                case Offer():
                    self._offers.put_nowait(message)
                case Commit() | Withdraw():
                    self._decisions.put_nowait(message)
                case Cover(seats):
                    self.on_cover(seats)
                case News(content):
                    self.news = bytes(content)
                case _:
                    pass
        dismissed(None)

    async def task(self) -> bytes:
        """Await what to get ready for next: JSON."""
        offer = await self._offers.get()
        self._number = offer.number
        return bytes(offer.task)

    async def agree(self) -> bool:
        """Report to be ready, and await whether all are: then the task is to be served, else to be dropped."""
        await self._channel.send(Ready(self._number))
        while (decision := await self._decisions.get()).number != self._number:
            pass  # it is of a task at which this worker was not ready any more
        return isinstance(decision, Commit)

    async def serving(self, description: str) -> None:
        """Report that the last task is served."""
        await self._channel.send(Serving(self._number, description))

    async def failed(self, reason: str) -> None:
        """Report that it cannot be."""
        await self._channel.send(Failed(self._number, reason[:_LONGEST_REASON]))

    def look(self) -> None:
        """Ask it to see whether there is something new to serve."""
        self._channel.push(Look())

    def beat(self) -> None:
        """Show that the worker is well."""
        self._channel.push(Alive())
