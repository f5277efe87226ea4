"""Several workers as one server: what its clients notice when one dies, hangs, or all are to stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import ROOT, Start
from tests.helpers.stub_server import HANGS, HELD
from tests.helpers.support import (
    AT_ONCE,
    PATIENCE,
    Client,
    Gate,
    Reply,
    Wire,
    children,
    label,
    lives,
    modules_after,
    request,
    until,
    worker_of,
)

TWO = ("--workers", "2")


def test_the_process_that_supervises_imports_nothing_that_serves() -> None:
    """It stays small: no application, no server, no matrices."""
    found = modules_after("import server")
    assert {"server", "workers", "registry"} <= found
    assert found.isdisjoint({"worker", "serving", "batcher", "forest", "numpy", "uvicorn", "starlette", "mlflow"})


def clients_of_both(server: ServerProcess) -> dict[int, list[Client]]:
    """Two connections at least to each of the workers, by the number of its process."""
    found: dict[int, list[Client]] = {}

    def enough() -> bool:
        client = Client(server)
        assert client.ask("GET", "/health/live").status == 200
        found.setdefault(worker_of(server, client), []).append(client)
        return len(found) == 2 and min(map(len, found.values())) > 1

    until(enough)
    return found


def test_both_workers_answer_and_the_log_tells_it_once(start: Start, tmp_path: Path) -> None:
    """The kernel spreads connections over the workers, each is a process of its own; one line says what is served."""
    log = tmp_path / "log"
    with log.open("wb") as output, start(*TWO, "--log-level", "info", log=output) as server:
        by_worker = clients_of_both(server)
        assert set(by_worker) == set(children(server.process.pid))
        for clients in by_worker.values():
            assert clients[0].predict(3).document == {"prediction": [label(3)]}
        until(lambda: "curl" in log.read_text())
    text = log.read_text()
    assert text.count("serving BestModelRF/7 (stub engine, batching on, 2 workers) at http://127.0.0.1:") == 1
    assert "INFO worker 0 canopy" in text
    assert "INFO worker 1 canopy" in text
    assert server.process.returncode == 0


def test_clients_of_the_other_do_not_notice_a_killed_worker(start: Start, tmp_path: Path) -> None:
    """Under load one is killed: the other's connections go on, and whoever connects afterwards is answered."""
    log = tmp_path / "log"
    with log.open("wb") as output, start(*TWO, log=output) as server, ThreadPoolExecutor(2) as pool:
        by_worker = clients_of_both(server)
        victim, survivor = by_worker
        done = threading.Event()

        def go_on(client: Client) -> int:
            asked = 0
            while not done.is_set():
                assert client.predict(asked % 7).document == {"prediction": [label(asked % 7)]}
                asked += 1
                time.sleep(0.002)  # the replacement needs some CPU too
            return asked

        loads = [pool.submit(go_on, client) for client in by_worker[survivor][:2]]
        os.kill(victim, signal.SIGKILL)
        try:
            owners = set()

            def taken() -> set[int]:
                newcomer = Client(server)
                assert newcomer.predict(5).document == {"prediction": [label(5)]}
                owners.add(worker_of(server, newcomer))
                return owners

            for _ in range(60):
                taken()
            until(lambda: len(taken()) == 2)
        finally:
            done.set()
        assert all(load.result() > 0 for load in loads)
        assert victim not in owners
        assert survivor in owners
    assert "worker 0 was ended by SIGKILL: replacing it" in log.read_text().replace("worker 1", "worker 0")


def test_a_worker_whose_event_loop_hangs_is_replaced(start: Start, tmp_path: Path) -> None:
    """A worker that does not go on, here because it is stopped, is killed; the other serves on meanwhile."""
    log = tmp_path / "log"
    options = (*TWO, "--hang-timeout-seconds", "5")
    with log.open("wb") as output, start(*options, log=output) as server:
        by_worker = clients_of_both(server)
        victim, survivor = by_worker
        os.kill(victim, signal.SIGSTOP)
        until(lambda: not lives(victim))
        assert by_worker[survivor][0].predict(2).status == 200
        until(lambda: len(children(server.process.pid)) == 2)
        replaced = clients_of_both(server)
        assert survivor in replaced
        assert victim not in replaced
    assert "hangs: nothing was heard of it for 5 s" in log.read_text()


