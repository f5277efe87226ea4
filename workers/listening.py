"""Listening sockets on one address."""

import socket


def listen(host: str, port: int, backlog: int, count: int = 1) -> list[socket.socket]:
    """Listen before anything slow happens, so that a port in use is reported at once.

    Clients may connect from now on; they are served when an event loop takes the sockets over. The kernel spreads new
    connections over the sockets, each of which has a queue of its own.

    Args:
        host: an address or a name; a name stands for its first address.
        port: 0 takes a free one.
        backlog: most connections that wait at a socket to be accepted.
        count: number of sockets.

    Raises:
        OSError: the address cannot be had.
        UnicodeError: the host cannot be a name.
    """
    first = _bind(host, port, backlog, shared=False)
    listeners = [first]
    try:
        if count > 1:
            # Only now: had it been bound as one that shares, another Canopy could have joined it, or it another, and
            # neither would have noticed.
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        while len(listeners) < count:
            listeners.append(_bind(host, first.getsockname()[1], backlog, shared=True))
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _bind(host: str, port: int, backlog: int, *, shared: bool) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        # Only listening makes the port ours: with SO_REUSEADDR two sockets may be bound to it until one listens.
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener
