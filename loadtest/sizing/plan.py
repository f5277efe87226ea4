"""Replicas for a load, out of what a comparison measured."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.reports.results import Measured, Results, Round, figure
from loadtest.reports.summary import p99, rate

_MEMORY_RESERVE: Final = 1.5
"""Times what was resident at most: the page cache of a new version, and connections beyond those measured."""

_MEMORY_STEP: Final = 32
_NEAR: Final = 0.9
"""Of the generator's own limit: above it, a rate says more of the generator than of the server."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for.

    Attributes:
        rate: requests a second, at the peak.
        p99_ms: within which 99 of 100 answers leave the server, in milliseconds.
        share: of what a replica was seen to answer, that it is to carry: the rest is for what comes unevenly.
        spare: replicas that may be gone while the others carry all.
    """

    rate: float
    p99_ms: float
    share: float
    spare: int


@dataclass(frozen=True, slots=True)
class Size:
    """A replica of a size that was measured, at the most that it answered within the bound.

    Attributes:
        cpu: its limit, in cores.
        users: connections that asked without a pause.
        rate: requests a second that it answered.
        p99_ms: of these, in milliseconds.
        memory_mb: most that was resident with any number of connections, in MB.
        ceiling: requests a second that the generator itself reaches with as many connections; None if not measured.
    """

    cpu: float
    users: int
    rate: float
    p99_ms: float
    memory_mb: float
    ceiling: float | None

    @property
    def at_the_ceiling(self) -> bool:
        """Whether the generator may have been what bounded the rate."""
        return self.ceiling is not None and self.rate >= _NEAR * self.ceiling


@dataclass(frozen=True, slots=True)
class Plan:
    """Replicas of one size.

    Attributes:
        size: of each.
        replicas: how many, spare ones included.
        carries: requests a second that each is planned for.
        memory_mib: limit of each.
    """

    size: Size
    replicas: int
    carries: float
    memory_mib: int

    @property
    def cpu(self) -> float:
        """Of all, in cores."""
        return self.replicas * self.size.cpu


class NoPlan(ValueError):
    """The figures do not tell how to carry the load; the message says why, and what to do."""


def plans(results: Results, mode: str, load: Load) -> list[Plan]:
    """The ways to carry a load: one for each CPU limit that can, the one of least CPU, then of fewest replicas, first.

    Raises:
        NoPlan: there is none.
    """
    cells = [each for each in results.measured if str(each.cell.mode) == mode and not each.failures]
    if not cells:
        raise NoPlan(f"the mode {mode} was not measured, or had failures")
    if not all(turn.usage for each in cells for turn in each.rounds):
        raise NoPlan(
            "the servers had no limit of CPU, so that the figures are of no size: measure as root, or with a delegated"
            " control group"
        )
    limits = sorted({each.cell.cpu for each in cells})
    sizes = [_size([each for each in cells if each.cell.cpu == cpu], results, load) for cpu in limits]
    found = [_plan(size, load) for size in sizes if size is not None]
    if not found:
        least = min(seen for each in cells if (seen := _median(each, p99)) is not None)
        raise NoPlan(
            f"no replica of {', '.join(f'{cpu:g}' for cpu in limits)} CPU answered within {load.p99_ms:g} ms; the best"
            f" p99 was {least:.1f} ms: measure more CPU, or fewer connections"
        )
    return sorted(found, key=lambda plan: (round(plan.cpu, 6), plan.replicas))


def _size(cells: Sequence[Measured], results: Results, load: Load) -> Size | None:
    """The most that a CPU limit answers within the bound."""
    within = [each for each in cells if (found := _median(each, p99)) is not None and found <= load.p99_ms]
    best = max(within, key=lambda each: _median(each, rate) or 0.0, default=None)
    if best is None:
        return None
    alone = figure([turn.rate for turn in results.ceiling.get(best.cell.users, [])])
    memory = max(turn.memory_mb or 0.0 for each in cells for turn in each.rounds)
    return Size(
        cpu=best.cell.cpu,
        users=best.cell.users,
        rate=_median(best, rate) or 0.0,
        p99_ms=_median(best, p99) or 0.0,
        memory_mb=memory,
        ceiling=alone.median if alone else None,
    )


def _plan(size: Size, load: Load) -> Plan:
    carries = load.share * size.rate
    memory = math.ceil(size.memory_mb * 1e6 * _MEMORY_RESERVE / (_MEMORY_STEP << 20)) * _MEMORY_STEP
    return Plan(size, math.ceil(load.rate / carries) + load.spare, carries, memory)


def _median(measured: Measured, of: Callable[[Round], float | None]) -> float | None:
    found = measured.figure(of)
    return None if found is None else found.median
