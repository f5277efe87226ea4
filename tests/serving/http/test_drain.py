"""How the server stops."""

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import uvloop

from loadtest.system.budget import budget
from loadtest.system.machine import allow_connections
from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.pausing import Fates, stopped_under
from tests.helpers.stub_server import HANGS, HELD
from tests.helpers.support import AT_ONCE, PATIENCE, Client, Gate, Reply, Wire, label, request, rows, until, wait_for
from tests.loadtest.system.test_budget import needs_groups

GOOD = request(rows(3))


def stop_under(server: ServerProcess, clients: int, pause: float) -> tuple[Fates, float]:
    """Stop a server under clients that pause; what becomes of them, and the seconds until all have gone."""
    allow_connections(clients)
    stop = partial(server.process.send_signal, signal.SIGTERM)
    expected = b'{"prediction":[%d]}' % label(3)
    return uvloop.run(stopped_under(server, clients, pause, stop, GOOD, expected))


def listens(server: ServerProcess) -> bool:
    """Whether somebody new can connect at once."""
    try:
        with socket.create_connection((server.host, server.port), timeout=0.5):
            return True
    except OSError:
        return False


def test_sigterm_answers_what_was_accepted_and_exits_with_0(start: Start) -> None:
    """Requests in the engine and in the queue are answered in full; then the process ends cleanly."""
    with start("--max-batch-rows", "4", fixed=0.1) as server, ThreadPoolExecutor(24) as pool:
        watcher = Client(server)
        asked = [pool.submit(Client(server).predict, number) for number in range(24)]
        wait_for(watcher, "accepted", 24)
        server.process.send_signal(signal.SIGTERM)
        replies: list[Reply] = [future.result() for future in asked]
        assert [reply.document for reply in replies] == [{"prediction": [label(number)]} for number in range(24)]
        assert server.process.wait(timeout=AT_ONCE) == 0


@pytest.mark.parametrize("options", [("--http", "hot"), ("--http", "asgi"), ("--workers", "2")], ids=" ".join)
@pytest.mark.parametrize("keep", [pytest.param(False, id="connect-anew"), pytest.param(True, id="keep-alive")])
def test_a_stop_under_load_cuts_nobody_off(start: Start, options: tuple[str, ...], *, keep: bool) -> None:
    """Whoever has connected gets an answer, or has his connection closed by the one before; later ones find nobody."""

    def ask_until_nobody_listens(server: ServerProcess) -> int:
        answers = 0
        while True:
            connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
            try:
                connection.connect()
            except OSError:
                return answers
            with contextlib.closing(connection):
                while True:
                    connection.request("POST", "/predict", rows(3), {"Content-Type": "application/json"})
                    response = connection.getresponse()
                    assert response.read() == b'{"prediction":[%d]}' % label(3)
                    answers += 1
                    if not keep or response.will_close:
                        break

    with start(*options) as server, ThreadPoolExecutor(8) as pool:
        watcher = Client(server)
        clients = [pool.submit(ask_until_nobody_listens, server) for _ in range(8)]
        until(lambda: watcher.ask("GET", "/stats").document["batcher"]["answered"] > 100)
        server.process.send_signal(signal.SIGTERM)
        assert all(client.result() > 0 for client in clients)
        assert server.process.wait(timeout=AT_ONCE) == 0


def test_a_request_that_is_not_wholly_read_does_not_hold_up_the_drain(start: Start) -> None:
    """A connection with half a body is closed, idle ones too, and the process ends at once."""
    with (
        start() as server,
        socket.create_connection((server.host, server.port), timeout=PATIENCE) as half,
        socket.create_connection((server.host, server.port), timeout=PATIENCE) as idle,
    ):
        half.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert Client(server).predict(1).status == 200
        server.process.send_signal(signal.SIGTERM)
        assert half.recv(1) == b""
        assert idle.recv(1) == b""
        assert server.process.wait(timeout=AT_ONCE) == 0


def test_sigterm_answers_the_whole_request_before_a_half_read_one(start: Start, tmp_path: Path) -> None:
    """Of two pipelined requests, the one that was read to its end is answered, and nothing is logged as a fault."""
    body = rows(HELD)
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    gate = tmp_path / "gate"
    with (
        start(gate=str(gate)) as server,
        socket.create_connection((server.host, server.port), timeout=PATIENCE) as connection,
    ):
        with Gate(gate):
            connection.sendall(head + body + head + body[:5])
            wait_for(Client(server), "running_rows", 1)
            server.process.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(f'{{"prediction":[{label(HELD)}]}}'.encode())
        assert server.process.wait(timeout=AT_ONCE) == 0


