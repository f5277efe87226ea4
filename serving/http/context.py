"""What all connections of a server share."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

import uvicorn.server
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.http.read_budget import ReadBudget
from serving.http.state import SharedState
from serving.metrics.content import Metrics

Kind = TypeVar("Kind", bound=HttpToolsProtocol)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may cost.

    Attributes:
        max_head_bytes: longest request line with headers, in bytes, and whatever else may come between two pieces of
            a body. One that has no end is given up no later than one read from the socket after that.
        head_timeout: seconds from a request's first byte to the end of its head.
        body_timeout: seconds from a request's first byte to its last.
        write_timeout: seconds that a client may leave its answers unread once the socket is full.
        keep_alive: seconds that a connection may be idle.
        shortest: the shortest of these times.
    """

    max_head_bytes: int = 32_768
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    write_timeout: float = 30.0
    keep_alive: float = 75.0
    shortest: float = field(init=False)

    def __post_init__(self) -> None:
        times = self.head_timeout, self.body_timeout, self.write_timeout, self.keep_alive
        object.__setattr__(self, "shortest", min(times))


class ServerState(SharedState, uvicorn.server.ServerState):
    """uvicorn's, and what connections share besides."""

    def __init__(self) -> None:
        SharedState.__init__(self)
        uvicorn.server.ServerState.__init__(self)


class ConnectionContext(NamedTuple):
    """What all connections of a server share.

    Attributes:
        limits: what each may cost.
        metrics: told of what is refused before it was a request.
        read_budget: bounds what a turn of the event loop takes up.
    """

    limits: ConnectionLimits
    metrics: Metrics
    read_budget: ReadBudget


def with_common(kind: type[Kind], config: Config, server_state: ServerState, app_state: dict[str, Any]) -> type[Kind]:
    """A class of connections that have in common what uvicorn gives each of them.

    uvicorn's constructor asks for two loggers, makes a parser and sets some twenty attributes, nearly all to what they
    were set to for the connection before: that takes longer than a common request does, and memory for each. Here it
    runs once. What a connection sets of these later is its own, as ever.

    Args:
        kind: of the connections. Its own constructor must leave out uvicorn's.
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: uvicorn's.
    """
    pattern = kind.__new__(kind)
    HttpToolsProtocol.__init__(pattern, config, server_state, app_state)
    # A function would be a method of the class.
    common = {
        name: staticmethod(value) if hasattr(type(value), "__get__") else value for name, value in vars(pattern).items()
    }
    common["parser"] = None  # each has one of its own, as soon as it parses anything
    return cast(type[Kind], type(kind.__name__, (kind,), {"__module__": kind.__module__, **common}))
