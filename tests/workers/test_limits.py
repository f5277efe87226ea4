import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.system.cgroup import MIB, Group, NoControlGroups, make_group
from tests.conftest import ROOT
from tests.helpers.support import PATIENCE
from workers.limits import cgroup_memory_left, cgroup_quota

MOUNTS = {
    "v2": "30 23 0:26 / {} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate",
    "v1": "32 31 0:29 / {} rw,relatime shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct",
    "v1 memory": "34 31 0:31 / {} rw,relatime - cgroup cgroup rw,memory",
    "other": "33 31 0:30 / {} rw,relatime - cgroup cgroup rw,cpuset",
}


@pytest.fixture
def hierarchy(tmp_path: Path) -> Path:
    """Where a hierarchy is mounted, with a blank in its path."""
    return tmp_path / "sys fs" / "cgroup"


@pytest.fixture
def process(tmp_path: Path) -> Path:
    """A process's folder in /proc."""
    folder = tmp_path / "proc"
    folder.mkdir()
    return folder


def mounted(process: Path, hierarchy: Path, kind: str, membership: str, root: str = "/") -> None:
    """Write what /proc says of a process in a cgroup."""
    where = str(hierarchy).replace(" ", "\\040")
    line = MOUNTS[kind].format(where).replace(" / ", f" {root} ", 1)
    (process / "mountinfo").write_text(f"22 1 254:0 / / rw,noatime - ext4 /dev/vda rw\n{line}\n")
    (process / "cgroup").write_text(f"9:name=systemd:/elsewhere\n{membership}\n")


def limited(hierarchy: Path, group: str, *quota: str) -> None:
    """Write a cgroup's quota: one word for version 2, quota and period for version 1."""
    folder = hierarchy / group
    folder.mkdir(parents=True, exist_ok=True)
    names = ["cpu.max"] if len(quota) == 1 else ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
    for name, text in zip(names, quota, strict=True):
        (folder / name).write_text(f"{text}\n")


def test_the_lowest_quota_of_version_2_counts(process: Path, hierarchy: Path) -> None:
    """Of the process's own cgroup and all above."""
    mounted(process, hierarchy, "v2", "0::/kubepods/pod/box")
    limited(hierarchy, "kubepods", "800000 100000")
    limited(hierarchy, "kubepods/pod", "75000 50000")
    limited(hierarchy, "kubepods/pod/box", "max 100000")
    limited(hierarchy, "kubepods/other", "1000 100000")
    assert cgroup_quota(process) == 1.5


def test_the_lowest_quota_of_version_1_counts(process: Path, hierarchy: Path) -> None:
    """The hierarchy is the one with the cpu controller, whatever shares it."""
    mounted(process, hierarchy, "v1", "4:cpuacct,cpu:/docker/box")
    limited(hierarchy, "docker", "50000", "100000")
    limited(hierarchy, "docker/box", "-1", "100000")
    assert cgroup_quota(process) == 0.5


@pytest.mark.parametrize(
    ("root", "path"),
    [
        pytest.param("/", "/", id="own-namespace"),
        pytest.param("/docker/box", "/docker/box", id="hosts-namespace"),
        pytest.param("/", "/../box", id="moved-out-of-the-namespace"),
        pytest.param("/docker/box", "/docker/other", id="out-of-sight"),
    ],
)
def test_in_a_container_the_mounted_cgroup_is_its_own(process: Path, hierarchy: Path, root: str, path: str) -> None:
    """Whether it sees the host's paths or not, the quota at the mount's root is found."""
    mounted(process, hierarchy, "v2", f"0::{path}", root)
    limited(hierarchy, "", "200000 100000")
    assert cgroup_quota(process) == 2