def owners_of_newcomers(server: ServerProcess, number: int) -> set[int]:
    """Who answers so many that connect at once."""
    newcomers = [Client(server) for _ in range(number)]
    for newcomer in newcomers:
        newcomer.send("GET", "/health/live")
    for newcomer in newcomers:
        assert newcomer.receive().status == 200
    return {worker_of(server, newcomer) for newcomer in newcomers}


def test_newcomers_do_not_wait_for_a_worker_that_hangs(start: Start) -> None:
    """Long before it is given up the other takes the connections at its socket too, until it goes on."""
    with start(*TWO, "--hang-timeout-seconds", "600") as server:
        victim, survivor = clients_of_both(server)
        os.kill(victim, signal.SIGSTOP)
        try:
            for _ in range(2):
                assert owners_of_newcomers(server, 20) == {survivor}
        finally:
            os.kill(victim, signal.SIGCONT)
        until(lambda: owners_of_newcomers(server, 20) == {victim, survivor})


def test_newcomers_do_not_wait_for_the_replacement_of_a_worker(start: Start, tmp_path: Path) -> None:
    """However long that takes to start, the other takes the connections at its socket."""
    gate = tmp_path / "gate"
    gate.touch()
    with start(*TWO, load_after=str(gate)) as server:
        victim, survivor = clients_of_both(server)
        gate.unlink()
        os.kill(victim, signal.SIGKILL)
        until(lambda: Path(f"{gate}.waiting").exists())
        for _ in range(2):
            assert owners_of_newcomers(server, 20) == {survivor}
        gate.touch()
        until(lambda: len(owners_of_newcomers(server, 20)) == 2)


@pytest.mark.slow
def test_a_worker_whose_model_hangs_in_a_thread_is_replaced(start: Start, tmp_path: Path) -> None:
    """Its event loop runs, and answers the request with 500; but it does not show that it is well."""
    log = tmp_path / "log"
    with log.open("wb") as output, start(*TWO, "--hang-timeout-seconds", "5", log=output) as server:
        by_worker = clients_of_both(server)
        hung, clients = next(iter(by_worker.items()))
        assert clients[0].predict(HANGS).status == 500
        until(lambda: not lives(hung))
        until(lambda: "replacing it" in log.read_text())
        again = clients_of_both(server)
        assert hung not in again
        for clients in again.values():
            assert clients[0].predict(3).document == {"prediction": [label(3)]}


def test_the_figures_are_those_of_all_workers_and_outlive_one(start: Start) -> None:
    """Whoever is asked; a killed worker's counts are not lost, and its replacement adds to them."""
    with start(*TWO) as server:
        by_worker = clients_of_both(server)
        for asked, clients in enumerate(by_worker.values(), 1):
            for _ in range(asked):
                assert clients[0].predict(3).status == 200
        killed, survivor = by_worker
        watcher = by_worker[survivor][0]

        def told() -> tuple[int, int, int]:
            figures = watcher.ask("GET", "/stats").document
            assert len(figures["workers"]) == 2
            counted = figures["requests"]["/predict"]["200"]
            return counted, figures["request_duration_seconds"]["count"], figures["batcher"]["answered"]

        until(lambda: told() == (3, 3, 3))
        os.kill(killed, signal.SIGKILL)
        (newcomer,) = set(clients_of_both(server)) - {survivor}
        assert newcomer != killed
        assert told() == (3, 3, 3)
        for clients in clients_of_both(server).values():
            assert clients[0].predict(3).status == 200
        until(lambda: told() == (5, 5, 5))
        metrics = Wire(server).ask(request(method="GET", target="/metrics")).body.decode()
        assert 'canopy_requests_total{code="200",route="/predict"} 5.0' in metrics


def test_workers_do_not_outlive_their_supervisor(start: Start, tmp_path: Path) -> None:
    """When it is killed they answer what they have accepted, and end."""
    gate = tmp_path / "gate"
    with start(*TWO, gate=str(gate)) as server, ThreadPoolExecutor(2) as pool:
        by_worker = clients_of_both(server)
        with Gate(gate):
            held = [pool.submit(clients[0].predict, HELD) for clients in by_worker.values()]
            watcher = next(iter(by_worker.values()))[1]
            until(lambda: figure(watcher, "running_rows") == 2)
            server.process.kill()
            server.process.wait()
            assert all(map(lives, by_worker))
        assert [future.result().document for future in held] == [{"prediction": [label(HELD)]}] * 2
        until(lambda: not any(map(lives, by_worker)))


