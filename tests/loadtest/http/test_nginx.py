"""The constant that nginx answers."""

import http.client
from pathlib import Path

import pytest

from loadtest.generators.formats import Message
from loadtest.http import nginx
from loadtest.http.nginx import Constant, answer, configuration, constant

GIVEN = Constant(
    '{"prediction":["a \\"word\\" \\\\"]}', {"content-type": "application/json", "canopy-model": 'B"est/7'}
)


@pytest.mark.tool("nginx")
@pytest.mark.parametrize("times", [1, 700], ids=["short", "long"])
def test_nginx_answers_what_it_was_given(times: int) -> None:
    """Body and headers, whatever is in them; requests are counted, with the one that asks for their number."""
    given = GIVEN._replace(body=GIVEN.body * times)
    with constant(given, connections=8, body_bytes=100_000) as server:
        before, cpu = server.answered(), server.cpu_time()
        for size in (2, 100_000):
            found = answer(server.host, server.port, "/predict?probabilities=true", Message(b"x" * size, {}))
            assert found.body == given.body
            assert found.headers.items() >= given.headers.items()
        assert server.answered() - before == 3
        assert server.cpu_time() > cpu


@pytest.mark.tool("nginx")
def test_nginx_closes_a_connection_that_is_asked_for_once() -> None:
    """And says so, which makes wrk connect anew."""
    with constant(GIVEN, connections=8, body_bytes=100) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        connection.request("POST", "/predict", b"{}", {"Connection": "close"})
        response = connection.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        response.read()
        connection.close()


def test_what_nginx_would_take_for_a_variable_is_refused(tmp_path: Path) -> None:
    """It could not be told to answer a dollar."""
    with pytest.raises(RuntimeError, match="for the dollar in it"):
        configuration(Constant("$1", {}), 1, 1, tmp_path, 1)


def test_without_nginx_the_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is looked for where Debian has it, too."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nginx, "_FOLDERS", str(tmp_path))
    assert nginx.program() is None
    with pytest.raises(RuntimeError, match="apt-get install nginx"), constant(GIVEN, 1, 1):
        pass
