"""Keeping newcomers away from a listening socket without turning anyone away who has come.

When a listening socket is closed, the kernel resets the connections that wait at it: their clients have connected, may
have sent a request already, and see it fail. So before a server closes one, it has the kernel drop whatever would open
a new connection (a client then knocks again after a second, and finds nobody or somebody else), and accepts the rest.

The filter is a program of classic BPF, as in the kernel's Documentation/networking/filter.rst; a TCP socket's filter
sees segments from their TCP header on, whose 14th byte has the flags (RFC 9293, section 3.1).
"""

import contextlib
import ctypes
import socket
import struct
from typing import Final

# As in Linux' asm-generic/socket.h; Python does not name them.
_SO_ATTACH_FILTER: Final = 26
_SO_DETACH_FILTER: Final = 27

_STEPS: Final = (
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x45, 0, 1, 0x02),  # unless SYN is among them, skip a step
    (0x06, 0, 0, 0),  # drop the segment
    (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
)
_PROGRAM: Final = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _STEPS))
_FILTER: Final = struct.pack("@HP", len(_STEPS), ctypes.addressof(_PROGRAM))


def block_new(listener: socket.socket) -> None:
    """Let nobody new connect; who has begun to can still be accepted.

    Where there are no such filters, nothing changes.

    Args:
        listener: a listening TCP socket. All processes that have it share its filter.
    """
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _FILTER)


def unblock_new(listener: socket.socket) -> None:
    """Let newcomers connect again, if someone has barred them.

    Args:
        listener: a listening socket.
    """
    with contextlib.suppress(OSError):  # nobody has
        listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
