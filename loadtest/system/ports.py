"""Ports that nobody else is given between the moment they are chosen and the moment a server listens at them."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

LOOPBACK: Final = "127.0.0.1"
ANY: Final = (0,)
"""Leaves the choice to the system."""


@contextmanager
def reserved_port(wanted: Iterable[int] = ANY, host: str = LOOPBACK) -> Iterator[int]:
    """Keep a port for a program that will listen there, or again and again, in this process or another.

    A port that was looked up and let go may be anybody's by the time a program listens at it: the system hands it out
    again, to a server or to the near end of a connection. So a socket stays bound to it that does not listen. Linux
    lets another one bind and listen beside it if both say SO_REUSEADDR, as servers do, and gives such a port to nobody
    that does not ask for it by its number (inet_csk_get_port in net/ipv4/inet_connection_sock.c).

    Args:
        wanted: ports in the order in which they are tried; 0 stands for any.
        host: the address that the program will listen on.

    Yields:
        The first of them at which nobody listens, and which nobody keeps.

    Raises:
        OSError: there is no such port.
    """
    taken = OSError("no port was asked for")
    for port in wanted:
        with ExitStack() as stack:
            try:
                kept = _keep(host, port, stack)
            except OSError as error:
                taken = error
                continue
            yield kept
            return
    raise taken


def _keep(host: str, port: int, stack: ExitStack) -> int:
    holder = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((host, port))
    kept: int = holder.getsockname()[1]
    # Two that keep the same number would not notice each other by that. Of a name that is in no file system, as of a
    # port, there is one in each network namespace.
    stack.enter_context(socket.socket(socket.AF_UNIX)).bind(f"\0canopy-port-{kept}")
    return kept
