"""New versions of the model, as clients and operators see them, with a stand-in for the registry."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.crowd import all_go_on, crowd, in_order
from tests.helpers.stub_server import HELD
from tests.helpers.support import Client, Gate, Wire, children, in_the_batcher, request, rows, until, worker_of

OFTEN = ("--model-poll-seconds", "0.1")
NEVER = ("--model-poll-seconds", "0")
WORKERS = pytest.mark.parametrize("workers", [pytest.param("1", id="alone"), pytest.param("2", id="two-workers")])
ALONE_FIRST = pytest.mark.parametrize(
    "workers", [pytest.param("1", id="alone"), pytest.param("2", id="two-workers", marks=pytest.mark.slow)]
)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """The file that says which version is to be served; the first one, to begin with."""
    file = tmp_path / "version"
    promote(file, 1)
    return file


def promote(file: Path, wanted: int | str) -> None:
    """Have another version served, or none for a reason, from one moment to the next."""
    new = file.with_suffix(".new")
    new.write_text(str(wanted))
    new.replace(file)


def versions(server: ServerProcess) -> list[int]:
    """What the workers serve."""
    return [worker["model_version"] for worker in server.get("/stats")["workers"]]


def check(client: Client, elevation: int) -> int:
    """Ask for a prediction, which must be that of the version which the answer names; returns that version."""
    reply = client.predict(elevation)
    assert reply.status == 200
    name, _, number = reply.headers["canopy-model"].partition("/")
    assert name == "BestModelRF"
    assert reply.headers["canopy-engine"] == "stub"
    assert reply.document == {"prediction": [1 + (elevation + int(number)) % 7]}
    return int(number)


@WORKERS
def test_a_promoted_version_is_served_without_a_failed_request(start: Start, version: Path, workers: str) -> None:
    """Every answer is that of the version which it names. All workers end up on the new one; a rollback is one."""
    with start(*OFTEN, "--workers", workers, version=str(version)) as server:
        until(lambda: versions(server) == [1] * int(workers))
        with crowd(server, check) as seen:
            all_go_on(seen)
            for wanted in (2, 3, 1):
                promote(version, wanted)
                until(lambda: versions(server) == [wanted] * int(workers))  # noqa: B023 - it is called here
                all_go_on(seen)
        for mine in seen:
            assert in_order(mine) == [1, 2, 3, 1]
        assert server.get("/health/ready")["model"] == "BestModelRF/1"


@pytest.mark.parametrize("http", ["hot", "asgi"])
def test_a_version_of_another_table_takes_over_without_a_failed_request(
    start: Start, version: Path, tmp_path: Path, http: str
) -> None:
    """What is queued is answered by the version that it was decoded for, and what comes later by the new one."""
    gate = tmp_path / "gate"
    promote(version, 1)
    threads, log = tmp_path / "threads", tmp_path / "log"
    told = {"version": str(version), "gate": str(gate), "tables": {"2": ["Height", "Weight"]}, "threads": str(threads)}
    with log.open("wb") as output, start(*OFTEN, "--http", http, **told, bounded="2", log=output) as server:
        with Gate(gate):
            early = [Client(server) for _ in range(3)]
            for client in early:
                client.send("POST", "/predict", rows(HELD))
            until(lambda: sum(in_the_batcher(server)) == 3)
            assert len(server.get("/")["fields"]) == 12
            promote(version, 2)
            until(lambda: server.get("/")["fields"] == ["Height", "Weight"])
            late = Client(server)
            late.send("POST", "/predict", b'{"instances": [{"Height": 5, "Weight": 1}]}')
            until(lambda: sum(in_the_batcher(server)) == 4)
        for client in early:
            reply = client.receive()
            assert (reply.status, reply.headers["canopy-model"]) == (200, "BestModelRF/1")
            assert reply.document == {"prediction": [1 + (int(HELD) + 1) % 7]}
        reply = late.receive()
        assert (reply.status, reply.headers["canopy-model"]) == (200, "BestModelRF/2")
        assert reply.document == {"prediction": [1 + (5 + 2) % 7]}
        # Only the new version's calls are sure to end soon, and these were the old one's as well.
        assert "MainThread" not in threads.read_text()
        assert early[0].predict(3).document["path"] == "$.features[0]"
    assert "BestModelRF/2 takes other rows than BestModelRF/1: without Elevation, Aspect, " in log.read_text()


@ALONE_FIRST
def test_a_version_that_cannot_be_served_leaves_the_old_one(
    start: Start, version: Path, workers: str, tmp_path: Path
) -> None:
    """The log says why, once; /health/ready, /stats and a metric show it until a version can be served."""
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        start(*OFTEN, "--workers", workers, version=str(version), unusable="2", log=output) as server,
        crowd(server, check) as seen,
    ):
        promote(version, 2)
        until(lambda: failing(server) == int(workers))
        state = server.get("/health/ready")
        assert state["status"] == "ready"
        assert state["model"] == "BestModelRF/1"
        assert state["update_failure"] == server.get("/stats")["update_failure"] == "the model is spoilt"
        until(lambda: log.read_text().count("the model is spoilt") == 1)
        promote(version, 3)
        until(lambda: versions(server) == [3] * int(workers))
        until(lambda: failing(server) == 0)
        assert server.get("/health/ready")["update_failure"] is None
    assert {number for mine in seen for number in mine} == {1, 3}
    assert log.read_text().count("BestModelRF/1 is still served: the model is spoilt") == 1


@ALONE_FIRST
def test_a_version_that_hangs_while_it_is_opened_does_not_hide_the_next(
    start: Start, version: Path, workers: str
) -> None:
    """It is called off in all workers as soon as another is promoted, again and again; no request notices anything."""
    with (
        start(*OFTEN, "--workers", workers, version=str(version), hangs="2") as server,
        crowd(server, check) as seen,
    ):
        for wanted in (3, 4):
            promote(version, 2)
            time.sleep(0.5)  # it hangs by now
            promote(version, wanted)
            until(lambda: versions(server) == [wanted] * int(workers))  # noqa: B023 - it is called here
            until(lambda: server.get("/health/ready")["update_failure"] is None)
    assert {number for mine in seen for number in mine} <= {1, 3, 4}


@ALONE_FIRST
def test_a_version_that_takes_too_long_to_open_is_told(start: Start, version: Path, workers: str) -> None:
    """The one before serves on; while the opening hangs, it is not begun a second time."""
    options = (*OFTEN, "--workers", workers, "--prepare-timeout-seconds", "0.5")
    with start(*options, version=str(version), hangs="2") as server:
        promote(version, 2)
        until(lambda: server.get("/health/ready")["update_failure"] == "BestModelRF/2 was not opened within 0.5 s")
        again = "BestModelRF/2 is not opened again while an earlier opening hangs"
        until(lambda: server.get("/health/ready")["update_failure"] == again)
        assert check(Client(server), 3) == 1


def failing(server: ServerProcess) -> float:
    """The metric that tells of workers without the newest version."""
    answer = Wire(server).ask(request(method="GET", target="/metrics"))
    (line,) = [line for line in answer.body.decode().splitlines() if line.startswith("canopy_model_update_failing ")]
    return float(line.split()[1])


def test_a_registry_that_is_down_changes_nothing(start: Start, version: Path) -> None:
    """What is served stays in service, and it is shown; when the registry is back, its newest version is served."""
    with start(*OFTEN, version=str(version)) as server:
        promote(version, "the registry is down")
        until(lambda: server.get("/health/ready")["update_failure"] == "the registry is down")
        assert check(Client(server), 5) == 1
        promote(version, 2)
        until(lambda: versions(server) == [2])
        until(lambda: server.get("/health/ready")["update_failure"] is None)


def test_a_worker_killed_while_all_get_ready_joins_them(start: Start, version: Path, tmp_path: Path) -> None:
    """Nobody serves the new version before its replacement can; the other's clients notice nothing."""
    gate, waiting = tmp_path / "gate", tmp_path / "gate.waiting"
    gate.touch()
    with start(*OFTEN, "--workers", "2", version=str(version), load_after=str(gate)) as server:
        client = Client(server)
        assert check(client, 1) == 1
        gate.unlink()
        promote(version, 2)
        before = children(server.process.pid)
        asked_by = worker_of(server, client)
        (victim,) = set(before) - {asked_by}
        until(lambda: waiting.exists() and set(waiting.read_text().split()) == set(map(str, before)))
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(set(children(server.process.pid)) - set(before)) == 1)
        assert check(client, 2) == 1
        gate.touch()
        until(lambda: versions(server) == [2, 2])
        assert check(client, 3) == 2
        assert worker_of(server, client) == asked_by


