"""A request on the hot path."""

from collections import OrderedDict
from typing import Any, Protocol

from batcher import Batch
from serving.codecs import Frame
from serving.inference import Answer
from serving.table import Query


class Asker(Protocol):
    """A connection that has asked."""

    def answer(self, request: "HotRequest", answer: Answer, /) -> None:
        """Write the answer."""

    def fail(self, request: "HotRequest", error: Exception, /) -> None:
        """Write what went wrong, unless the request has its answer."""


class HotRequest:
    """A request on the hot path: what the batcher calls a waiter, and what stands in for uvicorn's cycle.

    Args:
        connection: where it came from.
        frame: what it asks besides rows.
        body: what has come of its body.
        keep_alive: whether the connection stays open after it.
        more_body: whether some of its body is still to come.

    Attributes:
        connection, frame, body, keep_alive, more_body: see above.
        queued: whether the batcher has accepted it.
        response_complete: whether it has its answer, or its client has gone.
        item, rows, arrived, deadline, part, batch: see ``batcher.Waiter``.
    """

    __slots__ = (
        "arrived",
        "batch",
        "body",
        "connection",
        "deadline",
        "frame",
        "item",
        "keep_alive",
        "more_body",
        "part",
        "queued",
        "response_complete",
        "rows",
    )

    item: Query
    rows: int
    arrived: float
    deadline: float
    part: "OrderedDict[Any, None] | None"
    batch: Batch

    def __init__(self, connection: Asker, frame: Frame, body: bytes, *, keep_alive: bool, more_body: bool) -> None:
        self.connection = connection
        self.frame = frame
        self.keep_alive = keep_alive
        self.body: bytes | bytearray = body
        self.more_body = more_body
        self.queued = False
        self.response_complete = False

    def done(self) -> bool:
        """See ``batcher.Waiter``."""
        return self.response_complete

    def set_result(self, answer: Answer) -> None:
        """See ``batcher.Waiter``."""
        del self.item  # an idle connection keeps this, and would keep the model that it was decoded for
        self.connection.answer(self, answer)

    def set_exception(self, error: Exception) -> None:
        """See ``batcher.Waiter``."""
        del self.item
        self.connection.fail(self, error)
