import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.system.process import ServerProcess
from serving.codecs import CODECS
from serving.metrics.content import MODEL_INFER
from tests.conftest import Start
from tests.helpers.stub_server import RAISES
from tests.helpers.support import Client
from training.pipeline.servers import PREDICTIONS, Counts, State, Unreachable, ask, count, resolve
from training.pipeline.watch import look


@pytest.fixture(scope="module")
def server(start: Start) -> Iterator[ServerProcess]:
    """One that serves version 7 with a stand-in engine."""
    with start() as server:
        yield server


def test_the_routes_of_predictions_are_those_that_are_served() -> None:
    """They are written down once more, for training knows no server's code."""
    assert {codec.path for codec in CODECS} | {MODEL_INFER} == PREDICTIONS


def test_a_server_tells_its_version_and_its_errors(server: ServerProcess) -> None:
    """Predictions that fail count, whoever is to blame, but neither health checks nor requests for other routes do."""
    (address,) = resolve([f"http://{server.host}:{server.port}"])
    before = ask(address)
    client = Client(server)
    assert client.predict(2000.0).status == 200
    assert client.predict(RAISES).status == 500
    assert client.ask("POST", "/predict", b'{"features": [1]}').status == 422
    assert client.ask("POST", "/predict", b"no JSON").status == 400
    assert client.ask("GET", "/nowhere").status == 404
    after = ask(address)
    assert after == State(frozenset({"BestModelRF/7"}), after.counts, None)
    assert after.counts.since(before.counts) == Counts(4, 2)


def test_a_host_name_stands_for_all_its_servers(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is asked by its own address, with the name in the Host header, and told by it."""
    known = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, server.port)) for ip in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: known)
    found = resolve([f"http://canopy.example:{server.port}"])
    assert [address.url for address in found] == [f"http://{ip}:{server.port}" for ip in ("127.0.0.1", "127.0.0.2")]
    assert {address.host for address in found} == {f"canopy.example:{server.port}"}


def test_a_server_that_is_not_ready_serves_nothing(start: Start, tmp_path: Path) -> None:
    """It says what it does instead."""
    with start(ready_within=None, load_after=str(tmp_path / "never")) as server:
        server.wait_until_listening(60)
        (said,) = look([f"http://{server.host}:{server.port}"]).values()
    assert isinstance(said, State)
    assert (said.models, said.trouble) == (frozenset(), "it is loading")


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("http://127.0.0.1:9", id="nobody-listens"),
        pytest.param("http://canopy.invalid:8000", id="no-such-name"),
        pytest.param("http://127.0.0.1:port", id="no-port"),
    ],
)
def test_an_address_without_a_server_is_named(address: str) -> None:
    """The message has it, and a watch goes on with the others."""
    with pytest.raises(Unreachable, match=address):
        count([address])
    (said,) = look([address]).values()
    assert isinstance(said, Unreachable)
