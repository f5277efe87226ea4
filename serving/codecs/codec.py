"""What a format is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec
from starlette.responses import Response

from preprocessing.block import Rows
from serving.errors import NotServed, problem_response
from serving.exchange import Answer
from serving.operation import JSON, Operation, Served
from serving.table import Table

Pairs = Sequence[tuple[str, str]]
"""Query parameters, or headers with their names in lower case, in the order of the request."""


class Encoded(NamedTuple):
    """The body of an answer.

    Attributes:
        content: its bytes.
        media_type: what they are.
        headers: more that an answer with such a body has, their names in lower case.
    """

    content: bytes
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Frame(msgspec.Struct, frozen=True, gc=False):
    """What a request asks besides rows: the format, and how to answer.

    Attributes:
        codec: the format.
        options: what the format has read of the target, the headers and the body.
        timeout: seconds that the request may wait in the queue; None leaves that to the server.
        timed: whether the answer tells how the request fared.
        constant: whether answers with the same label of one row are the same bytes, whoever has asked.
        version: the version of the model that alone may answer; None for whichever serves.
    """

    codec: "Codec"
    options: Any = None
    timeout: float | None = None
    timed: bool = False
    constant: bool = False
    version: str | None = None


def encoded(answer: Answer, frame: Frame) -> Encoded:
    """The body of an answer, as its request asks for it.

    Raises:
        RequestError: the model cannot give what is asked for, or another version of it has answered.
    """
    if frame.version is not None and frame.version != answer.model.version:
        raise NotServed(f"version {frame.version} has just been replaced by {answer.model.version}")
    return frame.codec.encode(answer, frame.options)


class Codec(ABC):
    """A format: the bodies of requests, of answers and of errors.

    It is asked on the event loop, once a request: it neither blocks nor keeps anything of a request.

    Attributes:
        path: where it is served, by POST; ``{model}`` stands for the name of the model. Figures go by that name.
        more_paths: where it is served, too; ``{version}`` stands for a version of the model.
        reads: the headers, in lower case, that ``options`` looks at.
        content_types: media types of requests that need no closer look, as they are usually written.
        refusal: the status of a body that breaks the schema.
        scanned: whether its bodies may be those that ``preprocessing.packed`` reads, which then ask nothing besides.
    """

    path: ClassVar[str]
    more_paths: tuple[str, ...] = ()
    reads: ClassVar[frozenset[str]] = frozenset()
    content_types: ClassVar[tuple[str, ...]] = (JSON,)
    refusal: ClassVar[int] = 422
    scanned: ClassVar[bool] = False

    def takes(self, media_type: str) -> bool:
        """Whether bodies may be of a media type, which is in lower case and without parameters."""
        return media_type in self.content_types

    def options(self, query: Pairs, headers: Pairs) -> Any:  # noqa: ANN401, ARG002 - a format's own
        """What the frame of a request asks besides rows.

        Raises:
            RequestError: it asks for what there is not.
        """
        return None

    def constant(self, options: Any) -> bool:  # noqa: ANN401, ARG002
        """Whether, with these options, answers with the same label of one row are the same bytes.

        Options for which this is so can be hashed.
        """
        return False

    def tells_probabilities(self, options: Any) -> bool:  # noqa: ANN401, ARG002
        """Whether an answer has probabilities: where none has, an engine has less to do.

        Args:
            options: those of the frame that ``decode`` has returned.
        """
        return True

    @abstractmethod
    def decode(self, table: Table, body: bytes | bytearray, frame: Frame) -> tuple[Rows, Frame]:
        """Decode a body.

        Args:
            table: what rows are for the model in service.
            body: the body.
            frame: what is asked outside of it.

        Returns:
            At least one and at most ``max_rows_per_request`` rows, in the order of the request; and what it asks, its
            body included.

        Raises:
            InvalidBody: it is none of the format, or breaks the table's schema.
        """

    @abstractmethod
    def encode(self, answer: Answer, options: Any) -> Encoded:  # noqa: ANN401
        """Encode the body of an answer.

        Args:
            answer: the answer.
            options: those of the frame that ``decode`` has returned.

        Raises:
            RequestError: the model cannot give what ``options`` ask for.
        """

    @abstractmethod
    def about(self, served: Served) -> Operation:
        """What it takes and gives, for what is served."""

    def error(self, error: Exception) -> Response:
        """The response to a failure, which may be one of the server's own; by default an RFC 9457 problem document."""
        return problem_response(error)
