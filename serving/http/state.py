# cython: language_level=3, annotation_typing=False
"""What a connection knows of itself."""

from typing import Any


class ConnectionState:
    """The attributes of a connection, uvicorn's own among them that each request touches.

    They stand here so that they have places of their own. Beyond thirty attributes Python no longer lays out the
    objects of a class alike, which would cost a kilobyte each; and compiled code finds them without a look-up.
    """

    __slots__ = (
        "_before",
        "_chunk",
        "_ended",
        "_fault",
        "_head_bytes",
        "_held_back",
        "_kept",
        "_last",
        "_left",
        "_limits",
        "_metrics",
        "_read_budget",
        "_reading",
        "_since",
        "_stalled",
        "_wasted",
        "cycle",
        "flow",
        "loop",
        "lost",
        "on_lost",
        "pipeline",
        "running",
        "server_state",
        "transport",
    )

    _before: int
    _chunk: int
    _ended: bool
    _fault: Any
    _head_bytes: int
    _held_back: bool
    _kept: int
    _last: Any
    _left: float | None
    _limits: Any
    _metrics: Any
    _read_budget: Any
    _reading: int
    _since: float
    _stalled: float | None
    _wasted: int
    cycle: Any
    flow: Any
    loop: Any
    lost: bool
    on_lost: Any
    pipeline: Any
    running: Any
    server_state: Any
    transport: Any

    # What is asked of a connection from within compiled code; it stands behind all of its classes.

    def keep(self, data: bytes) -> None:
        """Have bytes kept for a later turn."""
        raise NotImplementedError

    def parse(self, data: bytes) -> None:
        """Parse bytes that have come."""
        raise NotImplementedError

    def be_last(self, request: Any) -> None:  # noqa: ANN401 - uvicorn's own type, or ours
        """Have a request be the connection's last."""
        raise NotImplementedError

    def leave(self) -> None:
        """Part, now that the last answer is given."""
        raise NotImplementedError

    def fail(self, request: Any, error: Exception) -> None:  # noqa: ANN401
        """Answer a request with what went wrong."""
        raise NotImplementedError

    def on_response_complete(self) -> None:
        """A request is answered: turn to the next one."""
        raise NotImplementedError
