"""How far ahead of its answers a connection reads."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.flow_control import FlowControl

from serving.http.state import FlowState

PIPELINED: Final = 8
"""With so many requests waiting for their turn, a connection reads no more."""


class Pipeline(list[Any]):
    """Requests that wait for their turn: the one that came last at the front, the next one to be answered at the end.

    It stands in for uvicorn's deque, of which uvicorn uses ``appendleft`` and ``pop``. An empty list takes a tenth of
    an empty deque's memory, and most of thousands of connections have nothing in theirs.
    """

    __slots__ = ()

    def appendleft(self, entry: Any) -> None:  # noqa: ANN401 - a pair of uvicorn's own types, or of ours
        """Add a request behind all others."""
        self.insert(0, entry)


class Flow(FlowState, FlowControl):
    """uvicorn's, except that nobody, not even a request that wants its body, reads on when enough is under way.

    Nor is there an event for each connection, but only for those whose client reads too slowly.

    Args:
        transport: the connection's.
        pipeline: the requests that wait for their turn.
    """

    def __init__(self, transport: asyncio.Transport, pipeline: Pipeline) -> None:
        super().__init__()
        self._transport = transport
        self._pipeline = pipeline

    def pause_writing(self) -> None:
        """The client does not take its answers."""
        self._is_writable_event = asyncio.Event()
        super().pause_writing()

    def resume_reading(self) -> None:
        """Read more, a hang-up too, unless the client does not take its answers or has many requests waiting."""
        if not (self.write_paused or self.held or len(self._pipeline) >= PIPELINED):
            super().resume_reading()
