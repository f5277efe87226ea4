"""Control groups of Linux, version 1 or 2: a folder that processes are put into, and files that limit and count."""

import errno
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

from workers.limits import memberships

MOUNT: Final = Path("/sys/fs/cgroup")
MIB: Final = 1 << 20

_PERIOD_US: Final = 100_000
"""In each period of so many microseconds, a group may use its part of the CPU; Docker's and Kubernetes' own."""


class NoControlGroups(RuntimeError):
    """This user can make none here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the group exists.

    Attributes:
        cpu_seconds: CPU time of all processes.
        periods: periods in which any of them wanted to run.
        throttled_periods: those in which the group had to wait.
        throttled_seconds: how long threads waited for that, all together.
        oom_kills: processes that were killed because the group was out of memory.
    """

    cpu_seconds: float
    periods: int
    throttled_periods: int
    throttled_seconds: float
    oom_kills: int


class Group(Protocol):
    """A control group."""

    def below(self, name: str) -> "Group":
        """Make another one below this; OSError if that cannot be."""

    def admit(self, pid: int) -> None:
        """Take a process in, with all its threads and with every child that it starts from now on."""

    def limit(self, cpu: float, memory: int) -> None:
        """Limit it to some cores and bytes, and forget the peak of memory.

        Raises:
            OSError: the limits were refused.
        """

    def counters(self) -> Counters:
        """What it has used."""

    def held(self) -> int:
        """Bytes that it holds now, with file pages."""

    def peak(self) -> int | None:
        """Most bytes at a time since there is a limit; None if the kernel cannot tell."""

    def members(self) -> list[int]:
        """Its processes."""

    def remove(self) -> None:
        """Remove it; OSError while it has members."""


class _V1:
    """Three groups, one in the hierarchy of each controller."""

    def __init__(self, cpu: Path, account: Path, memory: Path) -> None:
        self._cpu, self._account, self._memory = cpu, account, memory

    @classmethod
    def of(cls, mount: Path, groups: dict[str, str]) -> "_V1":
        """The groups of a process."""
        return cls(*(_own(mount / name, groups.get(name, "/")) for name in ("cpu", "cpuacct", "memory")))

    def below(self, name: str) -> "_V1":
        """New ones, below these."""
        return _V1(*(_make(folder, name) for folder in (self._cpu, self._account, self._memory)))

    def admit(self, pid: int) -> None:
        for folder in {self._cpu, self._account, self._memory}:
            _write(folder / "cgroup.procs", pid)

    def limit(self, cpu: float, memory: int) -> None:
        # The page cache that preparing left behind is nothing that serving needs.
        _write(self._memory / "memory.force_empty", 0)
        _write(self._memory / "memory.limit_in_bytes", memory)
        if (with_swap := self._memory / "memory.memsw.limit_in_bytes").exists():
            _write(with_swap, memory)
        _write(self._memory / "memory.max_usage_in_bytes", 0)
        _write(self._cpu / "cpu.cfs_period_us", _PERIOD_US)
        _write(self._cpu / "cpu.cfs_quota_us", round(cpu * _PERIOD_US))

    def counters(self) -> Counters:
        cpu = _table(self._cpu / "cpu.stat")
        return Counters(
            int((self._account / "cpuacct.usage").read_text()) / 1e9,
            cpu["nr_periods"],
            cpu["nr_throttled"],
            cpu["throttled_time"] / 1e9,
            _table(self._memory / "memory.oom_control").get("oom_kill", 0),
        )

    def held(self) -> int:
        return int((self._memory / "memory.usage_in_bytes").read_text())

    def peak(self) -> int | None:
        return int((self._memory / "memory.max_usage_in_bytes").read_text())

    def members(self) -> list[int]:
        return sorted({pid for folder in (self._cpu, self._account, self._memory) for pid in _members(folder)})

    def remove(self) -> None:
        for folder in {self._cpu, self._account, self._memory}:
            with suppress(FileNotFoundError):  # an earlier try came so far, and found the next one busy
                folder.rmdir()


