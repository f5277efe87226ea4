"""A server that the tests of this room share."""

from collections.abc import Iterator

import pytest

from loadtest.process import ServerProcess
from tests.conftest import Start
from tests.support import Client


@pytest.fixture(scope="session")
def quick(start: Start) -> Iterator[ServerProcess]:
    """A server whose engine takes no time; shared, so leave it as it was."""
    with start() as server:
        yield server


@pytest.fixture
def client(quick: ServerProcess) -> Client:
    """A connection to the quick server."""
    return Client(quick)