def test_pipelined_requests_of_a_client_that_hangs_up_are_forgotten(
    start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """All of them leave the queue, and the log has nothing to say about it."""
    body = rows(HELD)
    gate = tmp_path / "gate"
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with start(gate=str(gate)) as server:
        watcher = Client(server)
        with Gate(gate), socket.create_connection((server.host, server.port), timeout=PATIENCE) as connection:
            connection.sendall((head + body) * 3)
            wait_for(watcher, "running_rows", 1)
        wait_for(watcher, "cancelled", 1)
        wait_for(watcher, "running_rows", 0)
        assert watcher.predict(5).status == 200
        batcher = watcher.ask("GET", "/stats").document["batcher"]
        assert (batcher["answered"], batcher["cancelled"]) == (2, 1)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "options",
    [("--http", "hot"), ("--http", "asgi"), ("--workers", "2"), ("--drain-delay-seconds", "0.5")],
    ids=" ".join,
)
def test_clients_that_pause_lose_nothing_by_a_stop(start: Start, options: tuple[str, ...]) -> None:
    """Each is told by an answer that it is the last, and the server ends when all have been told, not later."""
    with start(*options, "--drain-idle-seconds", "60", "--drain-timeout-seconds", "90", bounded=True) as server:
        fates, seconds = stop_under(server, clients=300, pause=0.6)
        assert server.process.wait(timeout=AT_ONCE) == 0
    assert (fates.told, fates.closed, fates.lost, fates.wrong) == (300, 0, 0, 0)
    assert seconds < AT_ONCE


@pytest.mark.parametrize("way", [pytest.param("hot", id="hot"), pytest.param("asgi", id="asgi")])
def test_what_has_come_is_answered_before_a_connection_is_closed(start: Start, way: str) -> None:
    """Who pauses for longer than the server waits is cut off while it pauses, and not while it asks."""
    options = ("--http", way, "--drain-idle-seconds", "0.4")
    with start(*options, bounded=True) as server:
        fates, _ = stop_under(server, clients=500, pause=2)
        assert server.process.wait(timeout=AT_ONCE) == 0
    assert fates.told + fates.closed + fates.lost == 500
    assert fates.lost <= 3, "no more than what crosses with the end of the connection"
    assert fates.wrong == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "cpu", [pytest.param(None, id="unlimited"), pytest.param(0.25, id="quarter-of-a-cpu", marks=needs_groups)]
)
@pytest.mark.parametrize("pause", [pytest.param(1.0, id="told"), pytest.param(8.0, id="cut-off")])
@pytest.mark.parametrize(
    ("options", "clients"),
    [
        pytest.param(("--http", "hot"), 1500, id="hot"),
        pytest.param(("--http", "asgi"), 1500, id="asgi"),
        pytest.param(("--workers", "2"), 3000, id="two-workers"),
        pytest.param(("--workers", "2", "--http", "asgi"), 3000, id="two-workers-asgi"),
        pytest.param(("--drain-delay-seconds", "2"), 3000, id="delay"),
    ],
)
def test_thousands_of_clients_that_pause(
    start: Start, options: tuple[str, ...], clients: int, pause: float, cpu: float | None
) -> None:
    """None is lost that pauses for less than the server waits; of the others, one in a thousand at most."""
    with ExitStack() as stack:
        limit = None if cpu is None else stack.enter_context(budget(cpu, 1024))
        admit = None if limit is None else limit.admit
        server = stack.enter_context(start(*options, "--drain-idle-seconds", "3", bounded=True, admit=admit))
        if limit is not None:
            limit.enforce()
        fates, _ = stop_under(server, clients, pause)
        assert server.process.wait(timeout=AT_ONCE) == 0
    sys.stderr.write(f"{fates}\n")
    assert fates.told + fates.closed + fates.lost == clients
    assert fates.wrong == 0
    assert fates.lost <= (clients // 1000 if pause > 3 else 0)


@needs_groups
def test_clients_that_pause_lose_nothing_on_a_fraction_of_a_cpu(start: Start) -> None:
    """However long the turns of its event loop are."""
    with (
        budget(0.2, 1024) as limit,
        start("--drain-idle-seconds", "60", "--drain-timeout-seconds", "90", admit=limit.admit, bounded=True) as server,
    ):
        limit.enforce()
        fates, _ = stop_under(server, clients=400, pause=0.6)
        assert server.process.wait(timeout=AT_ONCE) == 0
    assert (fates.told, fates.closed, fates.lost, fates.wrong) == (400, 0, 0, 0)


def test_an_idle_connection_is_kept_for_a_while_and_no_longer(start: Start) -> None:
    """Its next request is answered, as the last; who does not ask is cut off; nobody holds up a second signal."""
    with start("--drain-idle-seconds", "2") as server:
        asking, silent = Wire(server), Wire(server)
        for wire in (asking, silent):
            assert not wire.ask(GOOD).closes
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not listens(server))
        asking.send(request(method="HEAD", target="/health/live"))
        assert asking.receive(head_only=True).closes
        assert asking.ends()
        assert silent.ends()
        assert server.process.wait(timeout=AT_ONCE) == 0


@pytest.mark.parametrize("options", [(), ("--drain-delay-seconds", "300"), ("--workers", "2")], ids=" ".join)
def test_a_second_signal_ends_the_waiting(start: Start, options: tuple[str, ...]) -> None:
    """For a balancer, and for clients that are idle."""
    times = ("--drain-idle-seconds", "300", "--drain-timeout-seconds", "300")
    with start(*options, *times) as server:
        idle = Wire(server)
        assert idle.ask(GOOD).status == 200
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(timeout=1.5)
        server.process.send_signal(signal.SIGTERM)
        assert idle.ends()
        assert server.process.wait(timeout=AT_ONCE) == 0


