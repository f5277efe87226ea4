"""What the kernel's TCP counted: connections that found an accept queue full."""

from dataclasses import dataclass
from pathlib import Path

_NETSTAT = Path("/proc/net/netstat")


@dataclass(frozen=True, slots=True)
class AcceptQueue:
    """Counters of all listening sockets together, since the machine started, or between two moments.

    Attributes:
        overflows: ListenOverflows, connections that were complete but found the queue full.
        drops: ListenDrops, the same and all others that a listening socket dropped.
    """

    overflows: int
    drops: int

    def __sub__(self, earlier: "AcceptQueue") -> "AcceptQueue":
        return AcceptQueue(self.overflows - earlier.overflows, self.drops - earlier.drops)


def accept_queue(path: Path = _NETSTAT) -> AcceptQueue:
    """Read the counters.

    Raises:
        OSError: there is no such file; this is not Linux.
        ValueError: the kernel does not count them.
    """
    lines = [line.split() for line in path.read_text().splitlines()]
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        if names[0] == "TcpExt:":
            counters = dict(zip(names, values, strict=True))
            return AcceptQueue(int(counters["ListenOverflows"]), int(counters["ListenDrops"]))
    raise ValueError(f"{path} has no line TcpExt")
