"""What the kernel can tell of a connection's other side, without reading from it, and can tell that side at once."""

import asyncio
import contextlib
import select
import socket
from typing import Final

_BROKEN: Final = select.POLLHUP | select.POLLERR

_poller: Final = select.poll()
"""Is asked for one descriptor at a time, from the event loop's thread only."""


def unread(transport: asyncio.BaseTransport) -> bool:
    """Whether something has come that was not read yet: bytes, or the word that no more will come.

    To close a connection then would reset it (RFC 1122, section 4.2.2.13), and may cost the client an answer.

    Args:
        transport: a connection's.
    """
    return bool(_poll(transport, select.POLLIN))


def broken(transport: asyncio.BaseTransport) -> bool:
    """Whether the connection was reset, also after the client has said that it sends no more.

    Reading cannot tell then: the end that was there before is all that is ever read.

    Args:
        transport: a connection's, which has not been shut down from this side.
    """
    return bool(_poll(transport, 0) & _BROKEN)


def say_end(transport: asyncio.WriteTransport) -> None:
    """Let the other side know in this very moment that nothing more will come; to be followed by closing.

    A transport that is closed, or told to write the end, does so only in the event loop's next turn, and what the
    client sends until then is lost. TLS has a word of its own for it, which is written at once. Behind what is still to
    be written there is no hurry.

    Args:
        transport: a connection's.
    """
    found = transport.get_extra_info("socket")
    if found is None or found.fileno() < 0 or not transport.can_write_eof() or transport.get_write_buffer_size():
        return
    borrowed = socket.socket(found.family, found.type, found.proto, found.fileno())
    try:
        with contextlib.suppress(OSError):  # the client has gone
            borrowed.shutdown(socket.SHUT_WR)
    finally:
        borrowed.detach()


def _poll(transport: asyncio.BaseTransport, wanted: int) -> int:
    """What is so of the socket at this moment: wanted events, and errors in any case."""
    descriptor = -1 if (found := transport.get_extra_info("socket")) is None else found.fileno()
    if descriptor < 0:
        return 0
    _poller.register(descriptor, wanted)
    try:
        events = _poller.poll(0)
    finally:
        _poller.unregister(descriptor)
    return events[0][1] if events else 0