@pytest.mark.parametrize("way", [pytest.param("hot", id="hot"), pytest.param("asgi", id="asgi")])
def test_from_the_signal_on_every_answer_is_its_connections_last(start: Start, way: str) -> None:
    """Also that of a request that was asked before, and whatever it is that is asked."""
    with start("--http", way, "--drain-delay-seconds", "300", fixed=0.5) as server:
        early, watcher = Wire(server), Client(server)
        idle = [Wire(server) for _ in range(4)]
        for wire in idle:
            assert not wire.ask(request(method="GET", target="/health/live")).closes
        early.send(GOOD)
        wait_for(watcher, "running_rows", 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: watcher.ask("GET", "/health/ready").status == 503)
        asked = (GOOD, request(method="GET", target="/stats"), request(b"{}"), request(method="GET", target="/x"))
        for wire in (early, *idle):
            if wire is not early:
                wire.send(asked[idle.index(wire)])
            assert wire.receive().closes
            assert wire.ends()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=AT_ONCE) == 0


def test_with_a_drain_delay_it_serves_on_as_not_ready(start: Start) -> None:
    """Between the signal and the end, readiness is 503 and says so, while predictions are still answered."""
    with start("--drain-delay-seconds", "60") as server:
        client = Client(server)
        server.process.send_signal(signal.SIGTERM)
        for _ in range(2000):
            reply = client.ask("GET", "/health/ready")
            if reply.status == 503:
                break
        assert (reply.status, reply.document["status"]) == (503, "draining")
        assert client.predict(3).document == {"prediction": [label(3)]}
        assert client.ask("GET", "/health/live").status == 200
        server.process.send_signal(signal.SIGTERM)  # a second signal ends the delay
        assert server.process.wait(timeout=AT_ONCE) == 0


def test_after_the_drain_timeout_the_queued_are_told_to_go_elsewhere(start: Start, tmp_path: Path) -> None:
    """What is in the engine is answered; what is still queued gets a 503, not a cut connection."""
    gate = tmp_path / "gate"
    options = ["--drain-timeout-seconds", "0.3", "--max-batch-rows", "1"]
    with start(*options, gate=str(gate)) as server, ThreadPoolExecutor(10) as pool:
        watcher = Client(server)
        with Gate(gate):
            running = pool.submit(Client(server).predict, HELD)
            wait_for(watcher, "running_rows", 1)
            queued = [pool.submit(Client(server).predict, number) for number in range(9)]
            wait_for(watcher, "queued_rows", 9)
            server.process.send_signal(signal.SIGTERM)
            replies = [future.result() for future in queued]
        assert {(reply.status, reply.document["title"]) for reply in replies} == {(503, "The server is shutting down")}
        assert running.result().document == {"prediction": [label(HELD)]}
        assert server.process.wait(timeout=AT_ONCE) == 0


def test_an_engine_that_hangs_keeps_neither_the_queue_nor_the_process(start: Start) -> None:
    """Deadlines behind it pass on time, with a 504, and the drain is bounded whatever the engine does."""
    with start("--drain-timeout-seconds", "0.1") as server, ThreadPoolExecutor(1) as pool:
        client, watcher = Client(server), Client(server)
        client.connection.timeout = 60
        asked = pool.submit(client.predict, HANGS)
        wait_for(watcher, "running_rows", 1)

        asked_at = time.monotonic()
        reply = watcher.predict(2, headers={"Canopy-Deadline-Ms": "400"})
        assert (reply.status, reply.document["type"]) == (504, "urn:canopy:problem:deadline-exceeded")
        assert 0.4 < time.monotonic() - asked_at < AT_ONCE

        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=PATIENCE) == 0
        assert asked.result().status == 503


def test_ctrl_c_exits_with_0(start: Start) -> None:
    """SIGINT drains as SIGTERM does."""
    with start() as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=AT_ONCE) == 0


@pytest.mark.parametrize("way", [pytest.param("hot", id="hot"), pytest.param("asgi", id="asgi")])
def test_ctrl_c_while_it_drains_stops_at_once_and_quietly(start: Start, tmp_path: Path, way: str) -> None:
    """What runs is left behind, and no traceback tells of it."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    options = ("--http", way, "--log-level", "info")
    with log.open("wb") as output, start(*options, gate=str(gate), log=output) as server, Gate(gate):
        watcher = Client(server)
        Client(server).send("POST", "/predict", rows(HELD))
        wait_for(watcher, "running_rows", 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "draining" in log.read_text())
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=AT_ONCE) == 0
    assert "Traceback" not in log.read_text()
    assert "ERROR" not in log.read_text()


def test_sigterm_while_the_model_is_loaded_exits_with_0(start: Start) -> None:
    """A server that is stopped before it is ready does not wait for its model."""
    with start(ready_within=None, load_after="/nonexistent") as server:
        server.wait_until_listening(30)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=AT_ONCE) == 0
