"""Work out how many replicas of which CPU and memory carry a load, and write the chart's values for them.

It measures nothing: it reads what ``python -m loadtest.compare`` has kept of this model and machine. A replica's rate
is the most that it answered while the 99th percentile stayed within the bound, with a crowd that never pauses.
"""

import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from forest.checks.arguments import above_zero
from loadtest.reports.results import Results, keep, read
from loadtest.reports.table import Table, number
from loadtest.sizing.plan import Load, NoPlan, Plan, plans
from loadtest.system.options import Options

_RESULTS: Final = Path(".canopy/bench/results.json")
_VALUES: Final = Path(".canopy/values.yaml")
_SHARE: Final = 0.7
_SPARE: Final = 1
_MODE: Final = "compiled-hot-batched"
_MEASURE: Final = (
    f'make bench ARGS="--modes {_MODE} --cpu 0.1 0.25 0.5 1 --users 16 64 256 1000 --rounds 2 --seconds 3"'
    " measures replicas of four sizes, as root or with a delegated control group"
)


def text(results: Results, mode: str, load: Load, found: Sequence[Plan]) -> str:
    """The reasoning, for a terminal."""
    best = found[0]
    table = Table(
        "What a replica of each size answers within the bound, and how many of them it takes",
        [
            "CPU",
            "connections",
            "requests/s",
            "p99 ms",
            "planned/s",
            "replicas",
            "CPU in all",
            "memory MB",
            "limit MiB",
            "remarks",
        ],
        [
            [
                f"{plan.size.cpu:g}",
                number(plan.size.users),
                number(plan.size.rate),
                number(plan.size.p99_ms, 1),
                number(plan.carries),
                number(plan.replicas),
                f"{plan.cpu:g}",
                number(plan.size.memory_mb),
                number(plan.memory_mib),
                "the generator's limit, perhaps" if plan.size.at_the_ceiling else "",
            ]
            for plan in found
        ],
        words=0,
    )
    lines = [
        f"{results.model}, {mode}, measured {results.started} on {results.machine.get('processor', 'this machine')};"
        f" {results.limits}",
        f"{load.rate:,.0f} requests a second of a row each, 99 of 100 answered within {load.p99_ms:g} ms. Each replica"
        f" is planned to carry {load.share:.0%} of what it was seen to answer, and {load.spare} may be gone.",
    ]
    return "\n".join(lines) + "\n" + table.text() + _conclusion(best, load)


def values(plan: Plan, load: Load, command: str) -> str:
    """The chart's values for a plan, in YAML."""
    return (
        f"# For {load.rate:,.0f} requests a second within {load.p99_ms:g} ms: {command}\n"
        f"replicas: {plan.replicas}\n"
        f'resources:\n  cpu: "{plan.size.cpu:g}"\n  memory: {plan.memory_mib}Mi\n'
    )


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.sizing") -> int:
    """Run the command line; the exit status is 1 if the figures do not tell, 2 if there are none."""
    parser = _parser(prog)
    given = parser.parse_args(arguments)
    load = Load(given.rate, given.p99_ms, given.share, given.spare)
    try:
        results = read(given.results)
    except FileNotFoundError:
        sys.stderr.write(f"size: there is no {given.results}: {_MEASURE}\n")
        return 2
    except (OSError, ValueError) as error:
        sys.stderr.write(f"size: {given.results}: {error}\n")
        return 2
    try:
        found = plans(results, given.mode, load)
    except NoPlan as reason:
        sys.stderr.write(f"size: {reason}. {_MEASURE}\n")
        return 1
    sys.stdout.write(text(results, given.mode, load, found))
    command = f"make size RATE={load.rate:g} P99_MS={load.p99_ms:g}"
    keep(given.values, values(found[0], load, command).encode())
    return 0


def _conclusion(plan: Plan, load: Load) -> str:
    return (
        f"\n{load.rate:,.0f} / {plan.carries:,.0f} = {load.rate / plan.carries:.2f}, rounded up, and {load.spare} more:"
        f" {plan.replicas} replicas of {plan.size.cpu:g} CPU and {plan.memory_mib} MiB, the least CPU in all.\n"
        "A node's core is not this machine's, and an ingress has its own limits: load the first replica there"
        " (make loadtest HOST=…), and plan by that.\n"
    )


def _parser(prog: str) -> Options:
    parser = Options(prog, __doc__)
    parser.add_argument("--rate", type=above_zero, required=True, metavar="N", help="requests a second, at the peak")
    parser.add_argument("--p99-ms", type=above_zero, required=True, metavar="MS", help="bound of the 99th percentile")
    parser.add_argument(
        "--share", type=_share, default=_SHARE, help="of what a replica was seen to answer, that it is planned for"
    )
    parser.add_argument("--spare", type=_count, default=_SPARE, metavar="N", help="replicas that may be gone")
    parser.add_argument("--mode", default=_MODE, help="of the servers, as the comparison names them")
    parser.add_argument("--results", type=Path, default=_RESULTS, metavar="FILE", help="what a comparison has kept")
    parser.add_argument("--values", type=Path, default=_VALUES, metavar="FILE", help="write the chart's values there")
    return parser


def _share(word: str) -> float:
    if not 0 < (value := float(word)) <= 1:
        raise ArgumentTypeError(f"{word} is not above 0 and at most 1")
    return value


def _count(word: str) -> int:
    if (value := int(word)) < 0:
        raise ArgumentTypeError(f"{word} is below 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
