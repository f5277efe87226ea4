"""Replicas behind a balancer: what they answer together, against one large server with as much CPU; and a whole crowd.

The stack must run, with the profile replicas; its replicas are started anew in each size. First a closed-loop crowd
asks one server and several, by way of the balancer each time, in turns, so that a moment in which the machine is slow
falls on both. Where there are cores enough, the replicas have theirs, and the balancer and the crowd the others. Then
Locust's users ask the replicas, each as large as one of the reference system's, on all cores.
"""

import argparse
import asyncio
import math
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import uvloop

from dataset import load_sample
from loadtest.generators.closed_loop import encode_request, run_crowd
from loadtest.locust.generator import PROFILES, Crowd, measure
from loadtest.locust.generator import CrowdMeasurement as Seen
from loadtest.reports.results import encode, keep, latency
from loadtest.reports.table import Table, number
from loadtest.system.machine import allow_connections, apart, pinned
from loadtest.system.options import Options
from loadtest.system.stack import ContainerUsage, NoStack, Readings, Stack, read, used

_IDLE: Final = ("inference", "locust", "locust-replicas")
"""Services of the stack that have no part in this."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What happened between two looks at the stack.

    Attributes:
        replicas: what all of them used.
        balancer: what it used.
        answered: by each replica, as the balancer has counted.
    """

    replicas: ContainerUsage
    balancer: ContainerUsage
    answered: list[int]

    @property
    def unevenness(self) -> float:
        """How much more than the least busy replica the busiest one has answered: 0.1 is a tenth more."""
        return max(self.answered) / max(1, min(self.answered)) - 1


@dataclass(frozen=True, slots=True)
class Turn:
    """A closed-loop crowd's.

    Attributes:
        number: of replicas.
        rate: right answers a second.
        p50_ms: of their latency.
        p99_ms: of their latency.
        failures: what went wrong → how often.
        shift: what the stack did meanwhile.
    """

    number: int
    rate: float
    p50_ms: float
    p99_ms: float
    failures: dict[str, int]
    shift: Shift


