"""The patience of a connection, by a clock that the test sets: what would take minutes on the wire."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving import CONTENT, Connection, ConnectionContext, ConnectionLimits, ReadBudget, SharedMetrics
from serving.http.context import ServerState, with_common
from serving.metrics.content import Metrics
from tests.helpers.support import chunked, fill, request

GOOD = request(b"{}")
LIMITS = ConnectionLimits(head_timeout=5, body_timeout=20, write_timeout=30, keep_alive=75)


class Transport(asyncio.Transport):
    """Keeps what is written, and closes only when it is told that all has been sent."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = self.ended = self.aborted = self.paused = False
        self.secured = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See ``asyncio.Transport``, as the others."""
        assert not self.ended
        self.written += bytes(data)

    def write_eof(self) -> None:
        """The last has been written."""
        self.ended = True

    def can_write_eof(self) -> bool:
        """It can, unless it stands for an encrypted one."""
        return not self.secured

    def close(self) -> None:
        """Close when all has been sent."""
        self.closing = True

    def abort(self) -> None:
        """Close at once."""
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        """Whether it closes."""
        return self.closing

    def pause_reading(self) -> None:
        """Read no more."""
        self.paused = True

    def resume_reading(self) -> None:
        """Read on."""
        self.paused = False

    def statuses(self) -> list[int]:
        """The statuses of all responses so far."""
        return [int(line[9:12]) for line in self.written.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


class Loop:
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        """What the test says."""
        return self.now

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - anything else is the running loop's
        return getattr(self._loop, name)


class Client:
    """A connection with an application that answers when it is let.

    Attributes:
        let: whether it may answer.
        scopes: what the application was told of each request.
        read_budget: of the connection.
    """

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.scopes: list[Any] = []
        self.transport = Transport()
        config = uvicorn.Config(self._answer, interface="asgi3", ws="none", lifespan="off", log_config=None)
        config.load()
        self._loop = Loop()
        self.read_budget = ReadBudget()
        context = ConnectionContext(LIMITS, Metrics(SharedMetrics(CONTENT)), self.read_budget)
        state = ServerState()
        self._connection = with_common(Connection, config, state, {})(context, state)
        self._connection.loop = self._loop
        self._connection.connection_made(self.transport)

    def as_uvicorn_does(self, sent: bytes) -> None:
        """Have uvicorn's own protocol take a request of the same client's, and tell the application of it."""
        plain = HttpToolsProtocol(self._connection.config, ServerState(), {})
        plain.connection_made(self.transport)
        plain.data_received(sent)

    async def at(self, now: float, sent: bytes = b"") -> None:
        """Let it be a certain time, at which something is sent; then the connection looks at the clock."""
        self._loop.now = now
        if sent:
            self._connection.data_received(sent)
        await self.settle()
        self._connection.expire(now)

    def look(self, now: float) -> None:
        """Have the connection look at the clock, and let nothing else happen yet."""
        self._loop.now = now
        self._connection.expire(now)

    def send(self, sent: bytes) -> None:
        """Send something, and let nothing else happen yet."""
        self._connection.data_received(sent)

    def drain(self) -> None:
        """Have the server stop."""
        self._connection.server_state.closed = True
        self._connection.shutdown()

    def part(self) -> None:
        """Have the server begin to stop."""
        self._connection.server_state.parting = True
        self._connection.part()

    def end(self) -> None:
        """Send no more; the event loop closes the connection then, unless it is told to keep it."""
        if not self._connection.eof_received():
            self.transport.close()

    def hang_up(self) -> None:
        """Close the connection from the client's side."""
        self._connection.connection_lost(None)

    async def settle(self) -> None:
        """Let the application do what it can."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def _answer(
        self, scope: object, _receive: object, send: Callable[[dict[str, object]], Awaitable[None]]
    ) -> None:
        self.scopes.append(scope)
        await self.let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


async def test_an_application_is_told_what_uvicorn_tells_it() -> None:
    """And where to find the connection; the headers, too."""
    client = Client()
    sent = request(b"{}", "X-Colour: blue", target="/a%20b?c=d")
    client.send(sent)
    client.as_uvicorn_does(sent)
    await client.settle()
    ours, theirs = client.scopes
    assert ours.pop("extensions").keys() == {"canopy.connection"}
    assert ours == theirs
    assert (b"x-colour", b"blue") in ours["headers"]


async def test_the_time_of_a_request_begins_with_its_own_first_byte() -> None:
    """Not with that of one before it, though it came together with the end of that."""
    client = Client()
    client.let.set()
    slow = chunked(b"{}")
    await client.at(0, slow[:-5])
    await client.at(18, slow[-5:] + GOOD[:30])
    await client.at(22)
    assert client.transport.statuses() == [200]
    await client.at(24)
    assert client.transport.statuses() == [200, 408]
    assert client.transport.ended


async def test_the_last_words_wait_for_the_answers_before_them() -> None:
    """However long these take; and only then the client's time to read them begins."""
    client = Client()
    await client.at(0, GOOD + b"\0")
    for now in (10, 100, 1000):
        await client.at(now)
    assert not client.transport.closing
    client.let.set()
    await client.at(1001)
    assert client.transport.statuses() == [200, 400]
    await client.at(1002)
    assert client.transport.ended
    assert not client.transport.aborted
    await client.at(1004)
    assert client.transport.aborted


