"""The connection of a Locust user."""

import pytest

from loadtest.generators.closed_loop import encode_request
from loadtest.locust.connection import Connection
from tests.conftest import Start
from tests.helpers.support import label, request

ROW = [3000.0, *[1.0] * 9, 0.0, 0.0]


def test_a_connection_is_kept_from_request_to_request(start: Start) -> None:
    """Two hundred answers come over one connection: the server counts no other but that of the question."""
    with start() as server:
        connection = Connection(server.host, server.port)
        for elevation in range(200):
            reply = connection.ask(encode_request(server.host, [float(elevation), *ROW[1:]]))
            assert (reply.status, reply.model) == (200, "BestModelRF/7")
            assert reply.body == b'{"prediction":[%d]}' % label(elevation)
        sent_by = connection._socket
        connection.ask(encode_request(server.host, ROW))
        assert connection._socket is sent_by is not None
        connection.close()


def test_a_connection_that_the_server_closes_is_made_anew(start: Start) -> None:
    """After a last response the next request goes over another connection."""
    with start() as server:
        connection = Connection(server.host, server.port)
        refused = connection.ask(request(b"", "Connection: close", method="GET", target="/health/live"))
        assert refused.status == 200
        assert connection._socket is None
        assert connection.ask(encode_request(server.host, ROW)).status == 200
        connection.close()


def test_a_server_that_is_gone_is_an_error(start: Start) -> None:
    """Neither a connection that broke nor one that cannot be made passes for an answer."""
    with start() as server:
        connection = Connection(server.host, server.port)
        connection.ask(encode_request(server.host, ROW))
        server.process.kill()
        server.process.wait()
    for _ in range(2):
        with pytest.raises(OSError):  # noqa: PT011 - which one is the system's choice
            connection.ask(encode_request("x", ROW))


def test_a_silent_server_is_given_up(start: Start) -> None:
    """No answer in time is an error."""
    with start(fixed=1.0) as server:
        connection = Connection(server.host, server.port, timeout=0.1)
        with pytest.raises(TimeoutError):
            connection.ask(encode_request(server.host, ROW))
