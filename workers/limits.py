"""How many CPUs and how much memory this process may use."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, Literal

_SELF: Final = Path("/proc/self")
_NO_LIMIT: Final = 1 << 60
"""Bytes; version 1 of cgroups says that there is no limit by one that is as large as its counters allow."""


def usable_cpus() -> int:
    """CPUs that this process may keep busy, rounded up: the lower of its affinity and its cgroups' quota."""
    return max(1, math.ceil(min(len(os.sched_getaffinity(0)), cgroup_quota())))


def cgroup_quota(process: Path = _SELF) -> float:
    """CPUs that the cgroups of a process, of version 1 or 2, leave it; infinite without a limit.

    The lowest quota counts, of its own cgroup or of one above, as far up as this process sees: in a container, to the
    container's own.

    Args:
        process: its folder in /proc.
    """
    return min([math.inf, *(_QUOTA[version](folder) for version, folder in _groups(process, "cpu"))])


def cgroup_memory_left(process: Path = _SELF) -> float:
    """Bytes of memory that the cgroups of a process leave it beside what they use; infinite without a limit.

    Pages of files that have not been used lately, or that nobody maps, are not counted as used: the kernel drops them
    when it has to.

    Args:
        process: its folder in /proc.
    """
    return min([math.inf, *(_MEMORY_LEFT[version](folder) for version, folder in _groups(process, "memory"))])


def _groups(process: Path, controller: str) -> Iterator[tuple[Literal[1, 2], Path]]:
    """The cgroups of a process that a controller may limit, by the version of their hierarchy."""
    try:
        mounts = (process / "mountinfo").read_text()
        groups = (process / "cgroup").read_text()
    except OSError:
        return
    paths = {name: path for name, path in memberships(groups).items() if name in ("", controller)}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = (_unescape(field) for field in before.split()[3:5])
        kind, _, options = after.split()[:3]
        if kind == "cgroup2" and "" in paths:
            yield from ((2, folder) for folder in _upwards(mount, root, paths[""]))
        elif kind == "cgroup" and controller in options.split(",") and controller in paths:
            yield from ((1, folder) for folder in _upwards(mount, root, paths[controller]))


def memberships(groups: str) -> dict[str, str]:
    """The content of /proc/PID/cgroup: controller → path of the cgroup; "" stands for version 2."""
    found = dict[str, str]()
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _upwards(mount: str, root: str, path: str) -> Iterator[Path]:
    """The folders of a cgroup and of those above it, up to the one that is mounted.

    Args:
        mount: where the hierarchy is mounted.
        root: which of its cgroups is mounted there.
        path: the cgroup.
    """
    folder = Path(mount)
    yield folder
    if PurePosixPath(path).is_relative_to(root):  # else it is out of sight, and what is mounted is the nearest to it
        for name in PurePosixPath(path).relative_to(root).parts:
            folder /= name
            yield folder


def _quota_2(folder: Path) -> float:
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _quota_1(folder: Path) -> float:
    return _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _memory_left_2(folder: Path) -> float:
    return _left(_read(folder / "memory.max"), _read(folder / "memory.current"), folder, "", "file_mapped")


def _memory_left_1(folder: Path) -> float:
    limit, used = _read(folder / "memory.limit_in_bytes"), _read(folder / "memory.usage_in_bytes")
    return _left(limit, used, folder, "total_", "total_mapped_file")


def _left(limit: str, used: str, folder: Path, prefix: str, mapped: str) -> float:
    """Bytes from what is used, but for what the kernel can drop, to a limit; a limit that is no number is none."""
    if not (limit.isdecimal() and used.isdecimal()) or int(limit) >= _NO_LIMIT:
        return math.inf
    statistics = dict(line.split() for line in _read(folder / "memory.stat").splitlines())
    names = f"{prefix}inactive_file", f"{prefix}active_file", mapped
    idle, busy, held = (int(statistics.get(name, 0)) for name in names)
    return max(0, int(limit) - int(used) + max(idle, idle + busy - held))


_QUOTA: Final = {1: _quota_1, 2: _quota_2}
_MEMORY_LEFT: Final = {1: _memory_left_1, 2: _memory_left_2}


def _ratio(quota: str, period: str) -> float:
    """Microseconds of CPU in each period; a quota that is no positive number, such as max and -1, is no limit."""
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else math.inf


def _read(path: Path) -> str:
    """A file's text; empty where there is none, as at the root of a hierarchy."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
