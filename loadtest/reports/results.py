"""What a comparison measured: everything that its JSON file holds, and nothing that can be worked out of it."""

import statistics
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from loadtest.generators.closed_loop import Tally
from loadtest.reports.activity import Activity
from loadtest.reports.grid import Cell
from loadtest.system.budget import Usage


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the right answers, in milliseconds."""

    mean: float
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a cell, without the warm-up.

    Attributes:
        answered: right answers while the crowd was counted.
        seconds: how long it was counted.
        latency: None if nothing was answered.
        failures: each kind → how often, from the first connection to the last answer.
        activity: what the server did meanwhile, as it says itself; None if it did not live to tell.
        memory_mb: the most that was resident, in MB, warm-up included; None likewise.
        usage: of the limits, warm-up included; None without limits.
    """

    answered: int
    seconds: float
    latency: Latency | None
    failures: dict[str, int]
    activity: Activity | None
    memory_mb: float | None
    usage: Usage | None

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """All rounds of a cell."""

    cell: Cell
    rounds: list[Round]

    @property
    def failures(self) -> Counter[str]:
        """Each kind → how often, in all rounds."""
        return sum((Counter(each.failures) for each in self.rounds), Counter[str]())

    def figure(self, of: Callable[[Round], float | None]) -> "Figure | None":
        """One of the rounds' figures; None if no round has it."""
        return figure([value for each in self.rounds if (value := of(each)) is not None])


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure's median over the rounds, and its range."""

    median: float
    low: float
    high: float

    @property
    def below(self) -> float:
        """From the least to the median."""
        return self.median - self.low

    @property
    def above(self) -> float:
        """From the median to the greatest."""
        return self.high - self.median


def figure(values: Sequence[float]) -> Figure | None:
    """Sum up what the rounds gave; None without rounds."""
    return Figure(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Results:
    """A comparison.

    Attributes:
        started: date and time, with the time zone.
        command: what was run.
        machine: what it was run on.
        limits: how the servers' limits were kept, in words.
        memory_mib: their memory limit.
        model: name and version.
        rows: of the bundled sample, that were asked for in turn.
        seconds: counted in each round.
        warm_up: seconds before that.
        ceiling: users → rounds against a server that answers a constant, unlimited: the generator's own limit.
        measured: the cells.
    """

    started: str
    command: str
    machine: dict[str, str]
    limits: str
    memory_mib: float
    model: str
    rows: int
    seconds: float
    warm_up: float
    ceiling: dict[int, list[Round]]
    measured: list[Measured]

    @property
    def passed(self) -> bool:
        """Whether every cell had answers, and no failure."""
        return all(
            each.rounds and not each.failures and all(turn.answered for turn in each.rounds) for each in self.measured
        )


def latency(seconds: Sequence[float]) -> Latency | None:
    """Sum up times given in seconds; None without any."""
    if not seconds:
        return None
    times = np.array(seconds) * 1000
    p50, p95, p99 = np.percentile(times, (50, 95, 99)).tolist()
    return Latency(float(times.mean()), p50, p95, p99, float(times.max()))


def sum_up(
    tally: Tally, activity: Activity | None = None, memory_mb: float | None = None, usage: Usage | None = None
) -> Round:
    """Make a round of what the crowd saw and what the server did."""
    latencies = latency(tally.latencies)
    return Round(tally.answered, tally.seconds, latencies, dict(tally.failures), activity, memory_mb, usage)


def encode(results: Any) -> bytes:  # noqa: ANN401 - any dataclass
    """Results as JSON, readable for people too; NaN becomes null."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2)


def keep(path: Path, content: bytes) -> None:
    """Write a file, with its folder, and tell of it on the standard error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    sys.stderr.write(f"wrote {path}\n")


def read(path: Path) -> Results:
    """Read what ``encode`` wrote.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file.
    """
    return msgspec.json.decode(path.read_bytes(), type=Results)
