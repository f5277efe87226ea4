"""The connection: uvicorn's httptools protocol, with limits, time-outs and manners of its own."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.common import Common, ServerState
from serving.conformance import check
from serving.errors import HeadTooLarge, MalformedRequest, RequestError, RequestTimeout, problem_response
from serving.flow import PIPELINED, Flow, Pipeline
from serving.metrics import ELSEWHERE
from serving.responses import raw
from serving.upgrade import without_upgrade

EXTENSION: Final = "canopy.connection"
"""Key in the ASGI scope's ``extensions`` under which a request finds its Connection."""

IDLE, HEAD, BODY, LEAVING = range(4)
"""What a connection reads: nothing yet, a request's head, its body, or only what it will throw away."""

_SLICE = 16_384
"""Bytes that are parsed at once, so that of a long row of small requests only the first come into being."""

_NOWHERE: Final[Any] = deque(maxlen=0)
"""Where the trailers of a body go."""

_LAST_WORDS = 2.0
"""Seconds that a client gets to read why it was refused before its connection is cut."""


class _Refusal:
    """The answer to what was no request. It waits for its turn as the requests do, and is the connection's last."""

    more_body = False
    response_complete = False

    def __init__(self, error: RequestError, method: bytes) -> None:
        self.response = problem_response(error)
        self.response.headers["connection"] = "close"
        if method == b"HEAD":
            self.response.body = b""


