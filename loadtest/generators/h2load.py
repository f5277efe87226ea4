"""nghttp2's load generator: a closed loop, and an open one that asks at a rate whether or not answers come."""

import math
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtest.system.process import ServerProcess

MISSING: Final = "h2load was not found: install it (Debian: apt-get install nghttp2-client)\n"

_TICKS: Final = 100
"""Times a second at which new clients connect."""

_SETTLING: Final = 2.0
"""Seconds after the last client has connected, or the first in a closed loop, in which nothing is counted."""


@dataclass(frozen=True, slots=True)
class Responses:
    """All responses of a run, or of a part of it.

    Attributes:
        sent: (n,) seconds at which the requests were sent, from the first one of the run.
        status: (n,) of HTTP; -1 if none came.
        took: (n,) seconds from sending to the end of the response.
        seconds: how long the part is.
    """

    sent: NDArray[np.float64]
    status: NDArray[np.int64]
    took: NDArray[np.float64]
    seconds: float

    def between(self, start: float, end: float) -> "Responses":
        """Those to requests that were sent in a part of the run."""
        part = (self.sent >= start) & (self.sent < end)
        return Responses(self.sent[part], self.status[part], self.took[part], end - start)

    def ended_between(self, start: float, end: float) -> "Responses":
        """Those that ended in a part of the run: what is asked for last in a closed loop is answered after its end."""
        ended = self.sent + self.took
        part = (ended >= start) & (ended < end)
        return Responses(self.sent[part], self.status[part], self.took[part], end - start)

    def rate(self, *statuses: int) -> float:
        """Responses a second with one of these statuses."""
        return float(np.isin(self.status, statuses).sum()) / self.seconds

    def latency_ms(self, status: int, percentile: float) -> float:
        """Of the responses with a status, in milliseconds; NaN if there are none."""
        took = self.took[self.status == status]
        return float(np.percentile(took, percentile)) * 1000 if len(took) else math.nan


def read_log(path: Path) -> Responses:
    """Read what ``--log-file`` has written: the start in microseconds, the status, microseconds until the end.

    Raises:
        ValueError: there is no request in it.
    """
    columns = np.loadtxt(path, dtype=np.int64, ndmin=2)
    if not columns.size:
        raise ValueError(f"{path}: no request was answered")
    sent = (columns[:, 0] - columns[:, 0].min()) / 1e6
    return Responses(sent, columns[:, 1], columns[:, 2] / 1e6, float(sent.max()))


def closed_loop(server: ServerProcess, body: bytes, clients: int, seconds: float) -> Responses:
    """Let each client ask again as soon as it is answered.

    Raises:
        RuntimeError: h2load failed.
    """
    options = ["-c", str(clients), "-D", f"{math.ceil(_SETTLING + seconds)}s"]
    return _run(server, body, options).ended_between(_SETTLING, _SETTLING + seconds)


@dataclass(frozen=True, slots=True)
class Plan:
    """When the clients of an open loop ask.

    Attributes:
        clients: how many there are.
        together: how many of them connect at a time, a hundred times a second.
        interval: seconds between two requests of each.
        start: seconds after the first request at which counting starts.
        end: likewise, at which it ends.
    """

    clients: int
    together: int
    interval: float
    start: float
    end: float

    @classmethod
    def of(cls, clients: int, rate: float, seconds: float) -> "Plan":
        """Ask at a rate, in requests a second, and count for some seconds."""
        together = max(1, round(rate / _TICKS))
        interval = clients / (together * _TICKS)
        start = interval + _SETTLING
        return cls(clients, together, interval, start, start + seconds)

    @property
    def each(self) -> int:
        """Requests of each client."""
        return math.ceil(self.end / self.interval)

    def options(self) -> list[str]:
        """Of h2load."""
        options = ["-c", str(self.clients), "-n", str(self.clients * self.each), "--rps", f"{1 / self.interval:.6f}"]
        options += ["-r", str(self.together), "--rate-period", f"{1000 // _TICKS}ms"]
        # Should the server not keep up, the backlog is left undone.
        return [*options, "-T", f"{math.ceil(self.end + _SETTLING)}s"]


def open_loop(server: ServerProcess, body: bytes, clients: int, rate: float, seconds: float) -> Responses:
    """Ask at a rate, evenly, from however many clients.

    A client whose last request is not answered yet asks later than it should: the loop is open only while some clients
    are free, and the rate at which requests were sent tells whether it was.

    ``--rps`` alone has all clients ask at the same moments. So they connect one after the other, over the very time
    that each lets pass between two requests, and keep that order.

    Args:
        server: whom to ask.
        body: of each POST /predict.
        clients: keep-alive connections.
        rate: requests a second, all clients together; rounded to hundreds, at least one.
        seconds: how long to count, once all clients ask.

    Raises:
        RuntimeError: h2load failed.
    """
    plan = Plan.of(clients, rate, seconds)
    return _run(server, body, plan.options()).between(plan.start, plan.end)


def available() -> bool:
    """Whether it is installed."""
    return shutil.which("h2load") is not None


def _run(server: ServerProcess, body: bytes, options: Sequence[str]) -> Responses:
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder) / "body", Path(folder) / "log"
        data.write_bytes(body)
        command = ["h2load", "--h1", *options, "-d", str(data), "-H", "Content-Type: application/json"]
        command += ["--log-file", str(log), f"http://{server.host}:{server.port}/predict"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - found in PATH
        if done.returncode:
            raise RuntimeError(f"h2load failed: {done.stderr or done.stdout}")
        return read_log(log)