class _V2:
    """One group with all controllers."""

    def __init__(self, mount: Path, folder: Path) -> None:
        self._mount = mount
        self._folder = folder
        self._peak: IO[str] | None = None

    @classmethod
    def of(cls, mount: Path, groups: dict[str, str]) -> "_V2":
        """The group of a process."""
        return cls(mount, _own(mount, groups.get("", "/")))

    def below(self, name: str) -> "_V2":
        """A new one, below this or one above it."""
        # Only a group without processes of its own, or the root, can hand controllers down: look further up for one.
        for folder in [self._folder, *self._folder.parents]:
            if folder == self._mount.parent:
                break
            try:
                _write(folder / "cgroup.subtree_control", "+cpu +memory")
                return _V2(self._mount, _make(folder, name))
            except OSError as error:
                refusal = error
        raise refusal

    def admit(self, pid: int) -> None:
        _write(self._folder / "cgroup.procs", pid)

    def limit(self, cpu: float, memory: int) -> None:
        with suppress(OSError):  # raised when there was not that much, and before Linux 5.19 there is no such file
            _write(self._folder / "memory.reclaim", 1024 * MIB)
        if (swap := self._folder / "memory.swap.max").exists():
            _write(swap, 0)
        if (held := int((self._folder / "memory.current").read_text())) > memory:
            raise OSError(errno.EBUSY, f"{held} bytes are in use")  # the kernel would rather kill than refuse
        _write(self._folder / "memory.max", memory)
        with suppress(OSError):  # Linux before 6.12 cannot forget what preparing took
            peak = (self._folder / "memory.peak").open("r+", buffering=1)
            peak.write("reset\n")  # what is read by way of the same open file starts anew
            self._peak = peak
        _write(self._folder / "cpu.max", f"{round(cpu * _PERIOD_US)} {_PERIOD_US}")

    def counters(self) -> Counters:
        cpu = _table(self._folder / "cpu.stat")
        return Counters(
            cpu["usage_usec"] / 1e6,
            cpu["nr_periods"],
            cpu["nr_throttled"],
            cpu["throttled_usec"] / 1e6,
            _table(self._folder / "memory.events")["oom_kill"],
        )

    def held(self) -> int:
        return int((self._folder / "memory.current").read_text())

    def peak(self) -> int | None:
        if self._peak is None:
            return None
        self._peak.seek(0)
        return int(self._peak.read())

    def members(self) -> list[int]:
        return _members(self._folder)

    def remove(self) -> None:
        self._folder.rmdir()


def make_group(mount: Path = MOUNT) -> Group:
    """Make an empty group.

    Raises:
        NoControlGroups: this user cannot.
    """
    own = _version(mount).of(mount, _memberships("self"))
    try:
        return own.below(f"canopy-{os.getpid()}-{secrets.token_hex(4)}")
    except OSError as error:
        raise NoControlGroups(
            f"cannot make a control group under {mount}: {error}. Run this as root, or where the group is"
            " delegated: systemd-run --user --scope -p Delegate=yes COMMAND"
        ) from error


def group_of(pid: int, mount: Path = MOUNT) -> Group:
    """The group of a process, such as a container's, to look at.

    Raises:
        NoControlGroups: there are none.
        OSError: there is no such process.
    """
    return _version(mount).of(mount, _memberships(str(pid)))


def _version(mount: Path) -> type[_V1 | _V2]:
    if (mount / "cgroup.controllers").exists():
        return _V2
    if (mount / "memory" / "memory.limit_in_bytes").exists():
        return _V1
    raise NoControlGroups(
        f"{mount} has neither cgroup v2 nor v1 with cpu and memory: limits need Linux with one of them"
    )


def _memberships(process: str) -> dict[str, str]:
    return memberships(Path(f"/proc/{process}/cgroup").read_text())


def _own(mount: Path, path: str) -> Path:
    """The folder of a process's group; in a container it is the mount itself."""
    folder = mount / path.lstrip("/")
    return folder if folder.is_dir() else mount


def _make(parent: Path, name: str) -> Path:
    folder = (parent / name).resolve()  # two controllers may share one hierarchy
    folder.mkdir(exist_ok=True)
    return folder


def _write(path: Path, value: float | str) -> None:
    path.write_text(f"{value}")


def _table(path: Path) -> dict[str, int]:
    """A file of names and numbers."""
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


def _members(folder: Path) -> list[int]:
    """The processes in a group; none if it is gone already."""
    try:
        return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
    except FileNotFoundError:
        return []
