"""The connection: uvicorn's httptools protocol, which tells a waiting request when its client hangs up."""

from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION: Final = "canopy.connection"
"""Key in the ASGI scope's ``extensions`` under which a request finds its Connection."""


class Connection(HttpToolsProtocol):
    """One client's connection.

    An ASGI application learns of a hang-up from ``receive``, which takes a task of its own beside each waiting
    request: a quarter of all the work at a thousand clients. A callback costs nothing.

    Attributes:
        on_lost: called when the client has gone, while a request waits for its answer.
        lost: whether the client has gone.
    """

    on_lost: Callable[[], object] | None = None
    lost = False

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item]  # ASGI has dicts there

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by either side."""
        self.lost = True
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()

    def shutdown(self) -> None:
        """The server drains: a request is accepted, and answered, once its body has been read to the end."""
        if self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete:
            self.transport.close()
        else:
            super().shutdown()
