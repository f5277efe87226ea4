"""What a measurement asks of the machine, and of a process."""

import os
import sys

import pytest

from loadtest.system.machine import apart, describe
from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.support import Client, until


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process believe that it may run on four."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5, 2, 3})


@pytest.mark.parametrize(
    ("server", "load", "expected"),
    [
        pytest.param(1, 1, ({2}, {3, 4, 5}), id="the load gets all others"),
        pytest.param(2, 2, ({2, 3}, {4, 5}), id="just enough"),
        pytest.param(3, 2, (None, None), id="too few"),
    ],
)
def test_server_and_load_are_kept_apart_where_there_are_cores(
    four_cores: None,  # noqa: ARG001 - asked for its effect
    server: int,
    load: int,
    expected: tuple[set[int] | None, set[int] | None],
) -> None:
    """Else neither is bound."""
    assert apart(server, load) == expected


def test_the_machine_is_described() -> None:
    """What figures depend on, without a name of the machine or a path on it."""
    found = describe()
    assert found["cores"] == str(len(os.sched_getaffinity(0)))
    assert found["Python"] == sys.version.split()[0]
    assert {"processor", "memory", "system", "uvicorn", "scikit-learn", "locust"} <= found.keys()
    told = " ".join(found.values())
    assert os.uname().nodename not in told
    assert "/" not in found["system"]


def test_the_peak_of_memory_can_be_forgotten(start: Start) -> None:
    """It starts anew from what is resident then, so that one round's peak is not the next one's."""

    def long_body(server: ServerProcess) -> None:
        Client(server).ask("POST", "/predict", b" " * (60 << 20))

    with start("--max-body-bytes", str(64 << 20)) as server:
        at_rest = server.peak_memory_mb()
        long_body(server)
        crowded = server.peak_memory_mb()
        assert crowded > at_rest + 55

        def forgotten() -> bool:
            server.forget_peak_memory()
            return server.peak_memory_mb() < crowded - 30

        until(forgotten)  # the answer is there before the server has let go of the body
