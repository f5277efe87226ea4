"""How the server stops."""

import contextlib
import http.client
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtest.process import ServerProcess
from tests.conftest import Start
from tests.stub_server import HANGS, HELD
from tests.support import AT_ONCE, PATIENCE, Client, Gate, Reply, label, rows, until, wait_for


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
    body = rows(3)
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
