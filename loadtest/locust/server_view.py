"""A server's last minute as a table for people: what it says of itself, looked at again and again."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from loadtest.reports.activity import Activity, Snapshot, between
from loadtest.reports.table import number

KEPT: Final = 60
"""Looks that the table goes back: a minute, with one a second."""

COLUMNS: Final = {"figure": "The server says", "now": "Now", "most": "Most in a minute", "course": "Last minute"}
"""Key of a cell → title of its column."""

_BLOCKS: Final = "▁▂▃▄▅▆▇█"

Reading = Callable[[Activity, Snapshot], float | None]

_FIGURES: Final[dict[str, tuple[int, Reading]]] = {
    "Batch size, rows (mean)": (1, lambda did, _: did.rows_per_batch),
    "Queue depth, rows": (0, lambda _, look: look.queued_rows),
    "Time in the queue, ms (mean)": (2, lambda did, _: did.wait_ms),
    "CPU, % of a core": (1, lambda did, _: did.cpu * 100),
    "CPU a request, µs": (0, lambda did, _: did.cpu_us),
    "Answers a second": (0, lambda did, _: did.rate),
    "Sent away a second (503, 504)": (0, lambda did, _: did.shed_rate),
    "Open connections": (0, lambda _, look: look.connections),
    "Memory, MB": (0, lambda _, look: look.memory_mb),
}
"""Figure → digits after its point, and how it is read."""


class ServerView:
    """What is known of a server."""

    def __init__(self) -> None:
        self._last: Snapshot | None = None
        self._trouble = "it has not been looked at yet"
        self._seen: deque[list[float | None]] = deque(maxlen=KEPT)

    def add(self, look: Snapshot) -> None:
        """Take note of a look; figures of what it does need two."""
        did = between(self._last, look) if self._last is not None else None
        if did is not None:
            self._seen.append([read(did, look) for _, read in _FIGURES.values()])
        self._last, self._trouble = look, "" if self._seen else "the first figures come at once"

    def lose(self, reason: str) -> None:
        """Take note that it cannot be reached; what was known before is forgotten."""
        self._last, self._trouble = None, f"no figures: {reason}"
        self._seen.clear()

    def rows(self) -> list[dict[str, str]]:
        """A row for each figure, with the cells of ``COLUMNS``; a single one that says so while there are none."""
        if self._trouble:
            return [dict.fromkeys(COLUMNS, "") | {"figure": self._trouble}]
        courses = zip(*self._seen, strict=True)
        figures = zip(_FIGURES.items(), courses, strict=True)
        return [_row(name, digits, course) for (name, (digits, _)), course in figures]


def _row(name: str, digits: int, course: tuple[float | None, ...]) -> dict[str, str]:
    most = max((value for value in course if value is not None), default=None)
    cells = (name, number(course[-1], digits), number(most, digits), sparkline(course))
    return dict(zip(COLUMNS, cells, strict=True))


def sparkline(course: Iterable[float | None]) -> str:
    """Values as blocks between zero and the greatest of them; a dot where there is none."""
    values = list(course)
    most = max((value for value in values if value is not None), default=0) or 1
    return "".join("·" if value is None else _BLOCKS[round(7 * value / most)] for value in values)
