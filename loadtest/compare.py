"""Compare ways to serve, within the same limits: batched and unbatched, both engines, both ways of HTTP.

All servers run from the beginning, on a core of their own, and a closed-loop crowd on another asks one at a time, in
turns, so that a moment in which the machine is slow falls on all of them.
"""

import argparse
import math
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import uvloop

from dataset import load_sample
from loadtest import ceiling, report
from loadtest.generators.closed_loop import Tally, encode_request, run_crowd
from loadtest.generators.line import Line
from loadtest.reports import activity
from loadtest.reports.grid import MODES, SENSIBLE, Cell, Mode, rotated
from loadtest.reports.results import Measured, Results, Round, sum_up
from loadtest.system.budget import Budget, DoesNotFit, budget
from loadtest.system.cgroup import NoControlGroups
from loadtest.system.machine import allow_connections, apart, describe, pinned
from loadtest.system.options import Options
from loadtest.system.process import ServerProcess, serving

OUT: Final = Path(".canopy/bench")

_QUICK: Final[dict[str, Any]] = {"users": [32, 256], "rounds": 2, "seconds": 1.5, "warm_up": 0.7}
"""Ends within three minutes on two cores."""

_STATS: Final = b"GET /stats HTTP/1.1\r\nHost: canopy\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Contender:
    """A running server.

    Attributes:
        server: the process.
        limit: kept by a control group; None without.
        rounds: users → where its rounds are kept.
        looks: whether it has /stats to look at.
    """

    server: ServerProcess
    limit: Budget | None
    rounds: Mapping[int, list[Round]]
    looks: bool = True


