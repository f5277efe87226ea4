"""What a server says to anybody, and what it logs, when something fails on the way to its registry."""

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import ROOT, Start
from tests.helpers.support import until
from tests.redaction.writing import told
from tests.registry.stub import answering

SECRET = "Open-sesame'%41/+0123456789"  # noqa: S105 - of no server's
ROUTES = ["/", "/health/live", "/health/ready", "/stats", "/metrics", "/predict", "/nowhere"]


def answers(server: ServerProcess) -> list[str]:
    """What every route says to somebody without a password."""
    found = []
    for route in ROUTES:
        try:
            with urllib.request.urlopen(f"http://{server.host}:{server.port}{route}", timeout=10) as response:
                found.append(response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                found.append(error.read().decode())
    return found


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    "reason",
    [
        pytest.param(f"ValueError: Invalid header value {f'Bearer {SECRET}'.encode()!r}", id="token-in-a-header"),
        pytest.param(f"Basic {base64.b64encode(f'warden:{SECRET}'.encode()).decode()} is refused", id="password"),
    ],
)
def test_no_route_and_no_log_publishes_what_a_library_says_of_a_secret(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, workers: str
) -> None:
    """The newest version cannot be had, for a reason with a secret in it: told everywhere, but without that."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
    version, log = tmp_path / "version", tmp_path / "log"
    version.write_text("7")
    options = ("--model-poll-seconds", "0.1", "--workers", workers)
    with log.open("wb") as out, start(*options, version=str(version), log=out) as server:
        version.write_text(reason)
        until(lambda: "***" in (server.get("/health/ready")["update_failure"] or ""))
        said = answers(server)  # each from whichever worker
    assert "***" in log.read_text()
    assert told(SECRET, [*said, log.read_text()]) == []


def run(*options: str, wait: str = "0.2", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a server that gives up soon, to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "server.py"), "--port", "0", "--model-wait-seconds", wait, *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "status", [401, 500, *(pytest.param(status, marks=pytest.mark.slow) for status in (200, 403, 407))]
)
def test_a_server_that_cannot_start_tells_no_secret(status: int, tmp_path: Path) -> None:
    """Every variable has one, and the registry repeats it in its answer."""
    message = f"{SECRET} {SECRET!r} Basic {base64.b64encode(f'warden:{SECRET}'.encode()).decode()}"
    page = json.dumps({"error_code": "PERMISSION_DENIED", "message": message}).encode()
    with answering(status, page) as stub:
        for wait in ("0.2", "2", "20"):  # a busy machine may need longer to hear what the registry says
            done = run(
                wait=wait,
                MLFLOW_TRACKING_URI=f"http://127.0.0.1:{stub.port}",
                MLFLOW_TRACKING_USERNAME="warden",
                MLFLOW_TRACKING_PASSWORD=SECRET,
                AWS_SECRET_ACCESS_KEY=SECRET,
                CANOPY_CACHE=str(tmp_path),
            )
            if "in time" not in done.stderr:
                break
        assert stub.asked
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert told(SECRET, [done.stdout, done.stderr]) == []


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(["-m", "registry", "prepare", "models:/Forest/1"], id="prepare"),
        pytest.param(["-m", "training"], id="training", marks=pytest.mark.slow),
    ],
)
def test_a_line_end_behind_a_token_is_left_out(program: list[str], tmp_path: Path) -> None:
    """The registry gets the token, and the log names the variable."""
    environment = {"MLFLOW_TRACKING_TOKEN": f"{SECRET}\n", "CANOPY_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with answering(401) as stub:
        environment["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{stub.port}\n"
        done = subprocess.run(
            [sys.executable, *program],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert stub.asked[0][1]["Authorization"] == f"Bearer {SECRET}"
    assert done.returncode == 1
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_URI"):
        assert f"{name}: the line end behind it is left out" in done.stderr
    assert told(SECRET, [done.stdout, done.stderr]) == []


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_TOKEN", "AWS_SESSION_TOKEN", "CANOPY_ADMIN_TOKEN", "HTTPS_PROXY"])
def test_a_header_cannot_be_slipped_into_a_variable(name: str) -> None:
    """A line end within it ends the server with status 2 and one line that names the variable."""
    done = run(**{name: f"{SECRET}\nX-Other: 1"})
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"canopy: {name}: there is a control character in it, such as a line end; set it without"
    ]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--admin-tokn", SECRET], id="misspelt"),
        pytest.param([f"--admin-token={SECRET}\n"], id="line-end"),
        pytest.param([SECRET], id="no-option"),
        pytest.param(["--admin-token", SECRET, "--port", SECRET], id="twice"),
        pytest.param(["--tracking-uri", f"http://warden:{SECRET}@127.0.0.1:9"], id="not-percent-encoded"),
    ],
)
def test_a_bad_command_line_tells_no_secret(options: list[str]) -> None:
    """Status 2, and the option's name at most."""
    done = run(*options)
    assert done.returncode == 2
    assert told(SECRET, [done.stdout, done.stderr]) == []