def figure(client: Client, key: str) -> int:
    """A number from the statistics of all workers' batchers."""
    number: int = client.ask("GET", "/stats").document["batcher"][key]
    return number


def test_sigterm_answers_what_both_have_accepted_and_exits_with_0(start: Start) -> None:
    """Requests in the engines and in the queues are answered in full; then all the processes end."""
    with start(*TWO, "--max-batch-rows", "4", fixed=0.2) as server, ThreadPoolExecutor(24) as pool:
        watcher = next(iter(clients_of_both(server).values()))[0]
        workers = children(server.process.pid)
        asked = [pool.submit(Client(server).predict, number) for number in range(24)]
        until(lambda: figure(watcher, "accepted") == 24)
        server.process.send_signal(signal.SIGTERM)
        replies: list[Reply] = [future.result() for future in asked]
        assert [reply.document for reply in replies] == [{"prediction": [label(number)]} for number in range(24)]
        assert server.process.wait(timeout=AT_ONCE) == 0
        assert not any(map(lives, workers))


def test_workers_that_heed_nothing_end_at_the_third_ctrl_c(start: Start) -> None:
    """The first drains, the second hurries, the third kills."""
    with start(*TWO) as server:
        workers = children(server.process.pid)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        for _ in range(2):
            server.process.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                server.process.wait(timeout=0.3)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=AT_ONCE) == 0
        assert not any(map(lives, workers))


@contextmanager
def started(*options: str, **told: object) -> Iterator[subprocess.Popen[str]]:
    """A server whose engine is a stand-in, and which may end when it likes."""
    command = [sys.executable, "-m", "tests.helpers.stub_server", "--port", "0", *options]
    environment = {**os.environ, "STUB": json.dumps(told), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        pytest.param({"no_model": True}, "there is no model: run `make train`", id="not-there"),
        pytest.param({"unusable": True}, "the model is spoilt", id="not-opened"),
    ],
)
def test_without_a_model_the_last_line_says_why(told: dict[str, Any], reason: str) -> None:
    """Whether it cannot be prepared, or a worker cannot open it: all of them end, and the status is 1."""
    with started(*TWO, **told) as process:
        _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert log.splitlines()[-1].endswith(f"ERROR canopy: {reason}")
    assert "Traceback" not in log


def test_a_port_in_use_is_one_line() -> None:
    """As with one worker, even if who has it would share it."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = str(taken.getsockname()[1])
        with started(*TWO, "--port", port) as process:
            _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    (line,) = log.splitlines()
    assert port in line
    assert "CANOPY_PORT" in line


def heeds(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Whether a process handles a signal itself."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


TERM, INT = signal.SIGTERM, signal.SIGINT


@pytest.mark.slow
@pytest.mark.parametrize("workers", [pytest.param("1", id="alone"), pytest.param("2", id="supervised")])
def test_signals_at_any_time_end_it_with_0_and_quietly(workers: str) -> None:
    """From the first moment of the program, through its start, to when it serves, in any order."""
    with ExitStack() as stack:
        processes = []
        for moment, signals in enumerate([[TERM], [TERM, INT], [INT, INT, TERM], [TERM, INT], [TERM], [TERM, INT]]):
            process = stack.enter_context(started("--workers", workers))
            until(lambda process=process: heeds(process, TERM))  # type: ignore[misc]
            time.sleep(moment * 0.12)  # no waiting for anything: any moment will do
            for number in signals:
                process.send_signal(number)
            processes.append(process)
        for process in processes:
            _, log = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, log
            assert "Traceback" not in log
            assert "ERROR" not in log


def test_workers_answer_while_the_model_is_prepared(start: Start, tmp_path: Path) -> None:
    """They listen from the start, live but not ready; the model comes to all of them."""
    gate = tmp_path / "gate"
    with start(*TWO, ready_within=None, load_after=str(gate)) as server:
        server.wait_until_listening(30)
        by_worker = clients_of_both(server)
        for clients in by_worker.values():
            assert clients[0].ask("GET", "/health/ready").document["status"] == "loading"
        gate.touch()
        for clients in by_worker.values():
            until(lambda client=clients[0]: client.ask("GET", "/health/ready").status == 200)  # type: ignore[misc]
            assert clients[0].predict(3).document == {"prediction": [label(3)]}
