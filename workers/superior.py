"""The supervisor, as a worker sees it."""

import asyncio
from collections.abc import Callable

from workers.channel import Alive, Channel, Failed, Serve, Serving


class Superior:
    """Says what to serve, and is told what came of it.

    Args:
        channel: to it.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._orders: asyncio.Queue[Serve] = asyncio.Queue()
        self._number = 0

    async def attend(self, dismissed: Callable[[], None]) -> None:
        """Listen to the supervisor until it says no more or is gone; then call ``dismissed``, once."""
        while (message := await self._channel.receive()) is not None:
            if isinstance(message, Serve):
                self._orders.put_nowait(message)
        dismissed()

    async def task(self) -> bytes:
        """Await what to serve next: JSON."""
        order = await self._orders.get()
        self._number = order.number
        return bytes(order.task)

    async def serving(self, description: str) -> None:
        """Report that the last task is served."""
        await self._channel.send(Serving(self._number, description))

    async def failed(self, reason: str) -> None:
        """Report that it cannot be."""
        await self._channel.send(Failed(self._number, reason))

    def beat(self) -> None:
        """Show that the worker is well."""
        self._channel.offer(Alive())