@pytest.mark.parametrize(
    ("kind", "membership"),
    [
        pytest.param("v2", "0::/", id="no-file"),
        pytest.param("other", "5:cpuset:/", id="another-controller"),
        pytest.param("v2", "4:cpu:/", id="another-version"),
    ],
)
def test_without_a_quota_there_is_no_limit(process: Path, hierarchy: Path, kind: str, membership: str) -> None:
    """The root of a hierarchy has no file, and controllers that are not there limit nothing."""
    mounted(process, hierarchy, kind, membership)
    assert cgroup_quota(process) == cgroup_memory_left(process) == math.inf


def test_without_proc_there_is_no_limit(tmp_path: Path) -> None:
    """Nothing is known then."""
    assert cgroup_quota(tmp_path / "none") == math.inf


def filled(
    hierarchy: Path, group: str, limit: str, used: int, idle: int, *, version: int = 2, busy: int = 5, mapped: int = 5
) -> None:
    """Write a cgroup's memory limit, what it uses, and which of that are pages of files: idle, busy and mapped ones."""
    folder = hierarchy / group
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    for name, text in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{text}\n")
    prefix = "total_" if version == 1 else ""
    held = "file_mapped" if version == 2 else "total_mapped_file"
    files = f"{prefix}inactive_file {idle}\n{prefix}active_file {busy}\n{held} {mapped}\n"
    (folder / "memory.stat").write_text(f"cache 1\n{files}")


def test_the_least_memory_that_a_cgroup_leaves_counts(process: Path, hierarchy: Path) -> None:
    """Of the process's own cgroup and all above; pages of files that are not in use can be had."""
    mounted(process, hierarchy, "v2", "0::/kubepods/pod/box")
    filled(hierarchy, "kubepods", "1000", 980, 15)
    filled(hierarchy, "kubepods/pod", "300", 200, 0)
    filled(hierarchy, "kubepods/pod/box", "max", 200, 0)
    assert cgroup_memory_left(process) == 35
    filled(hierarchy, "kubepods", "1000", 980, 15, busy=20, mapped=5)
    assert cgroup_memory_left(process) == 50
    filled(hierarchy, "kubepods", "1000", 980, 15, busy=20, mapped=30)
    assert cgroup_memory_left(process) == 35


def test_memory_limits_of_version_1_count(process: Path, hierarchy: Path) -> None:
    """A limit as large as can be is none; nothing is left where more is used than allowed."""
    mounted(process, hierarchy, "v1 memory", "4:memory:/docker/box")
    filled(hierarchy, "docker", "9223372036854771712", 700, 0, version=1)
    assert cgroup_memory_left(process) == math.inf
    filled(hierarchy, "docker/box", "500", 400, 100, version=1)
    assert cgroup_memory_left(process) == 200
    filled(hierarchy, "docker/box", "500", 400, 0, version=1, busy=100, mapped=40)
    assert cgroup_memory_left(process) == 160
    filled(hierarchy, "docker/box", "500", 700, 100, version=1)
    assert cgroup_memory_left(process) == 0


@pytest.fixture
def group() -> Iterator[Group]:
    """A real cgroup, of the version that this machine has, in one with 30 ms in each 100 ms and 256 MiB."""
    try:
        outer = make_group()
    except NoControlGroups as error:
        pytest.skip(str(error))
    try:
        outer.limit(0.3, 256 * MIB)
        inner = outer.below("inner")
        yield inner
        inner.remove()
    finally:
        outer.remove()


def test_a_real_quota_is_found_by_the_process_in_it(group: Group) -> None:
    """A process in a cgroup sees the limits of the one above and may use one CPU, at whichever it may run."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from workers.limits import cgroup_memory_left, cgroup_quota, usable_cpus
sys.stdin.readline()
print(cgroup_quota(), usable_cpus(), cgroup_memory_left())
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            group.admit(process.pid)
            told, _ = process.communicate("\n", timeout=PATIENCE)
        finally:
            process.kill()
    quota, cpus, left = told.split()
    assert (quota, cpus) == ("0.3", "1")
    assert 0 < float(left) <= 256 * MIB


def test_affinity_limits_too() -> None:
    """A process that is bound to one CPU may use one."""
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from workers import usable_cpus
print(usable_cpus())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["1"]