class Connection(HttpToolsProtocol):
    """One client's connection.

    Requests are answered in the order in which they came: one is ``running``, the others wait in uvicorn's
    ``pipeline``.

    An ASGI application learns of a hang-up from ``receive``, which takes a task of its own beside each waiting
    request: a quarter of all the work at a thousand clients. A callback costs nothing. Likewise a timer for each
    connection would cost more than to look at all of them once a second: ``expire``.

    Args:
        common: what all connections share.
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: uvicorn's.

    Attributes:
        on_lost: called when the client has gone, while a request waits for its answer.
        lost: whether the client has gone.
        running: the request that is being answered.
    """

    # Beyond thirty attributes Python no longer lays out the objects of a class alike, which would cost a kilobyte each.
    __slots__ = (
        "_before",
        "_chunk",
        "_fault",
        "_head_bytes",
        "_held_back",
        "_inbox",
        "_kept",
        "_limits",
        "_metrics",
        "_reading",
        "_since",
        "_stalled",
        "lost",
        "on_lost",
        "running",
    )

    flow: Flow
    server_state: ServerState
    pipeline: Pipeline  # type: ignore[assignment]

    def __init__(
        self,
        common: Common,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        **_: object,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.pipeline = Pipeline()
        self.on_lost: Callable[[], object] | None = None
        self.lost = False
        self.running: Any = None
        self.url = b""
        self._limits, self._metrics, self._inbox = common
        self._kept = 0
        self._held_back = False
        self._reading = IDLE
        self._since = self.loop.time()
        self._chunk = 0
        self._head_bytes = 0
        self._before = 0
        self._fault: RequestError | None = None
        self._stalled: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        if self.server_state.closed:  # it was accepted just before
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Bytes have come: take them up, or have them kept."""
        if self._inbox.admit():
            self.receive(data)
            return
        self._kept += 1
        if (self._kept > 1 or len(data) > _SLICE) and not self.flow.read_paused:
            self._held_back = True
            self.flow.pause_reading()
        self._inbox.keep(self, data)

    def take_up(self, data: bytes) -> None:
        """See ``Recipient``."""
        self._kept -= 1
        if not (self.lost or self.transport.is_closing()):
            self.receive(data)
            if self._held_back and not self._kept:
                self._held_back = False
                self.flow.resume_reading()
            if self.server_state.closed and not self._kept:
                self.shutdown()

    def receive(self, data: bytes) -> None:
        """Parse what has come."""
        if self._reading == IDLE:
            self._reading = HEAD
            self._since = self.loop.time()
        elif self._reading == LEAVING:
            return
        if self.flow.held:
            data, self.flow.held = self.flow.held + data, b""
        parts: list[bytes | memoryview] = [data]
        while parts and self._fault is None:
            if len(self.pipeline) >= PIPELINED:
                self.flow.held = b"".join(reversed(parts))
                break
            part = parts.pop()
            if len(part) > _SLICE:
                parts.append(memoryview(part)[_SLICE:])
                part = memoryview(part)[:_SLICE]
            self._chunk = len(part)
            self._head_bytes += self._chunk
            try:
                self.parser.feed_data(part)
            except httptools.HttpParserUpgrade as stop:
                if self._fault is None:
                    parts += memoryview(part)[stop.args[0] :], self._ignore_upgrade()
            except httptools.HttpParserError as error:
                self._fault = self._fault or MalformedRequest(f"this is no HTTP request: {error}")
        if self._head_bytes - self._before > self._limits.max_head_bytes:
            self._fault = HeadTooLarge(f"the request's head is longer than {self._limits.max_head_bytes} bytes")
        if self._fault is not None:
            self._refuse(self._fault)

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._reading == IDLE:  # one before it ended in this very chunk
            self._since = self.loop.time()
        self._reading = HEAD
        self._head_bytes = self._before = self._chunk  # of this chunk it has some part; the next ones are all its own
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is there. The parser leaves the blanks behind a value, which are no part of it (RFC 9112, 5.1)."""
        name, value = name.lower(), value.rstrip(b" \t")
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A request's head is there."""
        if self._fault is not None:
            return
        if self._head_bytes > self._limits.max_head_bytes and self._length() > self._limits.max_head_bytes:
            self._fault = HeadTooLarge(f"the request's head is longer than {self._limits.max_head_bytes} bytes")
            return
        parser = self.parser
        try:
            self.url = check(parser.get_method(), self.url, parser.get_http_version(), self.headers)
        except RequestError as error:
            self._fault = error
            return
        if parser.should_upgrade():
            return
        self.begin()
        self._reading = BODY

    def begin(self) -> None:
        """Start to answer a request, whose body may be still to come."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()  # which makes the scope, and forgets these
        self.url, self.expect_100_continue = url, expect
        self.headers = self.scope["headers"] = headers
        self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item]  # ASGI has dicts there
        super().on_headers_complete()
        self.headers = _NOWHERE
        if self.server_state.parting:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Some of a request's body is there."""
        self._head_bytes = self._before
        if self._fault is None and not self.parser.should_upgrade():
            self.take(body)

    def take(self, body: bytes) -> None:
        """Give some of its body to the request that is being read."""
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of a request is there."""
        self._reading = IDLE
        self._head_bytes = self._before
        if self._fault is None and not self.parser.should_upgrade():
            self.finish()

    def finish(self) -> None:
        """Tell the request that is being read that its body is complete."""
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request is answered: turn to the next one."""
        self.server_state.total_requests += 1
        self.running = None
        if self.transport.is_closing():
            self._since = self.loop.time()
            return
        following = self.pipeline.pop() if self.pipeline else None
        if self.flow.held:
            self.loop.call_soon(self._parse_on)
        else:
            self.flow.resume_reading()
        if following is not None:
            self._start_asgi_task(*following)
        elif self._reading == IDLE:
            self._since = self.loop.time()

    def pause_writing(self) -> None:
        """The client reads too slowly: take no more requests from it, for their answers would pile up."""
        super().pause_writing()
        self._stalled = self.loop.time()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._stalled = None
        self.flow.resume_reading()

    def eof_received(self) -> None:
        """The client sends no more, which is taken for a hang-up; what is already written still goes out."""
        self._since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by either side."""
        self.lost = True
        _disconnect(self.running)  # uvicorn looks at the newest request only
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()

    def shutdown(self) -> None:
        """The server drains: the requests whose bodies have been read to the end are answered, and nothing more."""
        if self._kept:  # has been read as well; ``take_up`` comes back to this
            return
        accepted = [
            cycle
            for cycle in (self.running, *(cycle for cycle, _ in reversed(self.pipeline)))
            if cycle is not None and not cycle.more_body and not cycle.response_complete
        ]
        if accepted:
            accepted[-1].keep_alive = False
        elif self._reading != LEAVING:
            self.transport.close()

    @property
    def fresh(self) -> bool:
        """Whether no request has begun on it yet."""
        return self._reading == IDLE and self.cycle is None

    def abandon(self) -> None:
        """The time to drain is over: answer what the engine does not; uvicorn cancels what has a task."""

    def expire(self, now: float) -> None:
        """Part with a client that takes too long; called once a second.

        Args:
            now: the event loop's time.
        """
        limits, waited = self._limits, now - self._since
        if self._stalled is not None:
            if now - self._stalled > limits.write_timeout:
                self.transport.abort()
        elif self.transport.is_closing():  # as soon as the client has taken the last answers
            if waited > limits.write_timeout:
                self.transport.abort()
        elif self.flow.read_paused or self._kept:
            self._since = now  # it is we who do not read
        elif self._reading == IDLE:
            if self.running is None and waited > limits.keep_alive:
                self._since = now
                self.transport.close()
        elif self._reading == LEAVING:
            if self.running is None and waited > _LAST_WORDS:
                self.transport.abort()
        elif waited > (limits.head_timeout if self._reading == HEAD else limits.body_timeout):
            self._refuse(RequestTimeout("the request was not complete in time"))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:  # noqa: ANN401 - uvicorn's own types, and ours
        if isinstance(cycle, _Refusal):
            self._say_last(raw(cycle.response, self.server_state.default_headers))
            self._metrics.responded(ELSEWHERE, cycle.response.status_code)
        else:
            self.running = cycle
            super()._start_asgi_task(cycle, app)

    def _parse_on(self) -> None:
        """Parse what was held back, as far as there is room for it now."""
        if self.flow.held and not self.transport.is_closing():
            self.receive(b"")
            self.flow.resume_reading()

    def _length(self) -> int:
        """About how many bytes the head has."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _ignore_upgrade(self) -> bytes:
        """The parser has stopped behind the head of a request to change the protocol: have a new one.

        Returns:
            That head for it, without the wish.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return without_upgrade(method, self.url, version, self.headers)

    def _refuse(self, error: RequestError) -> None:
        """Tell the client what is wrong when all requests before are answered, and part."""
        answered = self._reading == BODY and self.cycle.response_complete
        self._reading = LEAVING
        if self.transport.is_closing():
            return
        if answered:  # without its body, which turned out to be faulty: there is nothing left to say
            self._say_last(b"")
            return
        # The request that was being read is the faulty one.
        if self.running is not None and self.running.more_body:
            _disconnect(self.running)
            self.running = None
        elif self.pipeline and self.pipeline[0][0].more_body:
            del self.pipeline[0]
        refusal = _Refusal(error, self.parser.get_method() if self.url else b"")
        if self.running is None:
            self._start_asgi_task(refusal, None)
        else:
            self.pipeline.appendleft((refusal, None))

    def _say_last(self, words: bytes) -> None:
        """Say something and part, in such a way that it is not lost with what the client has sent since."""
        self._reading = LEAVING
        self._since = self.loop.time()
        self.transport.write(words)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


def _disconnect(request: Any) -> None:  # noqa: ANN401 - uvicorn's own type, or another
    """Let the application read that its client has gone."""
    if isinstance(request, RequestResponseCycle):
        request.disconnected = True
        request.waiting_for_100_continue = False
        request.message_event.set()
