"""Locust as a process of its own, and what it measured.

Nothing here imports Locust: that would patch this process.
"""

import math
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson

from loadtest.system.ports import LOOPBACK, reserved_port

ROUTE: Final = "/predict"
JOINING: Final = "/predict while users join"
"""Names in Locust's statistics. A request counts where the run stood when it was sent."""

PROFILES: Final = ("ReferenceUser", "CoverUser", "HurriedUser")
"""Kinds of users in the locustfile."""

_LOCUSTFILE: Final = str(Path(__file__).resolve().parents[1] / "locustfile.py")


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who asks.

    Attributes:
        host: the server, such as http://127.0.0.1:8000.
        users: most of them at a time.
        rate: how many arrive a second.
        time: how long it takes, as Locust reads it: 90, 90s, 2m, 1h30m; empty has no end.
        profile: one of PROFILES.
        processes: generators, of which each has its part of the users.
        shape: one of ``loadtest.locust.shapes.SHAPES``, or empty for what Locust does by itself.
    """

    host: str
    users: int
    rate: float
    time: str = ""
    profile: str = "ReferenceUser"
    processes: int = 1
    shape: str = ""

    def command(self, *options: str, master_port: int) -> list[str]:
        """The command that runs Locust.

        Args:
            options: more of Locust's; they come last, so that they decide.
            master_port: where the process that counts and the generators meet, if there are several.
        """
        command = [sys.executable, "-m", "locust", "-f", _LOCUSTFILE, self.profile, "--host", self.host]
        command += ["--users", str(self.users), "--spawn-rate", f"{self.rate:g}", "--stop-timeout", "60"]
        command += ["--run-time", self.time] if self.time else []
        if self.processes > 1:
            # Left to itself, it listens on port 5557 of every address: nothing for a network, nor for two at a time.
            command += ["--processes", str(self.processes), "--master-bind-host", LOOPBACK, "--master-host", LOOPBACK]
            command += ["--master-bind-port", str(master_port), "--master-port", str(master_port)]
        command += ["--shape", self.shape] if self.shape else []
        return [*command, *options]

    @contextmanager
    def running(self, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run Locust, with more options of its, to its end; whoever leaves early ends it."""
        with (
            reserved_port() as port,
            subprocess.Popen(self.command(*options, master_port=port)) as process,  # noqa: S603 - our own Locust
        ):
            try:
                yield process
            except BaseException:
                process.terminate()
                raise


@dataclass(frozen=True, slots=True)
class Figures:
    """What the crowd saw, times in milliseconds.

    Mean and maximum are exact. Percentiles come from Locust's histogram, which has whole milliseconds below 100 and two
    significant digits above (147 counts as 150): at most five in a hundred off, mostly far less.

    Attributes:
        requests: answered, rightly or not.
        seconds: from the first answer to the last, in whole seconds.
        rate: requests a second, over the seconds between the first answer's and the last's.
        failures: requests without a right answer.
        mean: of the latency, of failures too; NaN like all others if nothing was answered.
        median: the 50th percentile.
        p95: the 95th.
        p99: the 99th.
        max: the longest.
    """

    requests: int
    seconds: int
    rate: float
    failures: int
    mean: float
    median: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class CrowdMeasurement:
    """A run.

    Attributes:
        users: most users that were there at a time.
        whole: from the first request to the last.
        gathered: of the requests that were sent when all users had come; None if there were none.
        reasons: what went wrong → how often.
    """

    users: int
    whole: Figures
    gathered: Figures | None
    reasons: dict[str, int]


def measure(crowd: Crowd, *options: str) -> CrowdMeasurement:
    """Run Locust without its user interface, and wait for the end.

    Args:
        crowd: who asks, for a limited time; without a shape they come and stay.
        options: more of Locust's.

    Raises:
        RuntimeError: it ended without a result.
    """
    crowd = replace(crowd, shape=crowd.shape or "hold")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        # With a --json-file, which nobody reads, Locust does not print its own tables at the end.
        quiet = ["--headless", "--only-summary", "--loglevel", "WARNING", "--json-file", f"{folder}/statistics"]
        with crowd.running(*quiet, "--result", str(result), *options) as locust:
            status = locust.wait()
        if not result.exists():
            raise RuntimeError(f"Locust ended with status {status} and without a result")
        return read(orjson.loads(result.read_bytes()))


def read(document: Mapping[str, Any]) -> CrowdMeasurement:
    """Read what the locustfile wrote."""
    stages: dict[str, Any] = document["stages"]
    everything = list(stages.values())
    gathered = [stages[ROUTE]] if ROUTE in stages else []
    return CrowdMeasurement(
        document["users"],
        _figures(everything, everything),
        _figures(gathered, everything) if gathered else None,
        document["failures"],
    )


def _figures(entries: Sequence[Mapping[str, Any]], everything: Iterable[Mapping[str, Any]]) -> Figures:
    """The figures of some of Locust's entries together.

    Args:
        entries: the requests in question.
        everything: all requests; all answers count for the rate of the time in which those of ``entries`` came.
    """
    histogram: Counter[float] = Counter()
    for entry in entries:
        histogram.update({float(time): count for time, count in entry["response_times"].items()})
    requests = sum(entry["num_requests"] for entry in entries)
    return Figures(
        requests=requests,
        seconds=max(own) - min(own) + 1 if (own := _by_second(entries)) else 0,
        rate=_rate(own, _by_second(everything)),
        failures=sum(entry["num_failures"] for entry in entries),
        mean=sum(entry["total_response_time"] for entry in entries) / requests if requests else math.nan,
        median=percentile(histogram, 0.5),
        p95=percentile(histogram, 0.95),
        p99=percentile(histogram, 0.99),
        max=max((entry["max_response_time"] for entry in entries), default=math.nan) if requests else math.nan,
    )


def percentile(histogram: Mapping[float, int], part: float) -> float:
    """The least value that at least ``part`` of all values do not exceed; NaN without values."""
    rest = math.ceil(part * sum(histogram.values()))
    for value in sorted(histogram):
        rest -= histogram[value]
        if rest <= 0:
            return value
    return math.nan


def _by_second(entries: Iterable[Mapping[str, Any]]) -> Counter[int]:
    seconds: Counter[int] = Counter()
    for entry in entries:
        seconds.update({int(second): count for second, count in entry["num_reqs_per_sec"].items()})
    return seconds


def _rate(own: Mapping[int, int], all_of_them: Mapping[int, int]) -> float:
    """Answers a second from the first second of ``own`` to its last, without those two: they are not whole."""
    if not own:
        return 0.0
    first, last = min(own), max(own)
    if last - first < 2:
        return sum(own.values()) / (last - first + 1)
    return sum(all_of_them.get(second, 0) for second in range(first + 1, last)) / (last - first - 1)
