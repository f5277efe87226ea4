"""Clients that pause between their requests, as the users of a load test do, and whoever has a pool of connections."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httptools

from loadtest.system.process import ServerProcess
from serving.http.peer import unread


@dataclass(slots=True)
class Fates:
    """What became of the clients of a server that was stopped; each has had one of these.

    Attributes:
        told: its last answer said that it was that.
        closed: its connection was closed while it paused.
        lost: its last request was not answered, though nothing had told it of the end when it sent it.
        answers: how many answers came in all.
        wrong: how many of these were not what was expected.
    """

    told: int = 0
    closed: int = 0
    lost: int = 0
    answers: int = 0
    wrong: int = 0


class _Client(asyncio.Protocol):
    """Asks, pauses, and asks again on the same connection, until it is told to go or cut off."""

    def __init__(self, fates: Fates, sent: bytes, expected: bytes, pauses: Callable[[], float]) -> None:
        self._fates, self._sent, self._expected, self._pauses = fates, sent, expected, pauses
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._parser: Any = None
        self._body = b""
        self._told = False
        self._waits = False
        self._timer: asyncio.TimerHandle | None = None
        self.answered = self._loop.create_future()
        self.gone = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._timer = self._loop.call_later(self._pauses(), self._ask)

    def _ask(self) -> None:
        self._timer = None
        if unread(self._transport):  # the end of the connection, which pools look for before they use one again
            self._transport.close()
            return
        self._parser, self._body = httptools.HttpResponseParser(self), b""
        self._waits = True
        self._transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._told |= name.lower() == b"connection" and value == b"close"

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        self._waits = False
        self._fates.answers += 1
        self._fates.wrong += not (self._parser.get_status_code() == 200 and self._body.startswith(self._expected))
        if not self.answered.done():
            self.answered.set_result(None)
        if self._told:
            self._transport.close()
        else:
            self._timer = self._loop.call_later(self._pauses(), self._ask)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._waits:
            self._fates.lost += 1
        elif self._told:
            self._fates.told += 1
        else:
            self._fates.closed += 1
        if not self.answered.done():
            self.answered.set_result(None)
        self.gone.set_result(None)


async def stopped_under(
    server: ServerProcess,
    clients: int,
    pause: float,
    stop: Callable[[], object],
    sent: bytes,
    expected: bytes,
    beforehand: float = 0,
) -> tuple[Fates, float]:
    """Stop a server that clients ask who pause.

    Args:
        server: whom they ask.
        clients: how many.
        pause: seconds from an answer to the next request, on the average; it varies by half.
        stop: stops the server; it is called once each client has had its first answer.
        sent: the request.
        expected: what the body of its answer begins with.
        beforehand: seconds that they go on asking before that.

    Returns:
        What became of them, and the seconds from the stop to when the last of their connections ended.
    """
    loop = asyncio.get_running_loop()
    fates, draw = Fates(), random.Random(5)  # noqa: S311 - no secret
    everyone: list[_Client] = []

    def client() -> _Client:
        everyone.append(_Client(fates, sent, expected, lambda: pause * draw.uniform(0.5, 1.5)))
        return everyone[-1]

    for start in range(0, clients, 100):
        connecting = (loop.create_connection(client, server.host, server.port) for _ in range(start, start + 100))
        await asyncio.gather(*connecting)
    await asyncio.gather(*(each.answered for each in everyone))
    await asyncio.sleep(beforehand)
    began = time.monotonic()
    stop()
    _, left = await asyncio.wait([each.gone for each in everyone], timeout=60)
    assert not left, f"{len(left)} connections do not end"
    return fates, time.monotonic() - began
