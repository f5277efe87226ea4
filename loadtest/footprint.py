"""What a server holds on to: memory, open files, requests in its queue; over its whole process tree."""

from dataclasses import dataclass
from pathlib import Path

from loadtest.process import ServerProcess


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a server holds at one moment.

    Attributes:
        memory_mb: resident memory in MB, all its processes together.
        descriptors: open files and sockets, all its processes together.
        queued: requests in the batcher's queue.
    """

    memory_mb: float
    descriptors: int
    queued: int


def footprint(server: ServerProcess) -> Footprint:
    """Look at a running server; the look itself leaves no descriptor in the count, but may soon after.

    Raises:
        OSError: it does not run, or does not answer.
    """
    processes = _tree(server.process.pid)
    memory = sum(map(_resident_mb, processes))
    return Footprint(memory, sum(map(_descriptors, processes)), _queued(server))


def _queued(server: ServerProcess) -> int:
    number: int = server.get("/stats")["batcher"]["queued_items"]
    return number


def _tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    found = [root]
    for pid in found:  # it grows meanwhile
        for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, tasks.read_text().split())
    return found


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1000


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
