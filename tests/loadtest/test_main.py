"""``make loadtest``."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from loadtest.__main__ import main
from tests.conftest import ROOT, Start, stub_serving
from tests.support import until


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_a_server_one_is_started_and_ended(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run without the web interface starts a server where it is wanted, asks it, and leaves nothing listening."""
    monkeypatch.setattr("loadtest.__main__.serving", stub_serving)
    port = free_port()
    options = ["--users", "5", "--rate", "10", "--time", "1", "--processes", "1"]
    assert main(["--host", f"http://127.0.0.1:{port}", *options]) == 0
    told = capfd.readouterr()
    assert "starting a server" in told.err
    assert "Aggregated" in told.out + told.err
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_web_interface_knows_host_and_users(start: Start) -> None:
    """It opens with the fields filled in, for the server that runs already; Ctrl-C ends it."""
    port = free_port()
    with start() as server:
        host = f"http://{server.host}:{server.port}"
        options = ["--host", host, "--users", "321", "--rate", "45", "--web-port", str(port)]
        with subprocess.Popen(
            [sys.executable, "-m", "loadtest", *options], cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:

            def page() -> str:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                        return str(response.read().decode())
                except OSError:
                    return ""

            until(lambda: host in page())
            text = page()
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=30)
    assert '"num_users": 321' in text
    assert '"spawn_rate": 45' in text


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
