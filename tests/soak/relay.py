"""What stands before a server and lets it look slow, or gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal

from loadtest.system.ports import LOOPBACK, reserved_port

Mode = Literal["plain", "dripping", "down"]

DRIP: Final = 0.5
"""Seconds from one byte to the next."""


class Relay:
    """Passes connections on to another port of this machine; made by ``relay``.

    Args:
        port: where it listens.
        target: the port behind it.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._mode: Mode = "plain"
        self._listener: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    async def be(self, mode: Mode) -> None:
        """Change how it treats connections that are made from now on; when it is down those that there are break.

        A connection that once drips goes on to, however well the relay is later.
        """
        self._mode = mode
        if mode == "down":
            if self._listener is not None:
                self._listener.close()
                self._listener = None
            for task in self._passing:
                task.cancel()
        elif self._listener is None:
            self._listener = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        dripping = self._mode == "dripping"
        try:
            theirs, to_them = await asyncio.open_connection(LOOPBACK, self._target)
            try:
                await asyncio.gather(_pass(reader, to_them, drip=False), _pass(theirs, writer, drip=dripping))
            finally:
                to_them.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # of no interest to anybody
        finally:
            writer.transport.abort()
            self._passing.discard(task)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, drip: bool) -> None:
    while data := await reader.read(1 if drip else 1 << 16):
        writer.write(data)
        await writer.drain()
        if drip:
            await asyncio.sleep(DRIP)
    with suppress(OSError):
        writer.write_eof()


@asynccontextmanager
async def relay(target: int) -> AsyncIterator[Relay]:
    """Run a relay before a port."""
    with reserved_port() as port:
        made = Relay(port, target)
        await made.be("plain")
        try:
            yield made
        finally:
            await made.be("down")
