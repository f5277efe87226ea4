"""Starlette's routing without those of its defaults that are not ours."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from serving.metrics.content import ELSEWHERE

LABEL: Final = "canopy.route"
"""Key in the scope of a request under which its route has the name that figures go by."""


class Route(StarletteRoute):
    """A route that has its own path only, and tells what it takes instead of what it does not.

    Args:
        path: its path; ``{name}`` stands for a segment of one.
        endpoint: answers.
        methods: that it takes.
        label: the name that its figures go by; by default its path.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        methods: Sequence[str] = ("GET",),
        label: str | None = None,
    ) -> None:
        super().__init__(path, endpoint, methods=methods)
        self._label = label or path

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
            raise HTTPException(405, f"{self.path} takes {methods}, not {scope['method']}", {"Allow": methods})
        await super().handle(scope, receive, send)


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
