"""What a server holds on to: memory, open files, requests in its queue; over its whole process tree."""

from dataclasses import dataclass
from pathlib import Path

from loadtest.system.process import ServerProcess, memory_mb


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
    processes = server.processes()
    memory = sum(memory_mb(pid, "VmRSS") for pid in processes)
    return Footprint(memory, sum(map(_descriptors, processes)), _queued(server))


def _queued(server: ServerProcess) -> int:
    number: int = server.get("/stats")["batcher"]["queued_items"]
    return number


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
