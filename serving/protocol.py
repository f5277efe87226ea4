"""The connection: uvicorn's httptools protocol, which tells a waiting request when its client hangs up."""

from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION: Final = "canopy.connection"
"""Key in the ASGI scope's ``extensions`` under which a request finds its Connection."""


class Connection(HttpToolsProtocol):
    """One client's connection.

    An ASGI application learns of a hang-up from ``receive``, which takes a task of its own beside each waiting
    request: a quarter of all the work at a thousand clients. A callback costs nothing.

    Attributes:
        on_lost: called when the client has gone, while a request waits for its answer.
        lost: whether the client has gone.
        running: the request that the application is answering; pipelined ones wait behind it.
    """

    on_lost: Callable[[], object] | None = None
    lost = False
    running: RequestResponseCycle | None = None

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item]  # ASGI has dicts there

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by either side."""
        self.lost = True
        if self.running is not None:  # uvicorn looks at the newest request only
            self.running.disconnected = True
            self.running.message_event.set()
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()

    def shutdown(self) -> None:
        """The server drains: the requests whose bodies have been read to the end are answered, and nothing more."""
        accepted = [
            cycle
            for cycle in (self.running, *(cycle for cycle, _ in reversed(self.pipeline)))
            if cycle is not None and not cycle.more_body and not cycle.response_complete
        ]
        if accepted:
            accepted[-1].keep_alive = False
        else:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own type
        self.running = cycle
        super()._start_asgi_task(cycle, app)
