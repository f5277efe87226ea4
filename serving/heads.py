"""Heads of requests that need not be parsed again.

A client sends the same head with each of its requests, but for the content length, and a crowd of the same kind of
clients sends the same heads. Looking one up costs a tenth of parsing it.
"""

from typing import Final

END: Final = b"\r\n\r\n"
"""What a head ends with."""

_LONGEST: Final = 2048
"""Bytes; a longer head is not remembered."""

_MOST: Final = 1024
"""Heads that are remembered; about one for each content length and kind of client."""


class KnownHeads(dict[bytes, int]):
    """The content length of each head that was seen to begin a common request on a connection that stays open."""

    def learn(self, head: bytes, length: int) -> None:
        """Remember a head, if it is one beyond doubt.

        Args:
            head: what a connection sent from the beginning of a request up to the first empty line.
            length: the content length that the parser found for that request.
        """
        # Were there an end of line that is less than CRLF, or something before the request line, the head might have
        # ended elsewhere for the parser than at what we take for its end.
        plain = head.startswith(b"POST ") and head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")
        if not plain or len(head) > _LONGEST:
            return
        if len(self) >= _MOST:  # of those that are still in use each comes back with its next request
            self.clear()
        self[head] = length
