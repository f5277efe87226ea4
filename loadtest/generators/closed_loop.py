"""A closed-loop crowd in one process: each user sends its next request when the last one is answered."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httptools
import orjson

from loadtest.generators.answers import Answers

_ANSWERS: Final = Answers({})


@dataclass(slots=True)
class Tally:
    """What a crowd saw.

    Attributes:
        answered: right answers that arrived while the crowd was counted.
        seconds: how long it was counted.
        latencies: seconds from sending to the whole, right answer, of each request sent while the crowd was counted;
            the crowd waits for the last of them, so that slow answers are not left out.
        failures: how often each kind of failure was seen, from the first connection to the last answer.
    """

    answered: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Crowd:
    """What all users share."""

    requests: Sequence[bytes]
    tally: Tally
    counted_from: float = math.inf
    counted_until: float = math.inf
    sent: int = 0

    def counts(self, moment: float) -> bool:
        return self.counted_from <= moment < self.counted_until

    def next_request(self) -> bytes:
        self.sent += 1
        return self.requests[self.sent % len(self.requests)]


class _User(asyncio.Protocol):
    """One user on one keep-alive connection."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._transport: Any = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._sent_at = 0.0
        self._satisfied = False
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        crowd, now = self._crowd, time.perf_counter()
        if (reason := _ANSWERS.fault(self._parser.get_status_code(), self._body)) is not None:
            crowd.tally.failures[reason] += 1
        else:
            crowd.tally.answered += crowd.counts(now)
            if crowd.counts(self._sent_at):
                crowd.tally.latencies.append(now - self._sent_at)
        if now >= crowd.counted_until:
            self.leave(satisfied=True)
            return
        self._body = b""
        self._parser = httptools.HttpResponseParser(self)
        # Not from within the parser's callback: it is still busy with the last response.
        asyncio.get_running_loop().call_soon(self._send)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._satisfied:
            self._crowd.tally.failures[f"connection lost: {error or 'closed by the server'}"] += 1
        if not self.gone.done():
            self.gone.set_result(None)

    def leave(self, *, satisfied: bool) -> None:
        """Close the connection, because the last answer is here or because it took too long."""
        self._satisfied = True
        if not satisfied:
            self._crowd.tally.failures["no answer"] += 1
        self._transport.close()

    def _send(self) -> None:
        if not self._transport.is_closing():
            self._sent_at = time.perf_counter()
            self._transport.write(self._crowd.next_request())


async def run_crowd(
    host: str,
    port: int,
    requests: Sequence[bytes],
    *,
    users: int,
    seconds: float,
    warm_up: float,
    last_answer_timeout: float = 60,
    look: Callable[[], Awaitable[None]] | None = None,
) -> Tally:
    """Let a crowd ask for a while.

    Args:
        host: the server's address.
        port: the server's port.
        requests: whole HTTP requests, taken in turn by all users together.
        users: connections, each with one request under way.
        seconds: how long to count.
        warm_up: seconds before counting starts.
        last_answer_timeout: seconds that a user waits for the last answer; then the lack of it is a failure.
        look: awaited before counting starts and when it ends, while the crowd goes on.

    Raises:
        OSError: a user cannot connect.
    """
    loop = asyncio.get_running_loop()
    crowd = _Crowd(requests, Tally())
    everyone: list[_User] = []
    for _ in range(users):
        _, user = await loop.create_connection(lambda: _User(crowd), host, port)
        everyone.append(user)
    await asyncio.sleep(warm_up)
    if look is not None:
        await look()
    crowd.counted_from = time.perf_counter()
    await asyncio.sleep(seconds)
    if look is not None:
        await look()
    crowd.counted_until = time.perf_counter()
    crowd.tally.seconds = crowd.counted_until - crowd.counted_from
    _, waiting = await asyncio.wait([user.gone for user in everyone], timeout=last_answer_timeout)
    for user in everyone:
        if user.gone in waiting:
            user.leave(satisfied=False)
    await asyncio.gather(*(user.gone for user in everyone))
    return crowd.tally


def encode_request(host: str, row: Sequence[float]) -> bytes:
    """A whole POST /predict for one row."""
    body = orjson.dumps({"features": [int(value) if value == int(value) else value for value in row]})
    head = [
        "POST /predict HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
