"""CPU time of processes, to the nanosecond: the times in /proc/PID/stat come in steps of ten milliseconds."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def cpu_time(pids: Iterable[int]) -> float:
    """Seconds that the threads of some processes have run, in user mode and in the kernel.

    It is the first number of each thread's ``schedstat`` (Documentation/scheduler/sched-stats.rst of Linux). Threads
    that have ended are not in it: who takes a difference must know that none did.

    Args:
        pids: the processes.

    Raises:
        RuntimeError: the kernel does not count, or a process is gone.
    """
    nanoseconds = 0
    for pid in pids:
        try:
            threads = list(Path(f"/proc/{pid}/task").iterdir())
            for thread in threads:
                with suppress(FileNotFoundError):  # a thread that has just ended
                    nanoseconds += int((thread / "schedstat").read_text().split()[0])
            Path(f"/proc/{pid}/schedstat").read_bytes()
        except OSError as error:
            raise RuntimeError(
                f"the CPU time of process {pid} cannot be read: {error}. It is gone, or this kernel was built without"
                " CONFIG_SCHED_INFO"
            ) from error
    return nanoseconds / 1e9
