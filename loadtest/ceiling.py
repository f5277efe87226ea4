"""How much the load generators can do at all: each of them against a server that answers a constant.

What is measured elsewhere with a generator can be no more than this, however quick the server is.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

import uvloop

from dataset import load_sample
from loadtest.generators.closed_loop import encode_request, run_crowd
from loadtest.locust.generator import PROFILES, Crowd, measure
from loadtest.reports.results import encode, keep, sum_up
from loadtest.reports.table import Table, number
from loadtest.system.machine import allow_connections, apart, describe, pinned
from loadtest.system.options import Options
from loadtest.system.process import ServerProcess, serving

PROGRAM: Final = ("-m", "loadtest.constant")
"""The server that answers a constant, as ``serving`` takes it."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a generator did.

    Attributes:
        generator: which one, and how.
        users: how many it played.
        failures: should be none.
        rate: answers a second.
        mean_ms: of the latency.
        p99_ms: its 99th percentile.
        server_cpu: cores that the server used meanwhile, the generator's start included: far from one, it was not the
            limit.
    """

    generator: str
    users: int
    failures: int
    rate: float
    mean_ms: float
    p99_ms: float
    server_cpu: float


@contextmanager
def constant(load: int) -> Iterator[ServerProcess]:
    """Run the server; what is started meanwhile runs on other cores, if ``load`` of them are left.

    Raises:
        RuntimeError: it did not start.
    """
    of_server, of_load = apart(server=1, load=load)
    with ExitStack() as stack:
        with pinned(of_server):
            server = stack.enter_context(serving([], program=PROGRAM))
        stack.enter_context(pinned(of_load))
        yield server


def locust_alone(crowd: Crowd) -> Ceiling:
    """Let a crowd of Locust's ask; its host does not matter.

    Raises:
        RuntimeError: Locust failed, or the server did not start.
    """
    with constant(load=crowd.processes) as server:
        began, cpu = time.monotonic(), server.cpu_seconds()
        measured = measure(replace(crowd, host=f"http://{server.host}:{server.port}"))
        cores = (server.cpu_seconds() - cpu) / (time.monotonic() - began)
    steady = measured.gathered or measured.whole
    name = f"Locust, {crowd.profile}, {crowd.processes} processes"
    failures = measured.whole.failures
    return Ceiling(name, measured.users, failures, steady.rate, steady.mean, steady.p99, cores)


def closed_loop_alone(users: int, seconds: float) -> Ceiling:
    """Let the closed-loop crowd ask.

    Raises:
        RuntimeError: the server did not start.
    """
    requests = [encode_request("canopy", row) for row in load_sample().rows.tolist()]
    with constant(load=1) as server:
        began, cpu = time.monotonic(), server.cpu_seconds()
        crowd = run_crowd(server.host, server.port, requests, users=users, seconds=seconds, warm_up=0.5)
        turn = sum_up(uvloop.run(crowd))
        cores = (server.cpu_seconds() - cpu) / (time.monotonic() - began)
    mean, p99 = (turn.latency.mean, turn.latency.p99) if turn.latency else (math.nan, math.nan)
    return Ceiling("closed loop", users, sum(turn.failures.values()), turn.rate, mean, p99, cores)


def table(found: Sequence[Ceiling]) -> Table:
    """For people."""
    columns = ["generator", "users", "requests/s", "mean ms", "p99 ms", "failures", "server's CPU"]
    rows = [
        [
            each.generator,
            number(each.users),
            number(each.rate),
            number(each.mean_ms, 1),
            number(each.p99_ms, 1),
            number(each.failures),
            f"{each.server_cpu:.2f}",
        ]
        for each in found
    ]
    return Table("The generators' own limits (a server that answers a constant)", columns, rows)


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.ceiling") -> int:
    """Run the command line; the exit status is 1 if a request failed, 2 if there was no run."""
    parser = Options(prog, __doc__)
    parser.add_argument("--users", type=int, default=10_000, help="of Locust")
    parser.crowd(PROFILES, time="1m")
    parser.add_argument("--hurried", type=int, default=200, help="users of Locust that never pause, for ten seconds")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 64, 1000], help="of the closed loop")
    parser.add_argument("--seconds", type=float, default=5, help="of the closed loop")
    parser.results(tables=True)
    args = parser.parse_args(arguments)
    try:
        allow_connections(max(args.users, *args.connections))
        found = [closed_loop_alone(users, args.seconds) for users in args.connections]
        hurried = Crowd("", args.hurried, args.hurried, "10s", "HurriedUser", args.processes)
        found.append(locust_alone(hurried))
        found.append(locust_alone(Crowd("", args.users, args.rate, args.time, args.profile, args.processes)))
    except RuntimeError as error:
        sys.stderr.write(f"ceiling: {error}\n")
        return 2
    sys.stdout.write(table(found).text())
    if args.json:
        keep(args.json, encode({"machine": describe(), "ceilings": found}))
    if args.markdown:
        keep(args.markdown, table(found).markdown().encode())
    return int(any(each.failures for each in found))


if __name__ == "__main__":
    sys.exit(main())
