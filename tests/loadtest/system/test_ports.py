"""Ports that are kept for somebody."""

import socket

import pytest

from loadtest.system.ports import reserved_port
from workers.listening import listen


def test_a_reserved_port_is_nobody_elses_until_its_server_listens_there() -> None:
    """Nobody answers at it and the system gives it to nobody, but servers of one socket or several come and go."""
    with reserved_port() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        others = [socket.create_server(("127.0.0.1", 0)) for _ in range(200)]
        assert port not in {other.getsockname()[1] for other in others}
        for other in others:
            other.close()
        for count in (1, 2, 1):
            listeners = listen("127.0.0.1", port, 5, count)
            with socket.create_connection(("127.0.0.1", port)), pytest.raises(OSError, match="in use"):
                listen("127.0.0.1", port, 5, 1)
            for listener in listeners:
                listener.close()


def test_two_are_never_the_same() -> None:
    """However many are kept at a time."""
    with reserved_port() as one, reserved_port() as other, reserved_port() as third:
        assert len({one, other, third}) == 3


@pytest.fixture
def free() -> int:
    """A port at which nobody listens, and which nobody keeps."""
    with reserved_port() as port:
        return port


def test_the_first_port_at_which_nobody_listens_is_taken(free: int) -> None:
    """In the order in which they are wanted; if somebody listens at each, it is an error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        in_use = taken.getsockname()[1]
        with reserved_port([in_use, free]) as found:
            assert found == free
        with pytest.raises(OSError, match="in use"), reserved_port([in_use, in_use]):
            pass


def test_a_number_that_somebody_else_keeps_is_not_to_be_had(free: int) -> None:
    """Though nobody listens there yet."""
    with reserved_port([free]) as kept:
        assert kept == free
        with pytest.raises(OSError, match="in use"), reserved_port([free]):
            pass
    with reserved_port([free]) as again:
        assert again == free
