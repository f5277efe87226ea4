"""How many users there should be, as functions of time; what runs them is Locust."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_STEPS: Final = 10
"""Of a staircase, and swings of a soak."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for.

    Attributes:
        users: most users at a time.
        rate: users that come or go a second.
        seconds: how long all of it takes.
        bound_ms: the staircase ends when the 95th percentile is above.
    """

    users: int
    rate: float
    seconds: float
    bound_ms: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last ten seconds showed.

    Attributes:
        p95_ms: the 95th percentile of the latency.
        failures: failed requests a second.
    """

    p95_ms: float
    failures: float


Target = tuple[int, float] | None
"""Users, and how many may come or go a second; None ends the run."""

Shape = Callable[[Plan, float, Seen], Target]
"""From the plan, the seconds since the start and what was seen lately to the target."""


def hold(plan: Plan, at: float, _: Seen) -> Target:
    """Users come at the rate, and stay."""
    return None if at >= plan.seconds else (plan.users, plan.rate)


def ramp(plan: Plan, at: float, _: Seen) -> Target:
    """Users come evenly until the end: shows where it bends."""
    return None if at >= plan.seconds else (plan.users, plan.users / plan.seconds)


def stairs(plan: Plan, at: float, seen: Seen) -> Target:
    """A tenth of the users more each tenth of the time, until a step breaks the latency bound or sees a failure.

    Only the second half of a step is judged; the first may still show how the users arrived.
    """
    dwell = plan.seconds / _STEPS
    step, into = divmod(at, dwell)
    broken = seen.p95_ms > plan.bound_ms or seen.failures > 0
    if at >= plan.seconds or (broken and into > dwell / 2):
        return None
    return max(1, round(plan.users * (step + 1) / _STEPS)), plan.rate


def spike(plan: Plan, at: float, _: Seen) -> Target:
    """A tenth of the users; in the middle third of the time all of them, at once."""
    if at >= plan.seconds:
        return None
    calm = max(1, plan.users // 10)
    crowded = plan.seconds / 3 <= at < plan.seconds * 2 / 3
    return plan.users if crowded else calm, float(plan.users)


def soak(plan: Plan, at: float, _: Seen) -> Target:
    """All users, but half of them leave and come back ten times, so that connections are closed and made, too."""
    if at >= plan.seconds:
        return None
    swing = plan.seconds / _STEPS
    return plan.users if at % swing < swing / 2 else max(1, plan.users // 2), plan.rate


SHAPES: Final[dict[str, Shape]] = {"hold": hold, "ramp": ramp, "stairs": stairs, "spike": spike, "soak": soak}
