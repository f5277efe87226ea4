"""What all connections of a server share."""

from dataclasses import dataclass, field
from typing import NamedTuple

import uvicorn.server

from serving.http.read_budget import ReadBudget
from serving.http.state import SharedState
from serving.metrics.content import Metrics


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
