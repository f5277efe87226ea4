"""The reference system's results, and ours in the same table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.reports.table import Table, number


@dataclass(frozen=True, slots=True)
class Row:
    """One run of a crowd.

    Attributes:
        system: whose server was asked.
        users: how many asked.
        failed: whether any request did.
        mean_ms: of the latency; None if there was no answer.
        max_ms: likewise.
        memory_mib: the limit.
        cpu: the limit, in cores.
        remarks: what else there is to say.
    """

    system: str
    users: int
    failed: bool
    mean_ms: float | None
    max_ms: float | None
    memory_mib: float
    cpu: float
    remarks: str = ""


_GIB: Final = 1024

REFERENCE: Final = (
    Row("reference", 1, True, 4, 7877, 256, 0.25, "every prediction failed"),
    Row("reference", 1, False, 27, 42, 6 * _GIB, 3),
    Row("reference", 10_000, True, 846, 11_028, 5 * _GIB, 2.5, "34 % failed"),
    Row("reference", 10_000, False, 16_700, 31_524, 6 * _GIB, 3),
    Row("reference", 10_000, False, 11_834, 23_659, 5.5 * _GIB, 2.5, "its best"),
)
"""As it reported them; it ran in a container on a machine of its own, so that only the limits are to be compared."""


def table(rows: Sequence[Row]) -> Table:
    """The reference's table, continued."""
    columns = ["system", "remarks", "users", "failures", "mean ms", "max ms", "memory limit", "CPU limit"]
    cells = [
        [
            row.system,
            row.remarks,
            number(row.users),
            "yes" if row.failed else "no",
            number(row.mean_ms),
            number(row.max_ms),
            _memory(row.memory_mib),
            f"{row.cpu:g}",
        ]
        for row in (*REFERENCE, *rows)
    ]
    return Table("What it takes", columns, cells, words=2)


def _memory(mib: float) -> str:
    return f"{mib / _GIB:g} GB" if mib >= _GIB else f"{mib:g} MB"
