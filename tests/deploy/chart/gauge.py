"""How well a gauge tells what waits: ``python -m tests.deploy.chart.gauge --cpu 0.1 --users 256``.

A server with a limit of CPU answers a closed loop of users, until it can answer no more. Every second somebody looks at
the gauge ``canopy_queue_depth``, as Prometheus would; the mean over the same time is how much longer all requests have
waited in it (``canopy_queue_wait_seconds_sum``; Little's law). It serves the model that ``make train`` has registered.
"""

import argparse
import asyncio
import re
import sys
import time
import urllib.request
from dataclasses import dataclass

from loadtest.generators.closed_loop import encode_request, run_crowd
from loadtest.system.budget import budget
from loadtest.system.ports import LOOPBACK
from loadtest.system.process import serving

ROW = (3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0)
WARM_UP, SECONDS = 15.0, 40.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a server told at a moment."""

    moment: float
    waited: float
    gauge: float


def look(port: int) -> Look:
    """Ask a server for its metrics."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=60) as response:
        text = response.read().decode()

    def figure(name: str) -> float:
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])  # type: ignore[index]

    return Look(time.monotonic(), figure("canopy_queue_wait_seconds_sum"), figure("canopy_queue_depth"))


async def watch(port: int, users: int) -> tuple[list[Look], float]:
    """Let users ask, and look every second once they are warm; returns what was seen, and answers a second."""
    looks: list[Look] = []

    async def every_second() -> None:
        await asyncio.sleep(WARM_UP)
        while True:
            looks.append(await asyncio.to_thread(look, port))
            await asyncio.sleep(1)

    looking = asyncio.create_task(every_second())
    request = encode_request(LOOPBACK, ROW)
    tally = await run_crowd(LOOPBACK, port, [request], users=users, seconds=SECONDS, warm_up=WARM_UP)
    looking.cancel()
    return looks, tally.answered / tally.seconds


def main() -> int:
    """Measure, and tell it in a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", type=float, default=0.1, help="the server's limit, in cores (default: %(default)s)")
    parser.add_argument("--users", type=int, default=256, help="users in a closed loop (default: %(default)s)")
    given = parser.parse_args()
    with budget(given.cpu, 256) as limits, serving([]) as server:
        for pid in server.processes():
            limits.admit(pid)
        limits.enforce()
        looks, answered = asyncio.run(watch(server.port, given.users))
    mean = (looks[-1].waited - looks[0].waited) / (looks[-1].moment - looks[0].moment)
    none = sum(each.gauge == 0 for each in looks)
    most = max(each.gauge for each in looks)
    sys.stdout.write(
        f"{given.users} users, {given.cpu:g} CPU: {answered:.0f} answers a second, {mean:.1f} requests waited on "
        f"average; canopy_queue_depth was 0 in {none} of {len(looks)} looks, and {most:.0f} at most\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
