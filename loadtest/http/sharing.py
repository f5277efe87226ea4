"""What workers of one server share: memory, the forest above all, and the clients' connections."""

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.http.forest import SHARED
from loadtest.system.process import ServerProcess

_MAPPING: Final = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ (?P<inode>\d+) +(?P<name>.*)$")
_MB: Final = 1000
"""Of the kB in /proc, as the other figures of memory."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What a worker holds.

    Attributes:
        pid: of its process.
        resident_mb: all that it has in memory.
        proportional_mb: the same, but what n processes share counts as an n-th (PSS).
        forest_mb: what it has in memory of the file of the compiled forest.
        forest_private_mb: that part of it which no other process has.
        forest_file: the file's number (inode); two workers with the same number have the same pages. None without one.
    """

    pid: int
    resident_mb: float
    proportional_mb: float
    forest_mb: float
    forest_private_mb: float
    forest_file: int | None


def workers(server: ServerProcess) -> list[int]:
    """The workers' processes; the first process supervises them. Of a server of one worker, it is that worker."""
    first, *others = server.processes()
    return others or [first]


def shares(pid: int) -> Shares:
    """Look at a worker.

    Raises:
        OSError: it is gone, or belongs to somebody else.
    """
    whole = _sizes(Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    forest: dict[str, float] = {}
    number = None
    for name, inode, lines in _mappings(Path(f"/proc/{pid}/smaps").read_text()):
        if name == SHARED:
            number = inode
            forest = {key: forest.get(key, 0) + value for key, value in _sizes(lines).items()}
    private = forest.get("Private_Clean", 0) + forest.get("Private_Dirty", 0)
    return Shares(pid, whole["Rss"], whole["Pss"], forest.get("Rss", 0), private, number)


@contextmanager
def spread(server: ServerProcess, after: float) -> Iterator[list[int]]:
    """See how connections are spread over a server's workers.

    Args:
        server: with no clients yet, who come meanwhile.
        after: seconds after which to look.

    Yields:
        The connections of each worker, filled by then; empty if a worker was gone.
    """
    found: list[int] = []
    pids = workers(server)
    before = _descriptors(pids)

    def look() -> None:
        with suppress(OSError):
            found[:] = [now - then for then, now in zip(before, _descriptors(pids), strict=True)]

    timer = threading.Timer(after, look)
    timer.start()
    try:
        yield found
    finally:
        timer.join()


def _descriptors(pids: Sequence[int]) -> list[int]:
    """How many files and sockets each process has open: a count alone is quick, with any number of connections."""
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]  # noqa: PTH208 - iterdir makes a path of each


def _mappings(smaps: str) -> list[tuple[str, int, list[str]]]:
    """Of /proc/PID/smaps: name, inode and the lines of each mapping."""
    found: list[tuple[str, int, list[str]]] = []
    for line in smaps.splitlines():
        if (head := _MAPPING.match(line)) is not None:
            found.append((head["name"], int(head["inode"]), []))
        elif found:
            found[-1][2].append(line)
    return found


def _sizes(lines: Sequence[str]) -> dict[str, float]:
    """Name → MB, of lines such as ``Rss:    123 kB``."""
    parts = (line.split() for line in lines)
    return {words[0].rstrip(":"): int(words[1]) / _MB for words in parts if words[-1] == "kB"}
