"""A format of another kind than Canopy's own, as somebody might add it: lines of numbers, and lines of labels."""

from typing import ClassVar

from starlette.responses import Response

from preprocessing import InvalidRow, Row
from preprocessing.block import Rows
from serving.codecs import Codec, Encoded, Frame
from serving.codecs.codec import Pairs
from serving.errors import told
from serving.exchange import Answer
from serving.operation import Body, Operation, Served
from serving.table import Table


class Lines(Codec):
    """``POST /lines``: a row a line, with blanks between values; the header Label-Prefix stands before labels."""

    path: ClassVar[str] = "/lines"
    reads: ClassVar[frozenset[str]] = frozenset({"label-prefix"})
    content_types: ClassVar[tuple[str, ...]] = ("text/plain",)

    def options(self, query: Pairs, headers: Pairs) -> str:  # noqa: ARG002
        """See ``Codec``."""
        return next((value for name, value in headers if name == "label-prefix"), "")

    def constant(self, options: str) -> bool:  # noqa: ARG002
        """See ``Codec``."""
        return True

    def decode(self, table: Table, body: bytes | bytearray, frame: Frame) -> tuple[Rows, Frame]:
        """See ``Codec``."""
        decoder = table.decoder
        rows: list[Row] = []
        if body == b"?":
            raise KeyError
        for number, line in enumerate(body.decode().splitlines(), 1):
            if number > decoder.max_rows:
                raise InvalidRow(f"line {number}", "is one too many")
            values = line.split()
            if len(values) != len(decoder.schema.fields):
                raise InvalidRow(f"line {number}", f"has {len(values)} values")
            rows.append(tuple(map(float, values)))
        return rows, frame

    def about(self, served: Served) -> Operation:  # noqa: ARG002
        """See ``Codec``."""
        text = {"text/plain": Body({"type": "string"})}
        return Operation("lines", "Lines of numbers.", "lines", text, text)

    def encode(self, answer: Answer, options: str) -> Encoded:
        """See ``Codec``."""
        content = "".join(f"{options}{label}\n" for label in answer.labels).encode()
        return Encoded(content, "text/plain; charset=utf-8")

    def error(self, error: Exception) -> Response:
        """See ``Codec``."""
        if isinstance(error, KeyError):
            raise TypeError
        failure = told(error)
        return Response(f"error: {failure.detail}\n", failure.problem.status, failure.headers, "text/plain")
