"""The kernel's counters of lost connections."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtest.system.netstat import AcceptQueue, accept_queue
from tests.helpers.support import until


def test_the_counters_are_read(tmp_path: Path) -> None:
    """By name, wherever they stand."""
    path = tmp_path / "netstat"
    path.write_text("IpExt: A B\nIpExt: 1 2\nTcpExt: X ListenOverflows Y ListenDrops\nTcpExt: 9 3 9 5\n")
    assert accept_queue(path) == AcceptQueue(overflows=3, drops=5)
    path.write_text("IpExt: A B\nIpExt: 1 2\n")
    with pytest.raises(ValueError, match="no line TcpExt"):
        accept_queue(path)


def test_a_full_accept_queue_is_seen() -> None:
    """A socket that listens and never accepts makes both counters rise."""
    before = accept_queue()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(5):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        until(lambda: (accept_queue() - before).overflows > 0)
    assert (accept_queue() - before).drops > 0
