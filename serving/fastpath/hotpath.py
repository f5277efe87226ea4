"""The hot path: a common request for a prediction goes from the parser to the queue to one write, past ASGI.

uvicorn's ordinary way makes a scope, a cycle and a task for each request, and Starlette's middleware and routing
follow; here a request is one object. It is for requests of the common kind. Whatever is odd about a request sends it
the ordinary way, whose answers are the same.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from batcher import Closed
from serving.codecs import Codec, Frame
from serving.codecs.frame import READS, read_frame
from serving.errors import RequestError, known
from serving.fastpath.head_cache import Head, HeadCache
from serving.fastpath.hotrequest import HotRequest
from serving.fastpath.line import Line
from serving.fastpath.responses import Responses
from serving.http.context import ConnectionContext, ServerState
from serving.http.protocol import Connection
from serving.http.state import ConnectionState
from serving.service import Service

logger = logging.getLogger("canopy.serving")

_ODD: Final = frozenset({b"expect", b"content-encoding", b"transfer-encoding"})
"""Headers that a request on the hot path does not have."""


class _Route(NamedTuple):
    """Where requests in a format come in.

    Attributes:
        codec: the format.
        content_types: what they may say that their body is.
        asking: headers of requests that ask for more than rows.
        plain: what a request without these and without a query asks.
        odd: headers that a request on the hot path does not have.
    """

    codec: Codec
    content_types: frozenset[bytes]
    asking: frozenset[bytes]
    plain: Frame
    odd: frozenset[bytes]


class HotPath:
    """What all connections share.

    Args:
        service: answers the requests.
        codecs: path → the format there.
        cross_origin: whether pages of other origins may ask; what they are told besides is Starlette's to say.

    Attributes:
        service: answers the requests.
        routes: the path of a target → what is there.
        responses: makes the bytes of the answers.
        heads: what the connections have learned to recognise.
    """

    def __init__(self, service: Service, codecs: Mapping[str, Codec], *, cross_origin: bool = False) -> None:
        self.service = service
        odd = _ODD | {b"origin"} if cross_origin else _ODD
        self.routes = {
            path.replace("{model}", quote(service.name)).encode(): _route(codec, odd)
            for path, codec in codecs.items()
            if "{version}" not in path
        }
        self.responses = Responses()
        self.heads = HeadCache()


def _route(codec: Codec, odd: frozenset[bytes]) -> _Route:
    asking = frozenset(name.encode() for name in READS | codec.reads)
    types = frozenset(each.encode() for each in codec.content_types)
    return _Route(codec, types, asking, read_frame(codec, b"", ()), odd)


class HotConnection(Line, Connection):
    """A connection that recognises requests for the hot path.

    Args:
        path: what it shares with all others.
        context: see ``ConnectionState``.
        server_state: likewise.
    """

    def __init__(self, path: HotPath, context: ConnectionContext, server_state: ServerState) -> None:
        ConnectionState.__init__(self, context, server_state)
        self._service = path.service
        self._routes = path.routes
        self._admission = path.service.admission
        self._predictions = path.service.metrics.predictions
        self._responses = path.responses
        self._heads = path.heads
        self._hot = None
        self._head = b""

    def parse(self, data: bytes) -> None:
        """Parse what has come, as ``Connection.receive`` does."""
        Connection.receive(self, data)
        self._head = b""

    def expire(self, now: float) -> None:
        """See ``Connection.expire``."""
        if self._partial:  # from now on this is a matter of the parser and its time-outs
            data, self._partial = self._partial, b""
            self.parse(data)
        super().expire(now)

    def begin(self) -> None:
        """See ``Connection.begin``."""
        head, self._head = self._head, b""
        found = self._common()
        if found is None:
            self._hot = None
            super().begin()
            return
        if head:
            self._heads.learn(head, found)
        self._hot = request = HotRequest(self, found.frame)
        request.keep_alive, request.more_body = found.keep_alive, True
        if self.server_state.parting:
            self.be_last(request)
        self.cycle = request
        if self.running is None:
            self.running = request
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((request, None))

    def take(self, body: bytes) -> None:
        """See ``Connection.take``."""
        request = self._hot
        if request is None:
            super().take(body)
        elif not request.body:
            request.body = body
        else:
            if isinstance(request.body, bytes):
                request.body = bytearray(request.body)
            request.body += body

    def finish(self) -> None:
        """See ``Connection.finish``."""
        request = self._hot
        if request is None:
            super().finish()
            return
        self._hot = None
        request.more_body = False
        if request is not self.running:
            return
        if self.server_state.parting:
            # It may be answered at once, and must not be the last then, if the same chunk has others behind it.
            self.loop.call_soon(self._queue, request)
        else:
            self._queue(request)

    def fail(self, request: HotRequest, error: Exception) -> None:
        """Answer the running request with what went wrong, unless it has its answer."""
        if request.response_complete:
            return
        if known(error) is None:
            logger.error("a request failed", exc_info=error)
        codec = request.frame.codec
        status, response = self._responses.failure(error, codec, self.server_state.default_headers)
        self.write_response(request, response)
        self._metrics.responded(codec.path, status)

    def abandon(self) -> None:
        """See ``Connection.abandon``."""
        request = self.running
        if isinstance(request, HotRequest):
            request.keep_alive = False
            self.fail(request, Closed("the engine did not answer in time"))

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``Connection.connection_lost``."""
        request = self.running
        self._hot = None
        if isinstance(self.cycle, HotRequest):  # uvicorn would look for what its own have
            self.cycle = None
        super().connection_lost(exc)
        if isinstance(request, HotRequest) and not request.response_complete:
            self.running = None  # or each would keep the other until the garbage collector comes
            request.response_complete = True
            if request.accepted:
                self._service.cancel(request)

    def _common(self) -> Head | None:
        """What the head says of a request that nothing about it sends the ordinary way."""
        path, _, query = self.url.partition(b"?")
        route = self._routes.get(path)
        parser = self.parser
        if route is None or b"#" in query or parser.get_method() != b"POST" or parser.get_http_version() != "1.1":
            return None
        length, asks = b"", bool(query)
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name in route.odd or (name == b"content-type" and value not in route.content_types):
                return None
            elif name in route.asking:
                asks = True
        if not length.isdigit() or int(length) > self._service.max_body_bytes:
            return None
        try:
            frame = read_frame(route.codec, query, self.headers) if asks else route.plain
        except RequestError:  # is told the ordinary way
            return None
        return Head(int(length), frame, parser.should_keep_alive())

    def _queue(self, request: HotRequest) -> None:
        if not request.response_complete:  # or the client has gone
            body, request.body = request.body, b""  # or an idle connection would keep it until its next request
            self.queue(request, body, 0)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:  # noqa: ANN401 - uvicorn's own types, and ours
        if not isinstance(cycle, HotRequest):
            super()._start_asgi_task(cycle, app)
            return
        self.running = cycle
        if not cycle.more_body:
            # Not at once: in a long row of requests that are refused, each would be answered from within the last one.
            self.loop.call_soon(self._queue, cycle)
