"""``make loadtest``."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from loadtest.__main__ import WEB_PORTS, main
from loadtest.system.ports import reserved_port
from loadtest.system.process import ServerProcess
from tests.conftest import ROOT, Start, stub_serving
from tests.helpers.support import PATIENCE, until

LOCUSTFILE: Final = ROOT / "loadtest" / "locustfile.py"

LISTENS: Final = "0A"
"""In /proc/net/tcp, as include/net/tcp_states.h numbers it."""


@contextmanager
def locust(host: str, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """``make loadtest``'s command with some options, in a group of its own, to which Ctrl-C comes at the end."""
    command = [sys.executable, "-m", "loadtest", "--host", host, *options]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield process
        finally:
            interrupt(process)


def interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Press Ctrl-C once, on a process and all of its group; none of them outlives that."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def page(address: str) -> str:
    """The web interface's page; empty while there is none."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as response:  # noqa: S310 - our own
            return str(response.read().decode())
    except OSError:
        return ""


def listening(process: "subprocess.Popen[bytes]") -> list[tuple[str, int]]:
    """Addresses and ports at which a process and all that descend from it listen."""
    found = set()
    for pid in ServerProcess(process, 0).processes():
        with suppress(FileNotFoundError, ProcessLookupError):
            descriptors = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENS and f"socket:[{fields[9]}]" in descriptors:
                    address, _, port = fields[1].partition(":")
                    found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
            lines = Path("/proc/net/tcp6").read_text().splitlines()[1:]
            assert not [line for line in lines if f"socket:[{line.split()[9]}]" in descriptors]
    return sorted(found)


def interface(process: "subprocess.Popen[bytes]") -> str:
    """The address of a web interface, once there is one."""
    found: list[int] = []

    def there() -> bool:
        assert process.poll() is None, "it has ended"
        found[:] = [port for _, port in listening(process) if port in WEB_PORTS]
        return bool(found)

    until(there)
    return f"http://127.0.0.1:{found[0]}"


def test_without_a_server_one_is_started_and_ended(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run without the web interface starts a server where it is wanted, asks it, and leaves nothing listening."""
    monkeypatch.setattr("loadtest.__main__.serving", stub_serving)
    options = ["--users", "5", "--rate", "10", "--time", "1", "--processes", "1"]
    with reserved_port() as port:
        assert main(["--host", f"http://127.0.0.1:{port}", *options]) == 0
        told = capfd.readouterr()
        assert "starting a server" in told.err
        assert "Aggregated" in told.out + told.err
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_web_interface_knows_host_and_users(start: Start) -> None:
    """It opens with the fields filled in, for the server that runs already; Ctrl-C ends it."""
    with start() as server:
        host = f"http://{server.host}:{server.port}"
        with locust(host, "--users", "321", "--rate", "45") as process:
            address = interface(process)
            until(lambda: host in page(address))
            text = page(address)
    assert '"num_users": 321' in text
    assert '"spawn_rate": 45' in text


IN_DESTRUCTORS = """
import time

import gevent
from locust import events


class Thing:
    def __del__(self):
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            pass


def work():
    while True:
        Thing()
        gevent.sleep(0)


@events.init.add_listener
def begin(**_):
    gevent.spawn(work)
"""
"""A locustfile that spends nearly all of its time where Python can only ignore an exception."""


@pytest.mark.parametrize("shape", [(), ("--shape", "hold", "--run-time", "1h")], ids=["users", "shape"])
def test_one_ctrl_c_ends_a_run_whatever_it_is_doing(start: Start, tmp_path: Path, shape: tuple[str, ...]) -> None:
    """Even if the KeyboardInterrupt that Locust waits for would be raised in vain."""
    busy = tmp_path / "busy.py"
    busy.write_text(IN_DESTRUCTORS)
    with start() as server:
        command = [sys.executable, "-m", "locust", "-f", f"{LOCUSTFILE},{busy}", "CoverUser", "--headless", *shape]
        command += ["--users", "2", "--host", f"http://{server.host}:{server.port}"]
        log = tmp_path / "log"
        with (
            log.open("w") as output,
            subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True) as process,
        ):
            until(lambda: server.get("/stats")["connections"] > 2)  # this question is one
            interrupt(process)
    told = log.read_text()
    assert "Aggregated" in told
    assert "Traceback" not in told


def test_two_runs_at_a_time_are_not_in_each_others_way_nor_open_to_the_network(start: Start) -> None:
    """Each has a port for its page and another at which its generators meet, on the loopback, and asks the server."""
    with start() as server:
        host = f"http://{server.host}:{server.port}"
        options = ("--users", "4", "--rate", "10", "--processes", "2", "--", "--autostart")
        with locust(host, *options) as one, locust(host, *options) as other:
            until(lambda: all(len(listening(run)) == 2 for run in (one, other)))
            places = listening(one) + listening(other)
            assert {address for address, _ in places} == {"127.0.0.1"}
            assert len({port for _, port in places}) == 4
            pages = [port for _, port in places if port in WEB_PORTS]  # the others speak no HTTP, and never answer
            assert len(pages) == 2
            assert all(host in page(f"http://127.0.0.1:{port}/") for port in pages)
            until(lambda: server.get("/stats")["connections"] > 2 * 4)


def test_a_port_that_is_in_use_is_not_taken_for_the_web_interface(capsys: pytest.CaptureFixture[str]) -> None:
    """If it was asked for; the remedy is told, and nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--web-port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"loadtest: no web interface at 127.0.0.1, port {port}: Address already in use; choose another --web-port\n"
    )


def test_a_stranger_that_does_not_answer_is_not_started(capsys: pytest.CaptureFixture[str]) -> None:
    """Only this machine's addresses get a server."""
    assert main(["--host", "http://127.0.0.2:9", "--time", "1"]) == 2
    assert "nothing answers at http://127.0.0.2:9" in capsys.readouterr().err


def test_a_host_is_an_address_with_its_scheme(capsys: pytest.CaptureFixture[str]) -> None:
    """What Locust could not use is refused at once."""
    with pytest.raises(SystemExit) as ended:
        main(["--host", "127.0.0.1:8000"])
    assert ended.value.code == 2
    assert "is not like http://127.0.0.1:8000" in capsys.readouterr().err