@pytest.mark.parametrize("secured", [pytest.param(False, id="plain"), pytest.param(True, id="tls")])
@pytest.mark.parametrize(
    ("every", "gone"),
    [pytest.param(None, 3, id="silent"), pytest.param(1, 21, id="drips"), pytest.param(3, 3, id="late")],
)
async def test_who_was_refused_is_heard_out_within_bounds(secured: bool, every: int | None, gone: int) -> None:
    """Two seconds from the last that it has sent, and no longer than a request may take; TLS has its own farewell."""
    client = Client()
    client.transport.secured = secured
    client.let.set()
    await client.at(0, request(b"", "Connection: close", length=1000))
    assert client.transport.statuses() == [200]
    for now in range(1, gone + 1):
        assert client.transport.ended is not secured
        assert not client.transport.closing
        await client.at(now, b" " if every and now % every == 0 and now < gone else b"")
    assert client.transport.closing
    assert client.transport.aborted is not secured


async def test_of_those_that_were_asked_before_a_stop_the_last_answer_says_so() -> None:
    """And if more comes behind it meanwhile, that one instead: all that is read is answered."""
    client = Client()
    client.send(GOOD + GOOD)
    await client.settle()
    client.part()
    client.send(GOOD + GOOD[:30])
    client.let.set()
    await client.settle()
    client.send(GOOD[30:])
    await client.settle()
    heads = client.transport.written.split(b"HTTP/1.1 200 OK")[1:]
    assert [b"connection: close" in head for head in heads] == [False, False, False, True]
    assert client.transport.closing


async def test_the_time_of_a_request_that_is_not_read_stands_still() -> None:
    """It is not the client's fault if the engine is busy with those before it."""
    client = Client()
    await client.at(0, GOOD * 2 + GOOD[:30])
    assert client.transport.paused
    for now in (10, 100, 1000):
        await client.at(now)
    client.let.set()
    await client.settle()
    assert not client.transport.paused
    await client.at(1004, GOOD[30:])
    assert client.transport.statuses() == [200, 200, 200]


@pytest.mark.parametrize(
    ("sent", "closes_at"),
    [
        pytest.param(request(b"{}", "Connection: close"), 10, id="close"),
        pytest.param(GOOD, 100, id="idle"),
    ],
)
async def test_a_connection_that_does_not_close_in_order_is_cut(sent: bytes, closes_at: float) -> None:
    """Its last bytes are few, so that nothing else notices that the client takes none of them."""
    client = Client()
    client.let.set()
    await client.at(10, sent)
    await client.at(closes_at)
    assert client.transport.closing
    await client.at(closes_at + 29)
    assert not client.transport.aborted
    await client.at(closes_at + 31)
    assert client.transport.aborted


