import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.helpers.support import until
from workers import listen


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as stack:
        yield stack


def opened(stack: ExitStack, port: int = 0, count: int = 1) -> list[socket.socket]:
    """Listening sockets on the loopback interface."""
    listeners = [stack.enter_context(each) for each in listen("127.0.0.1", port, 100, count)]
    for listener in listeners:
        listener.setblocking(False)
    return listeners


def accepted(stack: ExitStack, listener: socket.socket) -> int:
    """Take those who wait; returns how many."""
    number = 0
    while True:
        try:
            stack.enter_context(listener.accept()[0])
        except BlockingIOError:
            return number
        number += 1


def test_connections_are_spread_over_the_sockets(stack: ExitStack) -> None:
    """All are on one port, each has its share, and none is lost."""
    listeners = opened(stack, count=3)
    (port,) = {listener.getsockname()[1] for listener in listeners}
    for _ in range(200):
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    shares = [0, 0, 0]

    def all_taken() -> bool:
        for index, listener in enumerate(listeners):
            shares[index] += accepted(stack, listener)
        return sum(shares) == 200

    until(all_taken)
    assert min(shares) > 0


@pytest.mark.parametrize("theirs", [pytest.param(1, id="alone"), pytest.param(2, id="shared")])
@pytest.mark.parametrize("ours", [pytest.param(1, id="alone"), pytest.param(2, id="shared")])
def test_a_port_in_use_is_refused(stack: ExitStack, theirs: int, ours: int) -> None:
    """Even where both would share it among their own workers: two servers never share one unawares."""
    port = opened(stack, count=theirs)[0].getsockname()[1]
    with pytest.raises(OSError, match="in use") as raised:
        listen("127.0.0.1", port, 100, ours)
    assert raised.value.errno == errno.EADDRINUSE
