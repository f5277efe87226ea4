"""How many CPUs this process may use."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_SELF: Final = Path("/proc/self")


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
    try:
        mounts = (process / "mountinfo").read_text()
        groups = (process / "cgroup").read_text()
    except OSError:
        return math.inf
    paths = {controller: path for controller, path in _memberships(groups) if controller in ("", "cpu")}
    quotas = [math.inf]
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = (_unescape(field) for field in before.split()[3:5])
        kind, _, options = after.split()[:3]
        if kind == "cgroup2" and "" in paths:
            quotas += map(_version_2, _upwards(mount, root, paths[""]))
        elif kind == "cgroup" and "cpu" in options.split(",") and "cpu" in paths:
            quotas += map(_version_1, _upwards(mount, root, paths["cpu"]))
    return min(quotas)


def _memberships(groups: str) -> Iterator[tuple[str, str]]:
    """Each controller of /proc/PID/cgroup, "" for version 2, with the cgroup's path."""
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


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


def _version_2(folder: Path) -> float:
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _version_1(folder: Path) -> float:
    return _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float:
    """Microseconds of CPU in each period; a quota that is no positive number, such as max and -1, is no limit."""
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else math.inf


def _read(path: Path) -> str:
    """A file of one line; empty where there is none, as at the root of a hierarchy."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
