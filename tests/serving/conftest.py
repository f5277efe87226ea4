"""Servers that the tests of this room share."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.stub_server import HELD
from tests.helpers.support import Client, Gate, Wire, in_the_batcher, label, request, rows, until

WAYS = ("hot", "asgi")

Hold = Callable[[], AbstractContextManager[None]]


class Shared(NamedTuple):
    """A shared server, its log, and what holds its engine."""

    process: ServerProcess
    log: Path
    gate: Gate


@pytest.fixture(scope="session")
def quick(start: Start) -> Iterator[ServerProcess]:
    """A server whose engine takes no time; shared, so leave it as it was."""
    with start() as server:
        yield server


@pytest.fixture
def client(quick: ServerProcess) -> Client:
    """A connection to the quick server."""
    return Client(quick)


@pytest.fixture(scope="session")
def shared(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shared]]:
    """A server for each way to serve HTTP."""
    folder = tmp_path_factory.mktemp("ways")
    with contextlib.ExitStack() as stack:
        servers = {}
        for way in WAYS:
            log, gate = folder / f"{way}.log", folder / f"{way}.gate"
            output = stack.enter_context(log.open("wb"))
            process = stack.enter_context(start("--http", way, log=output, gate=str(gate)))
            servers[way] = Shared(process, log, Gate(gate))
        yield servers


@pytest.fixture(params=[pytest.param(way, id=way) for way in WAYS])
def way(request: pytest.FixtureRequest) -> str:
    """Each way to serve HTTP in turn."""
    name: str = request.param
    return name


@pytest.fixture
def server(shared: dict[str, Shared], way: str) -> Iterator[ServerProcess]:
    """A shared server. A test leaves nothing in its queue, and nothing in its log."""
    process, log, _ = shared[way]
    before = log.stat().st_size
    yield process
    until(lambda: in_the_batcher(process) == (0, 0))
    assert log.read_bytes()[before:] == b""


@pytest.fixture
def gate(shared: dict[str, Shared], way: str) -> Gate:
    """What holds the engine of the shared server."""
    return shared[way].gate


@pytest.fixture
def hold(server: ServerProcess, gate: Gate) -> Hold:
    """Something to enter: the engine is busy for as long as a test is within."""

    @contextlib.contextmanager
    def held() -> Iterator[None]:
        wire = Wire(server)
        with gate:
            wire.send(request(rows(HELD)))
            until(lambda: in_the_batcher(server)[1] == 1)
            yield
        assert wire.receive().document == {"prediction": [label(HELD)]}

    return held
