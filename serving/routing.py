"""Starlette's routing without those of its defaults that are not ours."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from serving.errors import BodyTooLarge, RequestError
from serving.metrics.content import ELSEWHERE
from serving.operation import Operation, Served

LABEL: Final = "canopy.route"
"""Key in the scope of a request under which its route has the name that figures go by."""


Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
"""What answers requests."""


class Route(StarletteRoute):
    """A route that has its own path only, and tells what it takes instead of what it does not.

    Args:
        path: its path; ``{name}`` stands for a segment of one.
        endpoint: answers.
        methods: that it takes.
        label: the name that its figures go by; by default its path.
        error: the response to its own failures; None leaves that to the application.
        about: what it does, for what is served; None if it is not to be described.

    Attributes:
        about: see above.
    """

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        *,
        methods: Sequence[str] = ("GET",),
        label: str | None = None,
        error: Callable[[Exception], Response] | None = None,
        about: Callable[[Served], Operation] | None = None,
    ) -> None:
        super().__init__(path, endpoint, methods=methods)
        self.about = about
        self._label = label or path
        self._error = error

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See ``BaseRoute``. Starlette's pattern would let a line feed follow the path."""
        if scope["path"].endswith("\n"):
            return Match.NONE, {}
        match, child = super().matches(scope)
        return match, {**child, LABEL: self._label}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ``BaseRoute``. Starlette would name the methods in any order, another one in each process.

        Raises:
            HTTPException: the route does not take the request's method.
        """
        methods = ", ".join(sorted(self.methods or ()))
        if scope["method"] not in (self.methods or ()):
            error = HTTPException(405, f"{self.path} takes {methods}, not {scope['method']}", {"Allow": methods})
            if self._error is None:
                raise error
            await self._error(error)(scope, receive, send)
            return
        await super().handle(scope, receive, send)


def json_response(document: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response that has JSON."""
    return Response(orjson.dumps(document), status, headers, "application/json")


def telling(
    tell: Callable[[Request], object],
    response: Callable[[object], Response],
    error: Callable[[Exception], Response],
) -> Endpoint:
    """An endpoint that tells something.

    Args:
        tell: what.
        response: the response to have it.
        error: the response to a failure of ``tell``.
    """

    async def endpoint(request: Request) -> Response:
        try:
            return response(tell(request))
        except RequestError as fault:
            return error(fault)

    return endpoint


def label(scope: Scope) -> str:
    """The name that the figures of a request go by."""
    found: str = scope.get(LABEL, ELSEWHERE)
    return found


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for ``Router.not_found``, which has less to say.

    Raises:
        HTTPException: always, but to a WebSocket, which is closed; no server of ours hands one on.
    """
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    raise HTTPException(404, "there is nothing at this path, which counts to the letter; GET / tells what there is")


async def read_body(request: Request, limit: int) -> bytes:
    """Read the body of a request.

    Raises:
        BodyTooLarge: it is, or is said to be, longer than ``limit`` bytes.
        ClientDisconnect: the client hung up before it was complete.
    """
    too_large = BodyTooLarge(f"the body is longer than {limit} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > limit:
            raise too_large
    return bytes(chunks)
