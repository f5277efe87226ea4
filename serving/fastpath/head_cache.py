"""Heads of requests that need not be parsed again.

A client sends the same head with each of its requests, but for the content length, and a crowd of the same kind of
clients sends the same heads. Looking one up costs a tenth of parsing it.
"""

from typing import Final, NamedTuple

from serving.codecs import Frame

END: Final = b"\r\n\r\n"
"""What a head ends with."""

_LONGEST: Final = 2048
"""Bytes; a longer head is not remembered."""

_MOST: Final = 1024
"""Heads that are remembered; about one for each content length and kind of client."""


class Head(NamedTuple):
    """What a head says.

    Attributes:
        length: of the body, in bytes.
        frame: what is asked.
    """

    length: int
    frame: Frame


class HeadCache(dict[bytes, Head]):
    """What each head says that was seen to begin a common request on a connection that stays open."""

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
        if len(self) >= _MOST:  # of those that are still in use each comes back with its next request
            self.clear()
        self[head] = meaning
