"""The life of a connection: how long it is kept, and how it ends without losing an answer."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl

from serving.errors import RequestError, RequestTimeout, problem_response
from serving.http.context import ServerState
from serving.http.flow import Flow, Pipeline
from serving.http.peer import broken, say_end, unread
from serving.http.state import BODY, HEAD, IDLE, LEAVING, ConnectionState
from serving.http.written import Begun, raw
from serving.metrics.content import ELSEWHERE

_LAST_WORDS = 2.0
"""Seconds that a client that sends nothing gets to read why it was refused before its connection is cut."""

_WASTE = 1 << 28
"""Bytes of refused requests that a connection reads and throws away before it is cut."""

_SILENCE = 1.0
"""Seconds from the beginning of a request whose client sends no more to the beginning of its answer."""


_PARTED: Final = RequestError("nothing is read behind the last request")


class Refusal:
    """The answer to what was no request. It waits for its turn as the requests do, and is the connection's last.

    Args:
        error: why it was none.
        method: its method, as far as that was read.
    """

    more_body = False
    response_complete = False

    def __init__(self, error: RequestError, method: bytes) -> None:
        self.response = problem_response(error)
        self.response.headers["connection"] = "close"
        if method == b"HEAD":
            self.response.body = b""


class Lifetime(ConnectionState, HttpToolsProtocol):
    """What a connection does apart from reading requests: it waits, loses patience, hears of its end, and parts.

    A client that still sends when its connection is closed sees it reset, and mostly does not come to read what it was
    told. So unless a request was read to its end and nothing else has come, the connection is shut down from this side
    only, and what the client sends is read and thrown away until it has closed its side too: RFC 9112, section 9.6.
    That has bounds in time, in silence and in bytes.

    A client that says that it sends no more may wait for its answers, or may have gone: to the other side both look
    alike. It is answered. If that takes longer than a second, the beginning of the answer is sent ahead, which is the
    same for each: a client that has gone answers that by breaking the connection off, and its rows leave the queue.
    TLS has no such half, as uvloop and asyncio have it: there the client has gone.

    What uvicorn's constructor would give each stands in its class (``context.with_common``), and the rest is
    ``ConnectionState``'s.
    """

    flow: Flow
    server_state: ServerState
    pipeline: Pipeline  # type: ignore[assignment]
    url = b""  # nothing of it is read yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there.

        uvicorn looks up the addresses of both sides as well, which is two Python sockets a connection: only a request
        that has a scope needs them.
        """
        self.connections.add(self)
        self.transport = transport
        self.pipeline = Pipeline()
        self.scheme = "https" if is_ssl(transport) else "http"
        self._flow = self.flow = Flow(transport, self.pipeline)
        if self.server_state.closed:  # it was accepted just before
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by either side."""
        self.lost = True
        if self.running is None and self.cycle is None:  # nobody is to be told
            self.connections.discard(self)
            self.parser = None  # which knows its connection
        else:
            disconnect(self.running)  # uvicorn looks at the newest request only
            super().connection_lost(exc)
        self._last = None  # a request knows its connection: each would keep the other until the garbage collector comes
        self.pipeline.clear()
        if self.on_lost is not None:
            self.on_lost()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more; whether it is answered all the same."""
        self._ended = self.transport.can_write_eof()
        answered = self._ended and not broken(self.transport) and (self._kept > 0 or self.await_answers())
        if not answered:
            self._since = self.loop.time()  # what is already written still goes out
        return answered

    def await_answers(self) -> bool:
        """The client sends no more, and all that it has sent was taken up.

        Returns:
            Whether it has requests that are to be answered; the last of them is the connection's last.
        """
        if self._left is not None:
            return False
        if self.flow.held:
            return True
        if self._reading in {HEAD, BODY}:  # it has broken off within a request
            if self.running is not None and self.running.more_body:
                return False
            if self.pipeline and self.pipeline[0][0].more_body:
                del self.pipeline[0]
            self._reading = LEAVING
        self.part()
        return self.running is not None

    def part(self) -> None:
        """Have the newest request be the connection's last, and its answer say so."""
        self.be_last(self.pipeline[0][0] if self.pipeline else self.running)

    def be_last(self, request: Any) -> None:  # noqa: ANN401 - uvicorn's own type, or ours
        """Have a request be the connection's last, instead of the one before it of which that was said."""
        if self._last is not None:
            self._last.keep_alive = True
        self._last = None
        if request is not None and not isinstance(request, Refusal) and request.keep_alive:
            request.keep_alive = False
            self._last = request

    def conclude(self) -> bool:
        """The server drains: part, unless there are requests to answer, or something has come that was not read yet.

        Returns:
            Whether that is decided; if not, ask again when the event loop had its turn.
        """
        if self.lost or self._left is not None or self.transport.is_closing():
            return True
        if self._kept or unread(self.transport):
            return False
        self.shutdown()
        return True

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
            self.be_last(accepted[-1])
        elif self._reading == BODY and self.cycle.response_complete:
            self.leave()
        elif self._reading != LEAVING:
            self._hang_up()

    @property
    def fresh(self) -> bool:
        """Whether no request has begun on it yet."""
        return self._reading == IDLE and self.cycle is None

    def abandon(self) -> None:
        """The time to drain is over: answer what the engine does not; uvicorn cancels what has a task."""

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

    def expire(self, now: float) -> None:
        """Part with a client that takes too long; called once a second, if it may.

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
        elif self._left is not None:
            self._lose_patience(now, waited)
        elif self._ended:
            self._look_for(waited)
        elif self.flow.read_paused or self._kept:
            self._since = now  # it is we who do not read
        elif self._reading == IDLE:
            if self.running is None and waited > limits.keep_alive and not unread(self.transport):
                self._hang_up()
        elif self._reading != LEAVING and waited > (
            limits.head_timeout if self._reading == HEAD else limits.body_timeout
        ):
            self.refuse(RequestTimeout("the request was not complete in time"))

    def refuse(self, error: RequestError) -> None:
        """Tell the client what is wrong when all requests before are answered, and part."""
        answered = self._reading == BODY and self.cycle.response_complete
        self._reading = LEAVING
        if self._left is not None or self.transport.is_closing():
            return
        if answered:  # without its body, which turned out to be faulty: there is nothing left to say
            self._linger()
            return
        # The request that was being read is the faulty one.
        if self.running is not None and self.running.more_body:
            disconnect(self.running)
            self.running = None
        elif self.pipeline and self.pipeline[0][0].more_body:
            del self.pipeline[0]
        refusal = Refusal(error, self.parser.get_method() if self.url else b"")
        self.be_last(refusal)
        if self.running is None:
            self._start_asgi_task(refusal, None)
        else:
            self.pipeline.appendleft((refusal, None))

    def leave(self) -> None:
        """Part, now that the last answer is given, in such a way that it is not lost with what the client sends."""
        if self.transport.is_closing():
            return
        if self._ended or (self._reading == IDLE and not unread(self.transport)):
            self._fault = _PARTED
            self._since = self.loop.time()
            self.transport.close()
        else:
            self._linger()

    def waste(self, size: int) -> None:
        """Count bytes that are thrown away, and cut off who sends too many.

        Args:
            size: how many.
        """
        self._wasted += size
        if self._wasted > _WASTE:
            self.transport.abort()

    # What uvicorn's cycle takes for its transport.

    def write(self, data: bytes) -> None:
        """Write some of an answer."""
        self.transport.write(data)

    def close(self) -> None:
        """The last answer is given."""
        self.leave()

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._left is not None or self.transport.is_closing()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:  # noqa: ANN401 - uvicorn's own types, and ours
        if isinstance(cycle, Refusal):
            self.transport.write(raw(cycle.response, self.server_state.default_headers))
            self._metrics.responded(ELSEWHERE, cycle.response.status_code)
            self._linger()
        else:
            self.running = cycle
            super()._start_asgi_task(cycle, app)

    def _hang_up(self) -> None:
        """Close the connection, on which no answer is due; only what the client sends in this moment can be lost."""
        self._since = self.loop.time()
        say_end(self.transport)
        self.transport.close()

    def _linger(self) -> None:
        """Shut the connection down from this side, and throw away what the client still sends."""
        self._reading = LEAVING
        self._fault = _PARTED
        self._left = self._since = self.loop.time()
        self.pipeline.clear()
        self.flow.held = b""
        self.flow.resume_reading()
        if self._ended:
            self.transport.close()
        elif self.transport.can_write_eof():
            self.transport.write_eof()

    def _lose_patience(self, now: float, waited: float) -> None:
        """Close what has been shut down, if the client is silent or goes on for too long."""
        longest = _LAST_WORDS if self.server_state.closed else self._limits.body_timeout
        if waited <= _LAST_WORDS and now - self._left <= longest:  # type: ignore[operator]  # it is set
            return
        self._since = now
        if self.transport.can_write_eof():
            self.transport.abort()
        else:
            self.transport.close()

    def _look_for(self, waited: float) -> None:
        """See whether a client that sends no more, and waits for an answer, is still there."""
        if broken(self.transport):
            self.transport.abort()
        elif waited > _SILENCE and not getattr(self.running, "response_started", False):
            begun = self.transport if isinstance(self.transport, Begun) else Begun(self.transport)
            self.transport = begun
            begun.begin()


def disconnect(request: Any) -> None:  # noqa: ANN401 - uvicorn's own type, or another
    """Let the application read that its client has gone."""
    if isinstance(request, RequestResponseCycle):
        request.disconnected = True
        request.waiting_for_100_continue = False
        request.message_event.set()
