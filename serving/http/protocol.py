"""The connection: uvicorn's httptools protocol, with limits, time-outs and manners of its own."""

from collections import deque
from typing import Any, Final

import httptools
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from serving.errors import HeadTooLarge, MalformedRequest, RequestError
from serving.http.conformance import check
from serving.http.flow import PIPELINED
from serving.http.lifetime import Lifetime
from serving.http.peer import broken
from serving.http.state import BODY, HEAD, IDLE, LEAVING, SLICE
from serving.http.upgrade import without_upgrade

EXTENSION: Final = "canopy.connection"
"""Key in the ASGI scope's ``extensions`` under which a request finds its Connection."""

_NOWHERE: Final[Any] = deque(maxlen=0)
"""Where the trailers of a body go."""


class Connection(Lifetime):
    """One client's connection.

    Requests are answered in the order in which they came: one is ``running``, the others wait in uvicorn's
    ``pipeline``.

    An ASGI application learns of a hang-up from ``receive``, which takes a task of its own beside each waiting
    request: a quarter of all the work at a thousand clients. A callback costs nothing. Likewise a timer for each
    connection would cost more than to look at all of them once a second: ``expire``.
    """

    def all_taken_up(self) -> None:
        """See ``ConnectionState``: what was put off until now."""
        if self._ended and not self.await_answers():
            self.transport.close()
        elif self.server_state.closed:
            self.shutdown()

    def receive(self, data: bytes) -> None:
        """Parse what has come."""
        if self._reading == IDLE:
            self._reading = HEAD
            self._since = self.loop.time()
        elif self._reading == LEAVING:
            self._since = self.loop.time()
            self.waste(len(data))
            return
        if self.flow.held:
            data, self.flow.held = self.flow.held + data, b""
        if self.parser is None:
            self._have_parser()
        parts: list[bytes | memoryview] = [data]
        while parts and self._fault is None:
            if len(self.pipeline) >= PIPELINED:
                self.flow.held = b"".join(reversed(parts))
                break
            part = parts.pop()
            if len(part) > SLICE:
                parts.append(memoryview(part)[SLICE:])
                part = memoryview(part)[:SLICE]
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
            self.refuse(self._fault)

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._reading == IDLE:  # one before it ended in this very chunk
            self._since = self.loop.time()
        self._reading = HEAD
        if self.server_state.parting:
            self.be_last(None)  # that will be this one
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
        """Start to answer a request, whose body may be still to come.

        uvicorn makes the scope before the head is read: here only a request that goes through ASGI has one.
        """
        if self.server is None:
            self.server, self.client = get_local_addr(self.transport), get_remote_addr(self.transport)
        self.scope = {  # type: ignore[typeddict-item]  # uvicorn adds method and target; ASGI's extensions are dicts
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,  # type: ignore[typeddict-item]
            "root_path": self.root_path,
            "headers": self.headers,
            "state": self.app_state.copy(),
            "extensions": {EXTENSION: self},  # type: ignore[dict-item]
        }
        super().on_headers_complete()
        self.headers = _NOWHERE
        self.cycle.transport = self
        if self.server_state.parting:
            self.be_last(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Some of a request's body is there."""
        self._head_bytes = self._before
        if self._fault is None and not self.parser.should_upgrade():
            self.take(body)

    def take(self, body: bytes) -> None:
        """Give some of its body to the request that is being read, unless it is answered already."""
        if self.cycle.response_complete:
            self.waste(len(body))
        else:
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
        self.running = None
        if self._left is not None or self.transport.is_closing():
            return
        following = self.pipeline.pop() if self.pipeline else None
        if self.flow.held:
            self.loop.call_soon(self._parse_on)
        else:
            self.flow.resume_reading()
        if following is not None:
            if self._ended and broken(self.transport):
                self.transport.abort()
            else:
                self._start_asgi_task(*following)
        elif self._reading == IDLE:
            self._since = self.loop.time()

    def _parse_on(self) -> None:
        """Parse what was held back, as far as there is room for it now."""
        if self.flow.held and not self.transport.is_closing():
            self.receive(b"")
            if self._ended and not self.await_answers():
                self.transport.close()
            else:
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
        self._have_parser()
        return without_upgrade(method, self.url, version, self.headers)

    def _have_parser(self) -> None:
        """Begin with a new parser, as uvicorn makes it."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
