"""One attempt to serve a crowd within limits, and whether it was good enough."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from loadtest.crowd import Outcome, visit
from loadtest.locust.generator import Crowd
from loadtest.searching.reference import Row
from loadtest.system.budget import DoesNotFit


@dataclass(frozen=True, slots=True)
class Attempt:
    """One crowd at a server within limits.

    Attributes:
        cpu: the limit, in cores.
        memory_mib: the limit, in MiB.
        users: how many asked.
        passed: whether all was well.
        verdict: how it went, in words.
        outcome: what the run showed; None if the server did not fit in.
    """

    cpu: float
    memory_mib: float
    users: int
    passed: bool
    verdict: str
    outcome: Outcome | None

    def row(self, remarks: str) -> Row:
        """As a row of the reference's table."""
        whole = None if self.outcome is None else self.outcome.measured.whole
        answered = whole if whole is not None and whole.requests else None
        return Row(
            system="Canopy",
            users=self.users,
            failed=self.outcome is None or not self.outcome.passed,
            mean_ms=None if answered is None else answered.mean,
            max_ms=None if answered is None else answered.max,
            memory_mib=self.memory_mib,
            cpu=self.cpu,
            remarks=f"{remarks}: {self.verdict}",
        )


class Attempts:
    """Lets crowds ask servers within limits, and remembers how that went.

    Args:
        crowd: who asks; its host does not matter.
        p95_ms: bound of the 95th percentile once all users have come; None is content without failures.
        options: of ``server.py``.

    Attributes:
        made: all so far, in order.
    """

    def __init__(self, crowd: Crowd, p95_ms: float | None, options: Sequence[str]) -> None:
        self.made: list[Attempt] = []
        self._crowd = crowd
        self._p95_ms = p95_ms
        self._options = options

    def make(self, cpu: float, memory_mib: float, users: int | None = None) -> Attempt:
        """Try some limits.

        Raises:
            NoControlGroups: there can be no limits here.
            RuntimeError: there was no run.
        """
        crowd = self._crowd if users is None else replace(self._crowd, users=users)
        outcome = None
        try:
            outcome = visit(crowd, cpu, memory_mib, server_options=self._options)
            passed, verdict = judge(outcome, self._p95_ms)
        except DoesNotFit:
            passed, verdict = False, "does not fit at rest"
        attempt = Attempt(cpu, memory_mib, crowd.users, passed, verdict, outcome)
        self.made.append(attempt)
        word = "passed" if passed else "failed"
        sys.stderr.write(f"{crowd.users:,} users, {cpu:g} CPU, {memory_mib:g} MB: {word} ({verdict})\n")
        return attempt

    def last(self, cpu: float, memory_mib: float) -> Attempt:
        """The latest within these limits; there must have been one."""
        return next(each for each in reversed(self.made) if (each.cpu, each.memory_mib) == (cpu, memory_mib))


def judge(outcome: Outcome, p95_ms: float | None) -> tuple[bool, str]:
    """Whether a run was good enough, and how it went, in words.

    Args:
        outcome: what it showed.
        p95_ms: bound of the 95th percentile once all users have come; None for none.
    """
    whole, usage = outcome.measured.whole, outcome.usage
    steady = outcome.measured.gathered or whole
    late = p95_ms is not None and not steady.p95 <= p95_ms
    words = ["nothing was answered"]
    if whole.requests:
        words = [f"{steady.rate:,.0f} requests/s", f"p95 {steady.p95:,.0f} ms"]
        words += [f"above {p95_ms:g} ms"] if late else []
        words += [f"{whole.failures / whole.requests:.2%} failed"] if whole.failures else []
    if usage.peak_memory_mib is not None:
        words.append(f"peak memory {usage.peak_memory_mib:.0f} MB")
    if usage.oom_kills:
        words.append("out of memory")
    elif outcome.status is not None:
        words.append(f"the server ended with status {outcome.status}")
    return outcome.passed and not late, ", ".join(words)