class Watch:
    """Looks at a stack, without taking CPU from what is measured."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._replicas, self._balancer = stack.groups("replica"), stack.groups("balancer")
        self._looks: list[tuple[float, Readings, Readings, Mapping[str, int]]] = []

    def look(self) -> None:
        """Read all counters."""
        moment, replicas, balancer = time.monotonic(), read(self._replicas), read(self._balancer)
        self._looks.append((moment, replicas, balancer, self._stack.answered()))

    def shift(self) -> Shift:
        """What happened between the last two looks."""
        (start, replicas, balancer, before), (end, replicas_now, balancer_now, now) = self._looks[-2:]
        answered = [count - before.get(address, 0) for address, count in now.items()]
        seconds = end - start
        return Shift(used(replicas, replicas_now, seconds), used(balancer, balancer_now, seconds), answered)


def compare(stack: Stack, args: argparse.Namespace) -> list[Turn]:
    """Have a closed-loop crowd ask one server and several of the same CPU together, in turns.

    Raises:
        NoStack: the stack does not do what it was told.
        OSError: the crowd cannot connect.
    """
    requests = [encode_request("canopy", row) for row in load_sample().rows.tolist()]
    turns = []
    everywhere = os.sched_getaffinity(0)
    of_replicas, of_others = apart(server=math.ceil(args.cpu), load=1)
    with pinned(of_others):
        stack.pin("balancer", of_others or everywhere)
        for turn in range(args.rounds):
            sys.stderr.write(f"round {turn + 1} of {args.rounds}\n")
            for replicas in (1, args.replicas):
                stack.resize(replicas, args.cpu / replicas, args.memory)
                stack.pin("replica", of_replicas or everywhere)
                turns.append(_turn(stack, replicas, requests, args))
        stack.pin("balancer", everywhere)
    return turns


def _turn(stack: Stack, replicas: int, requests: Sequence[bytes], args: argparse.Namespace) -> Turn:
    """Let the crowd ask the replicas that there are."""
    watch = Watch(stack)

    async def look() -> None:
        await asyncio.to_thread(watch.look)

    how = {"users": args.users, "seconds": args.seconds, "warm_up": args.warm_up}
    tally = uvloop.run(run_crowd(stack.balancer, 8000, requests, **how, look=look))
    times = latency(tally.latencies)
    p50, p99 = (0.0, 0.0) if times is None else (times.p50, times.p99)
    return Turn(replicas, tally.answered / tally.seconds, p50, p99, dict(tally.failures), watch.shift())


def hold(stack: Stack, args: argparse.Namespace) -> tuple[Seen, Shift]:
    """Let Locust's users ask the replicas, each as large as one of the reference system's.

    Raises:
        NoStack: the stack does not do what it was told.
        RuntimeError: Locust failed.
    """
    stack.resize(args.replicas, args.crowd_cpu, args.crowd_memory)
    watch = Watch(stack)
    watch.look()
    host = f"http://{stack.balancer}:8000"
    seen = measure(Crowd(host, args.crowd, args.rate, args.time, args.profile, args.processes))
    watch.look()
    return seen, watch.shift()


def compared(turns: Sequence[Turn], args: argparse.Namespace) -> Table:
    """What ``compare`` found, a turn a row."""
    columns = ["replicas", "CPU each", "requests/s", "p50 ms", "p99 ms", "failures", "CPU used", "us a request"]
    columns += ["throttled", "balancer's CPU", "us a request", "uneven by"]
    rows = []
    for each in turns:
        shift, rate = each.shift, max(1.0, each.rate)
        rows.append([
            str(each.number),
            f"{args.cpu / each.number:.3g}",
            number(each.rate),
            number(each.p50_ms, 1),
            number(each.p99_ms, 1),
            number(sum(each.failures.values())),
            number(shift.replicas.cpu, 2),
            number(shift.replicas.cpu / rate * 1e6),
            f"{shift.replicas.throttled_share:.0%}",
            number(shift.balancer.cpu, 2),
            number(shift.balancer.cpu / rate * 1e6),
            f"{shift.unevenness:.1%}",
        ])  # fmt: skip
    title = f"{args.users} users of a closed loop, {args.cpu:g} CPU in all"
    return Table(title, columns, rows)


def held(seen: Seen, shift: Shift, args: argparse.Namespace) -> Table:
    """What ``hold`` found."""
    columns = ["", "requests", "requests/s", "failures", "mean ms", "p50", "p95", "p99", "max"]
    rows = []
    for name, figures in (("whole run", seen.whole), ("after the ramp", seen.gathered)):
        if figures is not None:
            times = [figures.mean, figures.median, figures.p95, figures.p99, figures.max]
            counts = [number(figures.requests), number(figures.rate), number(figures.failures)]
            rows.append([name, *counts, *map(number, times)])
    title = (
        f"{seen.users:,} users ({args.profile}), {args.replicas} replicas of {args.crowd_cpu:g} CPU and"
        f" {args.crowd_memory} MiB: they used {shift.replicas.cpu:.2f} CPU and hold"
        f" {shift.replicas.memory_mib:.0f} MiB together, the balancer {shift.balancer.cpu:.2f} CPU"
        f" and {shift.balancer.memory_mib:.0f} MiB; uneven by {shift.unevenness:.1%}"
    )
    return Table(title, columns, rows)


def share(turns: Sequence[Turn], replicas: int) -> float:
    """What several replicas answer, in parts of what one answers: the medians of their rates."""
    one, several = (statistics.median(each.rate for each in turns if each.number == size) for size in (1, replicas))
    return several / one


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.replicas") -> int:
    """Run the command line; the exit status is 1 if a request failed, 2 if there was no run."""
    args = parser(prog).parse_args(arguments)
    document: dict[str, Any] = {"arguments": {name: value for name, value in vars(args).items() if name != "json"}}
    failures = 0
    try:
        allow_connections(max(args.users, args.crowd))
        stack = Stack()
        stack.rest(*_IDLE)
        if args.rounds:
            turns = compare(stack, args)
            document |= {"turns": turns, "share": share(turns, args.replicas)}
            failures += sum(sum(each.failures.values()) for each in turns)
            sys.stdout.write(compared(turns, args).text())
            part = share(turns, args.replicas)
            sys.stdout.write(f"{args.replicas} replicas answer {part:.0%} of what one with all their CPU answers\n")
        if args.crowd:
            seen, shift = hold(stack, args)
            document |= {"seen": seen, "shift": shift}
            failures += seen.whole.failures
            sys.stdout.write(held(seen, shift, args).text())
            sys.stdout.writelines(f"{count} x {reason}\n" for reason, count in seen.reasons.items())
    except (NoStack, OSError, RuntimeError) as error:
        sys.stderr.write(f"replicas: {error}\n")
        return 2
    if args.json:
        keep(args.json, encode(document))
    return int(failures > 0)


def parser(prog: str = "python -m loadtest.replicas") -> argparse.ArgumentParser:
    """The command line."""
    parser = Options(prog, __doc__)
    parser.add_argument("--replicas", type=int, default=3, help="how many there are to be")
    parser.add_argument(
        "--cpu",
        type=float,
        default=0.3,
        help="cores of all replicas together in the comparison; the crowd and the balancer need more than that",
    )
    parser.add_argument("--memory", type=int, default=256, metavar="MIB", help="of each replica in the comparison")
    parser.add_argument("--users", type=int, default=256, help="of the closed loop")
    parser.rounds(5, 10, "of the comparison; 0 leaves it out", "counted seconds of a turn")
    parser.add_argument("--warm-up", type=float, default=10, help="seconds before counting starts, in each turn")
    parser.add_argument("--crowd", type=int, default=10_000, help="Locust's users; 0 leaves them out")
    parser.add_argument("--crowd-cpu", type=float, default=1.5, help="cores of each replica for them")
    parser.add_argument("--crowd-memory", type=int, default=2500, metavar="MIB", help="of each replica for them")
    parser.crowd(PROFILES, time="2m")
    parser.results()
    return parser


if __name__ == "__main__":
    sys.exit(main())
