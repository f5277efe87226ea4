"""The ways in which a client may leave a server: each connects, asks, or begins to, and breaks off."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from loadtest.generators.line import Line

LONGEST: Final = 20.0
"""Seconds after which a way that waits for the server to end the connection gives up: the server should have."""


@dataclass(frozen=True, slots=True)
class Leaver:
    """A client about to leave.

    Attributes:
        host: the server's address.
        port: the server's port.
        request: a whole, good request.
        draw: decides where it breaks off.
    """

    host: str
    port: int
    request: bytes
    draw: Random

    def line(self, *, receive_buffer: int = 0) -> Line:
        """A connection to the server."""
        return Line(self.host, self.port, receive_buffer=receive_buffer)

    def head(self, *lines: str, target: str = "/predict") -> bytes:
        """The head of a request with more header lines."""
        return "\r\n".join([f"POST {target} HTTP/1.1", f"Host: {self.host}", *lines, "", ""]).encode()


async def close_at_once(leaver: Leaver) -> None:
    """Connect and close."""
    async with leaver.line():
        pass


async def half_a_head(leaver: Leaver) -> None:
    """Close within the head."""
    async with leaver.line() as line:
        await line.send(leaver.request[: leaver.draw.randrange(1, leaver.request.index(b"\r\n\r\n"))])


async def half_a_body(leaver: Leaver) -> None:
    """Close within the body."""
    async with leaver.line() as line:
        await line.send(
            leaver.request[: leaver.draw.randrange(leaver.request.index(b"\r\n\r\n") + 4, len(leaver.request))]
        )


async def stuck_in_the_body(leaver: Leaver) -> None:
    """Send half a body and wait; the server should lose patience."""
    async with leaver.line() as line:
        await line.send(leaver.request[:-5])
        await line.until_closed()


async def reset(leaver: Leaver) -> None:
    """Ask, and reset the connection, mostly before the answer."""
    async with leaver.line() as line:
        await line.send(leaver.request)
        await asyncio.sleep(leaver.draw.choice((0, 0, 0.001, 0.01)))
        line.reset_at_end()


async def end_after_the_request(leaver: Leaver) -> None:
    """Ask, say that nothing more will come, and read what there is."""
    async with leaver.line() as line:
        await line.send(leaver.request)
        line.send_no_more()
        await line.until_closed()


async def never_read(leaver: Leaver) -> None:
    """Ask for long answers again and again and read none, until the server cuts the connection."""
    rows = b",".join([leaver.request.partition(b'"features":')[2].removesuffix(b"}")] * 200)
    body = b'{"features":[%b]}' % rows
    head = leaver.head(f"Content-Length: {len(body)}", target="/predict?probabilities=true")
    async with leaver.line(receive_buffer=4096) as line:
        while True:
            await line.send(head + body)


async def pipeline_and_close(leaver: Leaver) -> None:
    """Send many requests in a row, the last one perhaps in part, and close."""
    async with leaver.line() as line:
        await line.send((leaver.request * 30)[: -leaver.draw.randrange(1, len(leaver.request))])


async def garbage(leaver: Leaver) -> None:
    """Send what is no HTTP."""
    async with leaver.line() as line:
        await line.send(leaver.draw.randbytes(leaver.draw.randrange(1, 2000)) + b"\r\n\r\n")
        await line.until_closed()


async def byte_by_byte(leaver: Leaver) -> None:
    """Send one byte a second."""
    async with leaver.line() as line:
        for at in range(len(leaver.request)):
            await line.send(leaver.request[at : at + 1])
            await asyncio.sleep(1)


async def silence(leaver: Leaver) -> None:
    """Ask, read the answer, and be silent until the server closes."""
    async with leaver.line() as line:
        await line.ask(leaver.request)
        await line.until_closed()


async def too_large_head(leaver: Leaver) -> None:
    """Send a head beyond any limit."""
    async with leaver.line() as line:
        await line.send(leaver.head("Content-Length: 2", "X-Long: " + "x" * 200_000))
        await line.until_closed()


async def too_large_body(leaver: Leaver) -> None:
    """Declare a body beyond any limit, and begin it."""
    async with leaver.line() as line:
        await line.send(leaver.head("Content-Length: 100000000") + b" " * 100_000)
        await line.until_closed()


async def too_many_chunks(leaver: Leaver) -> None:
    """Send a body beyond any limit in chunks, whose sum nobody declared."""
    async with leaver.line() as line:
        await line.send(leaver.head("Transfer-Encoding: chunked"))
        for _ in range(64):
            await line.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await line.until_closed()


WAYS: Final[dict[str, Callable[[Leaver], Awaitable[None]]]] = {
    "closes at once": close_at_once,
    "half a head": half_a_head,
    "half a body": half_a_body,
    "stuck in the body": stuck_in_the_body,
    "resets": reset,
    "ends after the request": end_after_the_request,
    "never reads": never_read,
    "pipelines and closes": pipeline_and_close,
    "garbage": garbage,
    "byte by byte": byte_by_byte,
    "keeps silent": silence,
    "too large a head": too_large_head,
    "too large a body": too_large_body,
    "too many chunks": too_many_chunks,
}


async def leave(way: str, leaver: Leaver) -> bool:
    """Leave in one way; returns whether the connection came to its end in time.

    Raises:
        ConnectionRefusedError: the server is not there.
    """
    try:
        async with asyncio.timeout(LONGEST):
            await WAYS[way](leaver)
    except ConnectionRefusedError:
        raise
    except ConnectionError:  # cut off by the server, as it should
        return True
    except TimeoutError:
        return False
    return True