class Comparison:
    """Measures, and keeps what was measured.

    Args:
        args: of the command line.
        limited: whether there are control groups.
    """

    def __init__(self, args: argparse.Namespace, *, limited: bool) -> None:
        rows = load_sample().rows.tolist()
        self.rows = len(rows)
        self.model = ""
        self.ceiling: dict[int, list[Round]] = {users: [] for users in args.users}
        self.measured = [
            Measured(Cell(MODES[name], cpu, users), [])
            for users in args.users
            for cpu in args.cpu
            for name in args.modes
        ]
        self._args = args
        self._limited = limited
        self._requests = [encode_request("canopy", row) for row in rows]

    def run(self) -> None:
        """Measure all cells.

        Raises:
            DoesNotFit: the memory limit is too low for a server at rest.
            RuntimeError: a server did not start.
        """
        of_server, of_crowd = apart(server=math.ceil(max(self._args.cpu)), load=1)
        with ExitStack() as stack:
            with pinned(of_server):
                contenders = [self._generator_alone(stack)]
                for cpu in self._args.cpu:
                    contenders += [self._start(stack, MODES[name], cpu) for name in self._args.modes]
            stack.enter_context(pinned(of_crowd))
            for turn in range(self._args.rounds):
                sys.stderr.write(f"round {turn + 1} of {self._args.rounds}\n")
                for users in self._args.users:
                    for contender in rotated(contenders, turn):
                        if contender.server.process.poll() is None:
                            contender.rounds[users].append(uvloop.run(self._round(contender, users)))

    def _generator_alone(self, stack: ExitStack) -> Contender:
        server = stack.enter_context(serving([], program=ceiling.PROGRAM))
        return Contender(server, None, self.ceiling, looks=False)

    def _start(self, stack: ExitStack, mode: Mode, cpu: float) -> Contender:
        sys.stderr.write(f"starting {mode}, {cpu:g} CPU\n")
        limit = stack.enter_context(budget(cpu, self._args.memory)) if self._limited else None
        options = [*mode.options(), *self._args.server_options]
        admit = None if limit is None else limit.admit
        server = stack.enter_context(serving(options, ready_within=120, admit=admit))
        self.model = server.get("/")["model"]
        own = [each for each in self.measured if (each.cell.mode, each.cell.cpu) == (mode, cpu)]
        return Contender(server, limit, {each.cell.users: each.rounds for each in own})

    async def _round(self, contender: Contender, users: int) -> Round:
        server, limit = contender.server, contender.limit
        seen: list[activity.Snapshot] = []

        async def look() -> None:
            with suppress(OSError):  # it has died, and the crowd tells of that
                async with Line(server.host, server.port) as line:
                    answer = await line.ask(_STATS)
                seen.append(activity.read(orjson.loads(answer.body)))

        if limit is not None:
            limit.enforce()  # and count anew
        server.forget_peak_memory()
        try:
            tally = await run_crowd(
                server.host,
                server.port,
                self._requests,
                users=users,
                seconds=self._args.seconds,
                warm_up=self._args.warm_up,
                look=look if contender.looks else None,
            )
        except OSError as error:
            tally = Tally(failures=Counter([f"no connection: {error}"]))
        did = activity.between(*seen) if len(seen) == 2 else None
        memory = server.peak_memory_mb() if server.process.poll() is None else None
        return sum_up(tally, did, memory, None if limit is None else limit.usage())


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.compare") -> int:
    """Run the command line; the exit status is 1 if a request failed or a cell had no answer, 2 if there was no run."""
    parser = _parser(prog)
    args = parser.parse_args(arguments)
    if args.quick:
        parser.set_defaults(**_QUICK)
        args = parser.parse_args(arguments)
    args.users.sort()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    limited, limits = _limits(args)
    sys.stderr.write(f"{limits}\n")
    try:
        allow_connections(max(args.users))
        comparison = Comparison(args, limited=limited)
        comparison.run()
    except (DoesNotFit, RuntimeError) as error:
        sys.stderr.write(f"compare: {error}\n")
        return 2
    results = Results(
        started=started,
        command=shlex.join(["python", "-m", "loadtest.compare", *(sys.argv[1:] if arguments is None else arguments)]),
        machine=describe(),
        limits=limits,
        memory_mib=args.memory,
        model=comparison.model,
        rows=comparison.rows,
        seconds=args.seconds,
        warm_up=args.warm_up,
        ceiling=comparison.ceiling,
        measured=comparison.measured,
    )
    sys.stdout.write(report.text(results))
    report.write(results, json=args.json, html=args.html, markdown=args.markdown)
    return int(not results.passed)


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = Options(prog, __doc__)
    parser.add_argument(
        "--modes", nargs="+", choices=MODES, default=list(SENSIBLE), metavar="MODE", help=" ".join(MODES)
    )
    parser.add_argument("--users", type=int, nargs="+", default=[1, 10, 100, 1000], help="connections of the crowd")
    parser.add_argument("--cpu", type=float, nargs="+", default=[1.0], help="CPU limits of the server, in cores")
    parser.add_argument("--memory", type=float, default=1024, metavar="MIB", help="memory limit of the server")
    parser.add_argument("--warm-up", type=float, default=2, help="seconds before counting starts, in each round")
    parser.rounds(3, 5, "of each mode, in turns", "counted seconds of a round")
    parser.add_argument("--quick", action="store_true", help="less of everything: within three minutes")
    parser.results(OUT / "results.json", html=OUT / "report.html", plots=True, tables=True)
    parser.server_options()
    return parser


def _limits(args: argparse.Namespace) -> tuple[bool, str]:
    """Whether there can be control groups, and how the limits are kept, in words."""
    most = math.ceil(max(args.cpu))
    of_server, _ = apart(server=most, load=1)
    cores = f"pinned to {most} of its cores" if of_server else "on the same cores as the crowd"
    try:
        with budget(args.cpu[0], args.memory):
            return True, f"control group, {args.memory:g} MiB; server {cores}"
    except NoControlGroups as error:
        return False, f"no limit of CPU or memory; server {cores} ({error})"


if __name__ == "__main__":
    sys.exit(main())