def by_signal(server: ServerProcess) -> None:
    """Ask for a look by a signal."""
    server.process.send_signal(signal.SIGUSR1)


def by_request(server: ServerProcess) -> None:
    """Ask for a look by a request."""
    reply = Client(server).ask("POST", "/admin/reload", headers={"authorization": "bearer s3cret"})
    assert (reply.status, reply.document) == (202, {"status": "looking"})


@WORKERS
@pytest.mark.parametrize("ask", [pytest.param(by_signal, id="signal"), pytest.param(by_request, id="request")])
def test_a_look_can_be_asked_for(
    start: Start, version: Path, workers: str, ask: Callable[[ServerProcess], None]
) -> None:
    """Without polling a new version is served only then, by all workers, whichever was asked."""
    options = (*NEVER, "--workers", workers, "--admin-token", "s3cret")
    with start(*options, version=str(version)) as server:
        promote(version, 2)
        assert check(Client(server), 1) == 1
        ask(server)
        until(lambda: versions(server) == [2] * int(workers))


@pytest.mark.parametrize(
    ("options", "headers", "status"),
    [
        pytest.param((), {"authorization": "Bearer "}, 404, id="no-token-set"),
        pytest.param(("--admin-token", "s3cret"), {}, 401, id="no-token-sent"),
        pytest.param(("--admin-token", "s3cret"), {"authorization": "Bearer s3cre"}, 401, id="wrong-token"),
        pytest.param(("--admin-token", "s3cret"), {"authorization": "Basic s3cret"}, 401, id="wrong-scheme"),
    ],
)
def test_a_look_is_only_for_those_who_know_the_token(
    start: Start, options: tuple[str, ...], headers: dict[str, str], status: int
) -> None:
    """Where none is set there is no such route."""
    with start(*options) as server:
        reply = Client(server).ask("POST", "/admin/reload", headers=headers)
    assert reply.status == status
    document: Any = reply.document
    assert document["status"] == status
    assert reply.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


@WORKERS
def test_a_look_that_is_asked_for_too_late_disturbs_nothing(start: Start, workers: str) -> None:
    """Up to its end the server ends with status 0, however often it is signalled."""
    with start(*NEVER, "--workers", workers) as server:
        server.process.terminate()

        def ended() -> bool:
            by_signal(server)
            return server.process.poll() is not None

        until(ended)
        assert server.process.returncode == 0
