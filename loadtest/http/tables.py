"""What was found, for people and as a document."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from loadtest.http.cost import Cost
from loadtest.http.sharing import Shares
from loadtest.http.way import Case
from loadtest.reports.table import Table, number

_COLUMNS: Final = {
    "CPU us": ("cpu_us", 1),
    "engine us": ("engine_us", 1),
    "nginx us": ("nginx_us", 1),
    "forest us": ("forest_us", 1),
    "floor us": ("floor_us", 1),
    "ratio": ("ratio", 2),
    "rows/batch": ("rows_a_batch", 1),
    "requests/s": ("requests_per_second", 0),
    "median ms": ("median_ms", 2),
    "p99 ms": ("p99_ms", 1),
    "failures": ("failures", 0),
}
"""A column → its figure in ``Cost.summary``, and digits after the point."""


def costs(found: Mapping[Case, Cost]) -> Table:
    """A line for each case; a dash stands for what could not be measured."""
    rows = []
    for case, cost in found.items():
        summary = cost.summary()
        figures = (cell(summary[name], digits) for name, digits in _COLUMNS.values())
        rows.append([str(case.way), number(case.connections), *figures])
    return Table("A request's CPU, beside nginx's constant and the forest", ["way", "connections", *_COLUMNS], rows)


def beside_fewest(found: Mapping[Case, Cost]) -> Table:
    """Servers of several workers, each beside the one of as few as were measured; connections are the last round's."""
    fewest = min((case.way.kind.workers for case in found), default=1)
    rows = []
    for case, cost in found.items():
        kind = case.way.kind
        base = found.get(case._replace(way=case.way._replace(kind=kind._replace(workers=fewest))))
        if kind.workers > fewest and base is not None:
            figures = [cell(each.summary()["cpu_us"], 1) for each in (base, cost)]
            spread = " + ".join(number(each) for each in cost.turns[-1].spread)
            rows.append([str(case.way), number(case.connections), *figures, f"{cost.times(base):.2f}", spread])
    columns = ["way", "connections", f"CPU us, {fewest} worker", "CPU us", "ratio", "connections of each"]
    return Table("Workers: a request's CPU, all processes together", columns, rows)


def memory(found: Mapping[str, Sequence[Shares]]) -> Table:
    """What workers hold, in MB, by the server that they belong to."""
    rows = [
        [
            name,
            str(each.pid),
            *(f"{size:.1f}" for size in (each.resident_mb, each.proportional_mb, each.forest_mb)),
            f"{each.forest_private_mb:.1f}",
            "-" if each.forest_file is None else str(each.forest_file),
        ]
        for name, workers in found.items()
        for each in workers
    ]
    columns = ["server", "worker", "resident MB", "PSS MB", "forest MB", "of it private", "forest's file"]
    return Table("What workers share: the same file is the same pages", columns, rows)


def cell(value: float, digits: int) -> str:
    """A figure; a dash for NaN."""
    return number(None if math.isnan(value) else value, digits)


def figures(found: Mapping[Case, Cost]) -> list[dict[str, Any]]:
    """Everything about each case, for a file."""
    return [
        {
            "connections": case.connections,
            **case.way.kind._asdict(),
            **case.way.question._asdict(),
            **cost.summary(),
            "rounds": [asdict(turn) for turn in cost.turns],
        }
        for case, cost in found.items()
    ]
