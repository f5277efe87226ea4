"""Find the least value that is enough, in as few trials as can be."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trial:
    """One value that was tried, and whether it was enough."""

    value: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        least: the least value that was enough each time it was tried; None if not even the greatest was.
        trials: all of them, in order.
    """

    least: float | None
    trials: list[Trial]

    @property
    def most_insufficient(self) -> float | None:
        """The greatest value below the least one that was not enough; None if none was tried."""
        below = (each.value for each in self.trials if not each.passed)
        return max((value for value in below if self.least is None or value < self.least), default=None)


def least(passes: Callable[[float], bool], values: Sequence[float], *, confirmations: int = 1) -> Found:
    """Bisect.

    What is enough once is taken to be enough for every greater value. The result is tried again: a value that fails
    then was only lucky, and the search goes on above it. Without such luck it takes at most 1 + log2(values) trials,
    rounded up, and the confirmations.

    Args:
        passes: whether a value is enough; it may err.
        values: to choose from, ascending.
        confirmations: how often the result is tried again.
    """
    trials: list[Trial] = []
    enough: set[int] = set()

    def tried(index: int) -> bool:
        passed = passes(values[index])
        trials.append(Trial(values[index], passed))
        (enough.add if passed else enough.discard)(index)
        return passed

    below, top = -1, len(values) - 1
    if not tried(top):
        return Found(None, trials)
    while enough:
        edge = min(enough)
        while edge - below > 1:
            middle = (below + edge) // 2
            if tried(middle):
                edge = middle
            else:
                below = middle
        if all(tried(edge) for _ in range(confirmations)):
            return Found(values[edge], trials)
        below = edge
    return Found(None, trials)


def steps(low: float, high: float, step: float) -> list[float]:
    """The values from ``low`` to ``high``, that one too, in equal steps.

    Raises:
        ValueError: there are none.
    """
    if not 0 < low <= high or step <= 0:
        raise ValueError(f"there is no way from {low:g} to {high:g} in steps of {step:g}")
    count = math.floor((high - low) / step + 1e-9)
    values = [round(low + at * step, 9) for at in range(count + 1)]
    return values if values[-1] >= high - 1e-9 else [*values, high]
