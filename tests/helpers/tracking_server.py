"""A real MLflow tracking server on the loopback, in processes of its own."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loadtest.system.ports import reserved_port


@dataclass(frozen=True, slots=True)
class TrackingServer:
    """A tracking server that may still be starting.

    Attributes:
        port: where it will listen.
        folder: where it keeps everything; its log is ``server.log``.
    """

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + 180
        while not self._healthy():
            assert self.process.poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.1)

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _log(self) -> str:
        return (self.folder / "server.log").read_text()


@contextmanager
def tracking_server(
    folder: Path, *artifacts: str, environment: Mapping[str, str] | None = None
) -> Iterator[TrackingServer]:
    """Run a tracking server with its database in a folder; it may still be starting.

    Args:
        folder: the folder.
        artifacts: options that say where artifacts go; without them it hands them out itself, from ``files`` there.
        environment: variables to set besides this process's own.
    """
    where: Sequence[str] = artifacts or ("--artifacts-destination", str(folder / "files"))
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", *where]
    # Clients here try once: a connection that the server closes just as one asks again, which is after five seconds of
    # its own, would fail a test.
    command += ["--uvicorn-opts", "--timeout-keep-alive 600"]
    # The job runner's eight processes do nothing for a registry.
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with reserved_port() as port, (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env={**os.environ, **quiet, **(environment or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield TrackingServer(port, folder, process)
        finally:
            # The server has a child process; both are in a group of their own.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
