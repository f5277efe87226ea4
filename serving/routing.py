"""Starlette's routing without those of its defaults that are not ours."""

from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose


class Route(StarletteRoute):
    """A route that has its own path only, and tells what it takes instead of what it does not."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See ``BaseRoute``. Starlette's pattern would let a line feed follow the path."""
        return super().matches(scope) if not scope["path"].endswith("\n") else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ``BaseRoute``. Starlette would name the methods in any order, another one in each process.

        Raises:
            HTTPException: the route does not take the request's method.
        """
        methods = ", ".join(sorted(self.methods or ()))
        if scope["method"] not in (self.methods or ()):
            raise HTTPException(405, f"{self.path} takes {methods}, not {scope['method']}", {"Allow": methods})
        await super().handle(scope, receive, send)


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for ``Router.not_found``, which has less to say.

    Raises:
        HTTPException: always, but to a WebSocket, which is closed; no server of ours hands one on.
    """
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    raise HTTPException(404, "there is nothing at this path, which counts to the letter; GET / tells what there is")
