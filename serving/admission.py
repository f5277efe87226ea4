# cython: language_level=3, annotation_typing=False
"""From a body to the queue."""

from typing import TYPE_CHECKING, Any

from batcher.intake import Intake
from batcher.waiter import Waiter
from serving.errors import ModelNotReady
from serving.exchange import Query

if TYPE_CHECKING:
    from preprocessing.packed import RowScanner
    from serving.codecs import Frame
    from serving.table import Table


class Admission:
    """Decodes the bodies of requests, and queues their rows: one after the other, so that a waiter knows what it asks.

    Attributes:
        table: what bodies are decoded by; None while no model is loaded.
        intake: the batcher's; None until the event loop runs.
    """

    __slots__ = ("_frame", "_probabilities", "_scanned", "_scanner", "_timeout", "intake", "table")

    def __init__(self) -> None:
        self.table: Table | None = None
        self.intake: Intake | None = None
        self._scanner: RowScanner | None = None
        self._frame: Frame | None = None
        self._scanned = self._probabilities = False
        self._timeout: float | None = None

    def use(self, table: "Table") -> None:
        """Decode by a table from now on."""
        self.table = table
        self._scanner = table.scanner

    def decode(self, waiter: Waiter, frame: "Frame", body: bytes | bytearray, start: int = 0) -> "Frame":
        """Decode the body of a request, unless it would be refused anyway.

        Args:
            waiter: this sets its ``item`` and ``rows``.
            frame: what is asked outside of the body.
            body: the body, which begins at ``start``.
            start: where.

        Returns:
            What is asked, in the body too.

        Raises:
            InvalidBody: the body is none of the format, or breaks the schema.
            ModelNotReady: no model is loaded.
            Overloaded: see ``Batcher.raise_if_overloaded``.
        """
        intake, table = self.intake, self.table
        if intake is None or table is None:
            raise ModelNotReady
        intake.raise_if_overloaded()  # before the body is decoded
        rows: Any = None
        if frame is not self._frame:  # that of the request before, mostly
            self._frame, self._scanned, self._timeout = frame, frame.codec.scanned, frame.timeout
            self._probabilities = self._scanned and frame.codec.tells_probabilities(frame.options)
        if self._scanned and self._scanner is not None:
            rows = self._scanner.scan(body, start)
        if rows is None:
            rows, frame = frame.codec.decode(table, body[start:] if start else body, frame)
        query = Query.__new__(Query)
        if self._scanned:
            query.begin(table, rows, self._probabilities)
        else:  # what is asked may stand in the body
            query.begin(table, rows, frame.codec.tells_probabilities(frame.options))
        waiter.item = query
        waiter.rows = len(rows)
        return frame

    def enqueue(self, waiter: Waiter, frame: "Frame") -> None:
        """Queue a request that was decoded; its answer may be there before this returns.

        Args:
            waiter: is told of the answer.
            frame: all that is asked.

        Raises:
            BatcherError: see ``Batcher.enqueue``.
        """
        if self.intake is None:
            raise ModelNotReady
        self.intake.enqueue(waiter, self._timeout if frame is self._frame else frame.timeout)
