"""Limits that the kernel holds to."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtest.system.budget import Budget, DoesNotFit, budget
from loadtest.system.cgroup import MIB, MOUNT, NoControlGroups, make_group
from tests.helpers.support import PATIENCE, lives, until


def _why_not() -> str:
    try:
        make_group().remove()
    except NoControlGroups as error:
        return str(error)
    return ""


WHY_NOT = _why_not()
needs_groups = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

SPIN = "while True: pass"
FOUR_SPIN = f"import os\nos.fork()\nos.fork()\n{SPIN}"
SHRINK = """
import sys
held = bytearray(300 << 20)
held = bytearray(100 << 20)
print(flush=True)
sys.stdin.readline()
"""
HOLD = "import sys; held = bytearray(%d << 20); print(flush=True); sys.stdin.readline()"
GROW = "import sys; sys.stdin.readline(); held = bytearray(200 << 20)"


@contextmanager
def running(code: str, limit: Budget) -> Iterator["subprocess.Popen[str]"]:
    """A process in the group of a budget."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        limit.admit(process.pid)
        try:
            yield process
        finally:
            process.kill()


@needs_groups
def test_limits_are_in_force() -> None:
    """What was asked for stands in the files of the very group in which the process is."""
    with budget(0.25, 256) as limit, running(SPIN, limit) as process:
        limit.enforce()
        groups = {}
        for line in Path(f"/proc/{process.pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            groups.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
        if (MOUNT / "cgroup.controllers").exists():
            folder = MOUNT / groups[""]
            found = (folder / "cpu.max").read_text().split(), (folder / "memory.max").read_text()
        else:
            cpu, memory = MOUNT / "cpu" / groups["cpu"], MOUNT / "memory" / groups["memory"]
            found = (
                [(cpu / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")],
                (memory / "memory.limit_in_bytes").read_text(),
            )
    assert found[0] == ["25000", "100000"]
    assert int(found[1]) == 256 * MIB


@needs_groups
def test_all_processes_together_get_no_more_than_the_cpu_limit() -> None:
    """Four that spin share a twentieth of a core, and it is told how often they had to wait.

    They are so many, and their part so small, that they get to use it up on a machine that has much else to do.
    """
    with budget(0.05, 256) as limit, running(FOUR_SPIN, limit):
        limit.enforce()
        until(lambda: limit.usage().periods >= 20)
        usage = limit.usage()
    assert 0.5 * 0.05 * usage.seconds < usage.cpu_seconds < 1.5 * 0.05 * usage.seconds
    assert usage.throttled_share > 0.8
    assert usage.throttled_seconds > usage.cpu_seconds
    assert usage.oom_kills == 0


@needs_groups
def test_before_it_is_enforced_there_is_no_limit_and_nothing_counts() -> None:
    """What a process does until then is neither slowed nor charged; the memory that it keeps is."""
    with budget(0.1, 150) as limit, running(SHRINK, limit) as process:
        assert process.stdout is not None
        process.stdout.readline()
        limit.enforce()
        usage = limit.usage()
        assert process.poll() is None
    assert usage.cpu_seconds < 0.1
    assert usage.oom_kills == 0
    assert usage.peak_memory_mib is None or 90 < usage.peak_memory_mib <= 150


@needs_groups
def test_a_process_that_wants_more_memory_is_killed_and_counted() -> None:
    """The kernel ends it at the limit."""
    with budget(1, 64) as limit, running(GROW, limit) as process:
        limit.enforce()
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(timeout=PATIENCE) == -9
        usage = limit.usage()
    assert usage.oom_kills == 1
    assert usage.peak_memory_mib is None or 50 < usage.peak_memory_mib <= 64


@needs_groups
def test_a_process_that_holds_more_already_does_not_fit() -> None:
    """It is said, and the process is not killed for it."""
    with budget(1, 64) as limit, running(HOLD % 100, limit) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(DoesNotFit, match="64 MiB are less than the server holds"):
            limit.enforce()
        assert process.poll() is None


@needs_groups
def test_nothing_is_left_behind() -> None:
    """The group goes, and with it a child that its parent has left behind."""
    code = "import subprocess; print(subprocess.Popen(['sleep', '1000'], stdout=-3).pid, flush=True); input()"
    ours = f"**/canopy-{os.getpid()}-*"  # other tests, in processes of their own, may have groups at this moment
    with budget(1, 64) as limit:
        with running(code, limit) as process:
            assert process.stdout is not None
            orphan = int(process.stdout.readline())
        assert lives(orphan)
        assert list(MOUNT.glob(ours))
    until(lambda: not lives(orphan))
    assert not list(MOUNT.glob(ours))


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """Without control groups there is no budget, and the message says what it takes."""
    with pytest.raises(NoControlGroups, match="neither cgroup v2 nor v1"):
        make_group(tmp_path)


def test_version_2_is_limited_and_counted_by_its_own_files(tmp_path: Path) -> None:
    """In a folder that looks like version 2: limits and counters have names of their own."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    group = make_group(tmp_path)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory"
    (folder,) = tmp_path.glob("canopy-*")
    (folder / "memory.current").write_text("1000")
    (folder / "memory.swap.max").write_text("max")
    (folder / "cpu.stat").write_text(
        "usage_usec 1500000\nuser_usec 1\nnr_periods 10\nnr_throttled 4\nthrottled_usec 2000000\n"
    )
    (folder / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
    group.admit(17)
    group.limit(0.25, 256 * MIB)
    files = {path.name: path.read_text() for path in folder.iterdir()}
    assert files["cgroup.procs"] == "17"
    assert files["cpu.max"] == "25000 100000"
    assert files["memory.max"] == str(256 * MIB)
    assert files["memory.swap.max"] == "0"
    counters = group.counters()
    assert (counters.cpu_seconds, counters.periods, counters.throttled_periods) == (1.5, 10, 4)
    assert (counters.throttled_seconds, counters.oom_kills) == (2.0, 1)
    assert group.peak() is None
    (folder / "memory.current").write_text(str(MIB))
    with pytest.raises(OSError, match="in use"):
        group.limit(0.25, 1000)


def test_a_removal_that_found_a_group_busy_can_be_gone_on_with(tmp_path: Path) -> None:
    """Version 1 has a group in each of three hierarchies: one that is busy for a moment leaves none of them behind."""
    for controller in ("cpu", "cpuacct", "memory"):
        (tmp_path / controller).mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").touch()
    group = make_group(tmp_path)
    folders = list(tmp_path.glob("*/canopy-*"))
    assert len(folders) == 3
    members = [folder / "cgroup.procs" for folder in folders]
    for busy, pid in zip(members, (5, 6, 7), strict=True):
        busy.write_text(f"{pid}\n")
    assert group.members() == [5, 6, 7]
    for busy in members:
        with pytest.raises(OSError, match="not empty"):
            group.remove()
        busy.unlink()
    group.remove()
    assert not list(tmp_path.glob("*/canopy-*"))
    assert group.members() == []
