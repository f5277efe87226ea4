"""The figures of a case: what each round gave, and their medians."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Turn:
    """One round.

    Attributes:
        cpu: seconds of the server's CPU a request, all its processes together.
        engine: seconds a request in the engine's calls, as the server counts them.
        batch: mean rows of such a call.
        nginx: seconds of nginx's CPU a request for the same question in the same round; NaN without nginx.
        forest: seconds of CPU that the compiled forest itself takes for a request; NaN without one.
        rate: right answers a second.
        median: of the latency, in seconds.
        p99: its 99th percentile, in seconds.
        failures: requests without a right answer in time.
        spread: connections of each worker in the middle of the round.
    """

    cpu: float
    engine: float
    batch: float
    nginx: float
    forest: float
    rate: float
    median: float
    p99: float
    failures: int
    spread: list[int] = field(default_factory=list)

    @property
    def floor(self) -> float:
        """What a request costs at least, in seconds: HTTP, as nginx does it, and the forest."""
        return self.nginx + self.forest

    @property
    def ratio(self) -> float:
        """How many times the floor the server takes."""
        return self.cpu / self.floor


@dataclass(frozen=True, slots=True)
class Cost:
    """All rounds of a case."""

    turns: list[Turn] = field(default_factory=list)

    def median(self, of: Callable[[Turn], float]) -> float:
        """The median of a figure; NaN if a round has none."""
        values = [of(turn) for turn in self.turns]
        return math.nan if any(map(math.isnan, values)) else statistics.median(values)

    @property
    def failures(self) -> int:
        """In all rounds together."""
        return sum(turn.failures for turn in self.turns)

    def times(self, other: "Cost") -> float:
        """How many times the CPU of another case it takes: the median over the rounds that both had."""
        return statistics.median(one.cpu / two.cpu for one, two in zip(self.turns, other.turns, strict=True))

    def summary(self) -> dict[str, float]:
        """The medians of the rounds, the ratio's too; times in microseconds, latencies in milliseconds."""
        return {
            "cpu_us": self.median(lambda turn: turn.cpu) * 1e6,
            "engine_us": self.median(lambda turn: turn.engine) * 1e6,
            "nginx_us": self.median(lambda turn: turn.nginx) * 1e6,
            "forest_us": self.median(lambda turn: turn.forest) * 1e6,
            "floor_us": self.median(lambda turn: turn.floor) * 1e6,
            "ratio": self.median(lambda turn: turn.ratio),
            "rows_a_batch": self.median(lambda turn: turn.batch),
            "requests_per_second": self.median(lambda turn: turn.rate),
            "median_ms": self.median(lambda turn: turn.median) * 1e3,
            "p99_ms": self.median(lambda turn: turn.p99) * 1e3,
            "failures": self.failures,
        }
