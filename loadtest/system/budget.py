"""A CPU and memory limit for a server and all its processes, by control groups, and what it used of them.

The server starts in its group, but without limits: preparing a model takes a child process with many times the memory
that serving takes, and the question is what serving takes. Once the server is ready, the limits are put into force and
the counters start. Memory that it had from the beginning counts, for it was charged to the group from the beginning;
file pages that other processes had read before it, such as those of the interpreter, are charged to none of it, as
between containers of one image.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from loadtest.system.cgroup import MIB, Counters, Group, make_group


class DoesNotFit(RuntimeError):
    """The server holds more memory at rest than the limit allows."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a group used under its limits.

    Attributes:
        seconds: how long the limits have been in force.
        cpu_seconds: CPU time of all its processes.
        periods: periods of 100 ms in which any of them wanted to run.
        throttled_periods: those in which the group had used up its part and had to wait.
        throttled_seconds: how long threads waited for that, all together.
        peak_memory_mib: most memory at a time, with file pages; None if the kernel cannot tell (cgroup v2 before 6.12).
        oom_kills: processes that were killed because the group was out of memory.
    """

    seconds: float
    cpu_seconds: float
    periods: int
    throttled_periods: int
    throttled_seconds: float
    peak_memory_mib: float | None
    oom_kills: int

    @property
    def throttled_share(self) -> float:
        """Throttled periods among all in which the group ran, 0..1."""
        return self.throttled_periods / self.periods if self.periods else 0.0


class Budget:
    """The limit of one server; made by ``budget``.

    Args:
        group: an empty control group.
        cpu: cores, such as 0.25.
        memory_mib: of all processes together, in MiB.
    """

    def __init__(self, group: Group, cpu: float, memory_mib: float) -> None:
        self.cpu = cpu
        self.memory_mib = memory_mib
        self._group = group
        self._since: tuple[float, Counters] | None = None

    def admit(self, pid: int) -> None:
        """Take a process in, with all its threads and with every child that it starts from now on."""
        self._group.admit(pid)

    def enforce(self) -> None:
        """Put the limits into force, and start to count.

        Raises:
            DoesNotFit: the limits were refused.
        """
        try:
            self._group.limit(self.cpu, round(self.memory_mib * MIB))
        except OSError as error:
            raise DoesNotFit(f"{self.memory_mib:g} MiB are less than the server holds at rest ({error})") from error
        self._since = time.monotonic(), self._group.counters()

    def usage(self) -> Usage:
        """What was used since the limits have been in force."""
        assert self._since is not None, "there is no limit yet"  # noqa: S101 - the caller's mistake
        (start, before), now, peak = self._since, self._group.counters(), self._group.peak()
        return Usage(
            time.monotonic() - start,
            now.cpu_seconds - before.cpu_seconds,
            now.periods - before.periods,
            now.throttled_periods - before.throttled_periods,
            now.throttled_seconds - before.throttled_seconds,
            None if peak is None else peak / MIB,
            now.oom_kills - before.oom_kills,
        )


@contextmanager
def budget(cpu: float, memory_mib: float) -> Iterator[Budget]:
    """Make a group, and remove it afterwards with every process that is still in it.

    Raises:
        NoControlGroups: this user can make none here; the message says what is missing.
    """
    group = make_group()
    try:
        yield Budget(group, cpu, memory_mib)
    finally:
        _end(group)


def _end(group: Group) -> None:
    """Remove a group; what is still in it was started in it and must not outlive it."""
    for _ in range(100):
        for pid in group.members():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            group.remove()
        except OSError:  # busy, as long as the last of them is not quite gone
            time.sleep(0.02)
        else:
            return
