"""The resource question, answered: the least CPU and the least memory at which a crowd sees no failure.

Each attempt starts a server, puts it within limits and lets Locust's users ask it. The least CPU is looked for with the
most memory, the least memory with the most CPU, and in the end both are tried together.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from loadtest import ceiling
from loadtest.locust.generator import PROFILES, Crowd
from loadtest.reports.results import encode, keep
from loadtest.searching.attempt import Attempt, Attempts
from loadtest.searching.bisection import Found, least, steps
from loadtest.searching.reference import REFERENCE, Row, table
from loadtest.system.cgroup import NoControlGroups
from loadtest.system.machine import allow_connections, describe
from loadtest.system.options import Options

Resource = Literal["cpu", "memory"]

_NAMES: Final[dict[Resource, str]] = {"cpu": "CPU", "memory": "memory"}


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found.

    Attributes:
        started: date and time, with the time zone.
        command: what was run.
        machine: what it was run on.
        generator: what the same crowd reaches against a server that answers a constant.
        found: resource → its search.
        attempts: in order.
        rows: ours of the table.
    """

    started: str
    command: str
    machine: dict[str, str]
    generator: ceiling.Ceiling
    found: dict[Resource, Found]
    attempts: list[Attempt]
    rows: list[Row]


def find(
    attempts: Attempts, resource: Resource, values: Sequence[float], most: float, *, confirmations: int
) -> tuple[Found, list[Row]]:
    """Find the least of one resource.

    Args:
        attempts: makes them.
        resource: which.
        values: to choose from, ascending.
        most: of the other resource, which all attempts have.
        confirmations: how often the result is tried again.

    Returns:
        The search, and what it has for the table: the least, and the next lower that was not enough.
    """
    within: dict[Resource, Callable[[float], tuple[float, float]]] = {
        "cpu": lambda value: (value, most),
        "memory": lambda value: (most, value),
    }
    limits, name = within[resource], _NAMES[resource]
    found = least(lambda value: attempts.make(*limits(value)).passed, values, confirmations=confirmations)
    if found.least is None:
        return found, [attempts.last(*limits(values[-1])).row(f"not enough {name}")]
    rows = [attempts.last(*limits(found.least)).row(f"least {name}")]
    if (below := found.most_insufficient) is not None:
        rows.append(attempts.last(*limits(below)).row("below that"))
    return found, rows


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.search") -> int:
    """Run the command line; the exit status is 1 if a search found nothing that is enough, 2 if there was no run."""
    parser = _parser(prog)
    args = parser.parse_args(arguments)
    try:
        values: dict[Resource, list[float]] = {"cpu": steps(*args.cpu), "memory": steps(*args.memory)}
    except ValueError as error:
        parser.error(str(error))
    most: dict[Resource, float] = {"cpu": args.memory[1], "memory": args.cpu[1]}
    started = datetime.now(UTC).isoformat(timespec="seconds")
    crowd = Crowd("", args.users, args.rate, args.time, args.profile, args.processes)
    attempts = Attempts(crowd, args.p95, args.server_options)
    rows: list[Row] = []
    found: dict[Resource, Found] = {}
    try:
        allow_connections(max(args.users, *(row.users for row in REFERENCE)) if args.reference_rows else args.users)
        generator = ceiling.locust_alone(crowd)
        if args.reference_rows:
            rows += [attempts.make(row.cpu, row.memory_mib, row.users).row("in its limits") for row in REFERENCE]
        for resource in args.search:
            found[resource], own = find(
                attempts, resource, values[resource], most[resource], confirmations=args.confirm
            )
            rows += own
        cpu, memory = (found[resource].least if resource in found else None for resource in _NAMES)
        if cpu is not None and memory is not None:
            rows.append(attempts.make(cpu, memory).row("both together"))
    except (NoControlGroups, RuntimeError) as error:
        sys.stderr.write(f"search: {error}\n")
        return 2
    tables = [table(rows), ceiling.table([generator])]
    sys.stdout.write("".join(each.text() for each in tables))
    command = shlex.join(["python", "-m", "loadtest.search", *(sys.argv[1:] if arguments is None else arguments)])
    keep(args.json, encode(Report(started, command, describe(), generator, found, attempts.made, rows)))
    if args.markdown:
        keep(args.markdown, "\n".join(each.markdown() for each in tables).encode())
    return int(any(each.least is None for each in found.values()))


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = Options(prog, __doc__)
    scale = ("LEAST", "MOST", "STEP")
    parser.add_argument("--users", type=int, default=10_000, help="who must see no failure")
    parser.add_argument("--p95", type=float, metavar="MS", help="nor a 95th percentile above this")
    parser.add_argument("--search", nargs="*", choices=_NAMES, default=list(_NAMES), help="what to find the least of")
    parser.add_argument("--cpu", type=float, nargs=3, metavar=scale, default=[0.025, 0.5, 0.025], help="in cores")
    parser.add_argument("--memory", type=float, nargs=3, metavar=scale, default=[48, 256, 8], help="in MiB")
    parser.add_argument("--confirm", type=int, default=1, help="how often what was found is tried again")
    parser.add_argument("--reference-rows", action="store_true", help="first ask in the reference system's own limits")
    parser.crowd(PROFILES, time="90s", time_help="of an attempt, with their arrival")
    parser.results(Path(".canopy/budget-search.json"), tables=True)
    parser.server_options()
    return parser


if __name__ == "__main__":
    sys.exit(main())