async def test_what_a_turn_has_no_room_for_is_answered_in_the_next() -> None:
    """In order, however it was cut up, and beside what comes later."""
    client = Client()
    client.let.set()
    for _ in range(1023):
        assert client.read_budget.admit()
    client.send(GOOD + GOOD[:10])
    for start in range(10, len(GOOD), 7):
        client.send(GOOD[start : start + 7])
    assert client.transport.statuses() == []
    await client.settle()
    assert client.transport.statuses() == [200, 200]
    assert client.read_budget.admit()
    await client.at(1, GOOD)
    assert client.transport.statuses() == [200, 200, 200]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([GOOD, GOOD], id="many"),
        pytest.param([request(b"{}", "X: " + "x" * 20_000)], id="large"),
    ],
)
async def test_who_sends_much_is_not_read_until_it_is_taken_up(pieces: list[bytes]) -> None:
    """So that what is kept for a connection stays small."""
    client = Client()
    client.let.set()
    fill(client.read_budget)
    for piece in pieces:
        assert not client.transport.paused
        client.send(piece)
    assert client.transport.paused
    await client.settle()
    assert not client.transport.paused
    assert client.transport.statuses() == [200] * len(pieces)


async def test_what_was_kept_for_a_client_that_has_gone_is_dropped() -> None:
    """There is nobody left to answer to."""
    client = Client()
    client.let.set()
    fill(client.read_budget)
    client.send(GOOD)
    client.hang_up()
    await client.settle()
    assert client.transport.statuses() == []


async def test_what_was_kept_for_a_client_that_sends_no_more_is_answered() -> None:
    """Though its end was seen before its request; if it has asked nothing whole, there is nothing to answer."""
    client, half = Client(), Client()
    for each, sent in ((client, GOOD), (half, GOOD[:30])):
        each.let.set()
        fill(each.read_budget)
        each.send(sent)
        each.end()
        assert not each.transport.closing
        await each.settle()
        assert each.transport.closing
    assert client.transport.statuses() == [200]
    assert half.transport.statuses() == []


async def test_the_beginning_of_an_answer_that_takes_long_is_sent_ahead() -> None:
    """To a client that sends no more, after a second; the rest follows, and the next answer is whole."""
    client = Client()
    await client.at(0, GOOD + GOOD)
    client.end()
    await client.at(0.9)
    assert client.transport.written == b""
    for now in (1.9, 2.9):
        await client.at(now)
        assert client.transport.written == b"HTTP/1.1 "
    client.let.set()
    await client.at(3)
    assert client.transport.written.count(b"HTTP/1.1 200 OK") == 2
    assert client.transport.written.count(b"HTTP/1.1 ") == 2
    assert client.transport.closing


async def test_the_time_that_a_request_is_kept_is_not_the_clients() -> None:
    """Neither a request's time-out nor that of an idle connection runs on."""
    client = Client()
    client.let.set()
    await client.at(0, GOOD[:30])
    fill(client.read_budget)
    client.send(GOOD[30:])
    client.look(60)
    await client.at(61)
    assert client.transport.statuses() == [200]


async def test_a_drain_answers_what_was_read_and_only_kept() -> None:
    """It counts as accepted; what was not read whole does not."""
    client = Client()
    client.let.set()
    fill(client.read_budget)
    client.send(GOOD + GOOD)
    client.send(GOOD[:30])
    client.drain()
    assert not client.transport.closing
    await client.settle()
    assert client.transport.statuses() == [200, 200]
    assert client.transport.ended, "the rest of the third may be on its way, and must not cost the client its answers"
    half = Client()
    fill(half.read_budget)
    half.send(GOOD[:30])
    half.drain()
    await half.settle()
    assert half.transport.closing
    assert half.transport.statuses() == []


async def test_a_connection_has_all_that_uvicorn_would_give_it() -> None:
    """Most of it in its class, where it takes neither time nor memory; a function is no method there."""

    async def application(_scope: object, _receive: object, _send: object) -> None:
        raise NotImplementedError

    config = uvicorn.Config(application, interface="asgi3", ws="none", lifespan="off", log_config=None)
    config.load()
    config.loaded_app = application
    state, shared = ServerState(), {"x": 1}
    connection = with_common(Connection, config, state, shared)(
        ConnectionContext(LIMITS, Metrics(SharedMetrics(CONTENT)), ReadBudget()), state
    )
    expected = vars(HttpToolsProtocol(config, state, shared))
    assert {"app", "app_state", "connections", "logger", "parser", "scheme"} <= expected.keys()
    assert expected.pop("parser") is not None
    assert connection.parser is None  # until it parses anything
    for name, value in expected.items():
        if name not in {"flow", "pipeline", "transport"}:  # come with the transport, and are ours
            assert getattr(connection, name) is value, name
    assert not vars(connection).keys() & expected.keys()
