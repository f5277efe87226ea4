"""What a format is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from starlette.responses import Response

from preprocessing import Row, RowDecoder
from serving.errors import problem_response
from serving.inference import Answer

Pairs = Sequence[tuple[str, str]]
"""Query parameters, or headers with their names in lower case, in the order of the request."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """What the frame of a request asks, whatever its body has: the format, and how to answer.

    Attributes:
        codec: the format.
        options: what the format has read of the target and the headers.
        timeout: seconds that the request may wait in the queue; None leaves that to the server.
        timed: whether the answer tells how the request fared.
        constant: whether answers with the same label of one row are the same bytes.
    """

    codec: "Codec"
    options: Any = None
    timeout: float | None = None
    timed: bool = False
    constant: bool = False


class Codec(ABC):
    """A format: the bodies of requests, of answers and of errors.

    It is asked on the event loop, once a request: it neither blocks nor keeps anything of a request.

    Attributes:
        path: where it is served, by POST.
        reads: the headers, in lower case, that ``options`` looks at.
        content_type: the media type of requests that need no closer look.
        media_type: of answers.
    """

    path: ClassVar[str]
    reads: ClassVar[frozenset[str]] = frozenset()
    content_type: ClassVar[str] = "application/json"
    media_type: ClassVar[str] = "application/json"

    def takes(self, media_type: str) -> bool:
        """Whether bodies may be of a media type, which is in lower case and without parameters."""
        return media_type == self.content_type

    def options(self, query: Pairs, headers: Pairs) -> Any:  # noqa: ANN401, ARG002 - a format's own
        """What a request asks besides rows.

        Raises:
            RequestError: it asks for what there is not.
        """
        return None

    def constant(self, options: Any) -> bool:  # noqa: ANN401, ARG002
        """Whether, with these options, answers with the same label of one row are the same bytes.

        Options for which this is so can be hashed.
        """
        return False

    @abstractmethod
    def decode(self, decoder: RowDecoder, body: bytes | bytearray, options: Any) -> list[Row]:  # noqa: ANN401
        """Decode a body.

        Args:
            decoder: of the table that the model in service takes.
            body: the body.
            options: what ``options`` has returned.

        Returns:
            At least one and at most ``decoder.max_rows`` rows, in the order of the request.

        Raises:
            InvalidBody: it is none of the format, or breaks the table's schema.
        """

    @abstractmethod
    def encode(self, answer: Answer, options: Any) -> bytes:  # noqa: ANN401
        """Encode the body of an answer.

        Raises:
            RequestError: the model cannot give what ``options`` ask for.
        """

    def error(self, error: Exception) -> Response:
        """The response to a failure, which may be one of the server's own; by default an RFC 9457 problem document."""
        return problem_response(error)
