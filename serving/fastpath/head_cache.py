# cython: language_level=3, annotation_typing=False
"""Heads of requests that need not be parsed again.

A client sends the same head with each of its requests, but for the content length, and a crowd of the same kind of
clients sends the same heads. Looking one up costs a tenth of parsing it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.codecs import Frame

END = b"\r\n\r\n"
"""What a head ends with."""

_LONGEST = 2048
"""Bytes; a longer head is not remembered."""

_MOST = 1024
"""Heads that are remembered; about one for each content length and kind of client."""


class Head:
    """What a head says.

    Args:
        length: of the body, in bytes.
        frame: what is asked.
        keep_alive: whether the connection stays open after it.

    Attributes:
        length, frame, keep_alive: see above.
    """

    __slots__ = ("frame", "keep_alive", "length")

    def __init__(self, length: int, frame: "Frame", keep_alive: bool = True) -> None:
        self.length = length
        self.frame = frame
        self.keep_alive = keep_alive


class HeadCache:
    """What each head says that was seen to begin a common request."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, head: bytes) -> Head | None:
        """What a head says; None if it is not remembered."""
        return self._known.get(head)

    def learn(self, head: bytes, meaning: Head) -> None:
        """Remember a head, if it is one beyond doubt.

        Args:
            head: what a connection sent from the beginning of a request up to the first empty line.
            meaning: what it was found to say.
        """
        # Were there an end of line that is less than CRLF, or something before the request line, the head might have
        # ended elsewhere for the parser than at what we take for its end.
        plain = head.startswith(b"POST ") and head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")
        if not plain or len(head) > _LONGEST:
            return
        if len(self._known) >= _MOST:  # of those that are still in use each comes back with its next request
            self._known.clear()
        self._known[head] = meaning
