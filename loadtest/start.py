"""What a start costs a server, and what looking for new versions costs it, within a memory limit from its first moment.

A tracking server on the loopback stands in front of the SQLite store, as servers elsewhere would meet it. The server is
started without prepared models (cold: a child process fetches the model, or compiles it if training has not), and then
again and again from what that has left (warm). Last it looks for new versions ten times a second while nobody asks it
anything.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loadtest.system.budget import Budget, budget
from loadtest.system.cgroup import NoControlGroups
from loadtest.system.options import Options
from loadtest.system.ports import LOOPBACK, reserved_port
from loadtest.system.process import ServerProcess, memory_mb, serving

_LOOKS: Final = 10
"""A second."""


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.start") -> int:
    """Run the command line; the exit status is 1 if a start failed, 2 if there can be no limits."""
    parser = Options(prog, __doc__)
    parser.add_argument(
        "--store",
        required=True,
        metavar="URI",
        help="SQLite store with the model, as sqlite:///PATH, or a tracking server's address",
    )
    parser.limits(1.0, 256, "the server and its child together")
    parser.rounds(3, 20, "warm starts", "how long it looks for new versions")
    parser.server_options()
    args = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as cache, tracking(args.store) as uri:
            options = ["--tracking-uri", uri, "--cache", cache, *args.server_options]
            sys.stdout.write(f"{'':<8}{'ready s':>10}{'CPU s':>10}{'resident MB':>14}{'peak of all MiB':>18}\n")
            for kind in ("cold", *["warm"] * args.rounds):
                with limited(args.cpu, args.memory, options) as (limit, server, seconds):
                    sys.stdout.write(_row(kind, limit, server, seconds))
            sys.stdout.write(looking(args, options))
    except NoControlGroups as error:
        sys.stderr.write(f"start: {error}\n")
        return 2
    except RuntimeError as error:
        sys.stderr.write(f"start: {error}\n")
        return 1
    return 0


@contextmanager
def limited(cpu: float, memory_mib: float, options: Sequence[str]) -> Iterator[tuple[Budget, ServerProcess, float]]:
    """Start a server in a group whose limits are in force; yields it when it is ready, and how many seconds that took.

    Raises:
        NoControlGroups: there can be no limits here.
        RuntimeError: it did not become ready.
    """
    with budget(cpu, memory_mib) as limit:
        limit.enforce()
        start = time.monotonic()
        with serving(options, ready_within=300, admit=limit.admit) as server:
            yield limit, server, time.monotonic() - start


def looking(args: argparse.Namespace, options: Sequence[str]) -> str:
    """What a look costs: CPU while it looks often, but for that while it does not look at all."""
    used = []
    for pause in (0, 1 / _LOOKS):
        with limited(args.cpu, args.memory, [*options, "--model-poll-seconds", f"{pause:g}"]) as (_, server, _seconds):
            before = server.cpu_seconds()
            time.sleep(args.seconds)
            used.append(server.cpu_seconds() - before)
            resident = memory_mb(server.process.pid, "VmRSS")
    looks = args.seconds * _LOOKS
    cost = (used[1] - used[0]) / looks * 1000
    return f"a look for a new version: {cost:.1f} ms of CPU; after {looks:.0f} of them resident {resident:.1f} MB\n"


def _row(kind: str, limit: Budget, server: ServerProcess, seconds: float) -> str:
    peak = limit.usage().peak_memory_mib
    resident = memory_mb(server.process.pid, "VmRSS")
    cpu = limit.usage().cpu_seconds
    return f"{kind:<8}{seconds:>10.2f}{cpu:>10.2f}{resident:>14.1f}{'unknown' if peak is None else f'{peak:.0f}':>18}\n"


@contextmanager
def tracking(store: str) -> Iterator[str]:
    """The address of a tracking server in front of a store, which is one itself if it is no SQLite store.

    Raises:
        RuntimeError: it does not start.
    """
    if not store.startswith("sqlite:"):
        yield store
        return
    files = Path(store.removeprefix("sqlite:///")).resolve().parent / "artifacts"
    with reserved_port() as port:
        command = [sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", store, "--artifacts-destination", str(files)]
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _await_answer(f"http://{LOOPBACK}:{port}/health", process)
            yield f"http://{LOOPBACK}:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # it has children
            process.wait()


def _await_answer(url: str, process: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the tracking server does not start")


if __name__ == "__main__":
    sys.exit(main())
