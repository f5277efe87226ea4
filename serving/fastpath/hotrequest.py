# cython: language_level=3, annotation_typing=False
"""A request on the hot path."""

from typing import TYPE_CHECKING, Any

from batcher.waiter import Waiter

if TYPE_CHECKING:
    from serving.codecs import Frame
    from serving.fastpath.line import Line


class HotRequest(Waiter):
    """A request on the hot path: what the batcher calls a waiter, and what stands in for uvicorn's cycle.

    Args:
        line: the connection that it came from.
        frame: what it asks besides rows.

    Attributes:
        line, frame: see above.
        body: what has come of its body, until that is decoded.
        keep_alive: whether the connection stays open after it.
        more_body: whether some of its body is still to come.
        accepted: whether the batcher has accepted it.
        response_complete: whether it has its answer, or its client has gone.
    """

    __slots__ = ("accepted", "body", "frame", "keep_alive", "line", "more_body", "response_complete")

    def __init__(self, line: "Line", frame: "Frame") -> None:
        self.begin(line, frame)

    def begin(self, line: "Line", frame: "Frame") -> None:
        """What the constructor does, for who makes thousands a second: to call one costs more than all of this."""
        self.item = None
        self.rows = 1
        self.queued = self.in_order = False
        self.batch = None  # type: ignore[assignment]
        self.line = line
        self.frame = frame
        self.body: bytes | bytearray = b""
        self.keep_alive = True
        self.more_body = False
        self.accepted = False
        self.response_complete = False

    def done(self) -> bool:
        """See ``batcher.Waiter``."""
        return self.response_complete

    def set_result(self, result: Any) -> None:  # noqa: ANN401 - an Answer
        """See ``batcher.Waiter``."""
        self.item = None  # an idle connection keeps this, and would keep the model that it was decoded for
        self.line.answer(self, result)

    def set_exception(self, error: Exception) -> None:
        """See ``batcher.Waiter``."""
        self.item = None
        self.line.fail(self, error)
