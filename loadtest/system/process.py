"""A server of one's own, and what the system says of it."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from loadtest.system.ports import LOOPBACK, reserved_port

_SERVER = str(Path(__file__).resolve().parents[2] / "server.py")


class ServerProcess:
    """A running ``server.py``.

    Attributes:
        host: where it listens.
        port: where it listens.
        process: the process.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.host = LOOPBACK
        self.port = port
        self.process = process

    def get(self, path: str) -> dict[str, Any]:
        """Fetch a JSON document; an error status raises ``urllib.error.HTTPError``."""
        with urllib.request.urlopen(f"http://{self.host}:{self.port}{path}", timeout=30) as response:
            document: dict[str, Any] = orjson.loads(response.read())
        return document

    def processes(self) -> list[int]:
        """The process and all that descend from it, workers for example."""
        found = [self.process.pid]
        for pid in found:  # it grows meanwhile
            for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, tasks.read_text().split())
        return found

    def cpu_seconds(self) -> float:
        """User and system time that all its processes have used, all threads."""
        return sum(map(_cpu_seconds, self.processes()))

    def peak_memory_mb(self) -> float:
        """The largest resident set that it has had since it was forgotten, in MB; of several processes, the sum."""
        return sum(memory_mb(pid, "VmHWM") for pid in self.processes())

    def forget_peak_memory(self) -> None:
        """Let the largest resident set start anew from the present one."""
        for pid in self.processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def wait_until_listening(self, seconds: float) -> None:
        """Wait until it accepts connections.

        Raises:
            RuntimeError: it ended instead, or took too long.
        """
        self._wait_for("/health/live", seconds)

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until it has loaded its model.

        Raises:
            RuntimeError: it ended instead, or took too long.
        """
        self._wait_for("/health/ready", seconds)

    def _wait_for(self, path: str, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with status {self.process.returncode}")
            try:
                self.get(path)
            except OSError:  # URLError is one, an error status too
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{path} was not answered within {seconds:g} s")


def memory_mb(pid: int, what: str) -> float:
    """One of the figures of /proc/PID/status, such as VmRSS, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1000


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(
    options: Sequence[str],
    *,
    program: Sequence[str] = (_SERVER,),
    environment: Mapping[str, str] | None = None,
    ready_within: float | None = 120,
    log: IO[bytes] | None = None,
    admit: Callable[[int], None] | None = None,
    port: int | None = None,
) -> Iterator[ServerProcess]:
    """Run a server on the loopback interface and wait until it is ready.

    Args:
        options: of ``server.py``.
        program: what to give the interpreter: a script, or -m and a module.
        environment: variables to set besides this process's own.
        ready_within: seconds that it may take to load its model; None does not wait for it.
        log: where its standard error goes; None leaves it with this process's own.
        admit: is given the process's id as soon as there is one, to put it into a group.
        port: where to listen; None takes a free one.

    Raises:
        RuntimeError: it did not become ready.
    """
    with ExitStack() as stack:
        port = port or stack.enter_context(reserved_port())
        command = [
            sys.executable,
            *program,
            "--host",
            LOOPBACK,
            "--port",
            str(port),
            "--log-level",
            "warning",
            *options,
        ]
        process = subprocess.Popen(  # noqa: S603 - our own server
            command, env={**os.environ, **(environment or {})}, stderr=log
        )
        stack.callback(_end, process)
        if admit is not None:
            admit(process.pid)
        server = ServerProcess(process, port)
        if ready_within is not None:
            server.wait_until_ready(ready_within)
        yield server


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
