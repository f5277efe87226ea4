"""Churn: clients that break off in every way, beside some that behave, and what the server still holds afterwards.

The well-behaved ask one row at a time, and each answer is held against what the same row got from the quiet server.
A tenth of the time goes first, as a warm-up; then the server is left alone until it has parted with everybody, and
what it holds is the measure for what it holds after the churn, left alone again.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from random import Random
from typing import Final

import uvloop

from dataset import load_sample
from loadtest.generators.closed_loop import encode_request
from loadtest.generators.departures import WAYS
from loadtest.generators.mixed_crowd import CrowdTally, MixedCrowd, learn
from loadtest.system.footprint import Footprint, footprint
from loadtest.system.machine import allow_connections
from loadtest.system.options import Options
from loadtest.system.process import ServerProcess, serving

IMPATIENT: Final = (
    *("--keep-alive-seconds", "3"),
    *("--head-timeout-seconds", "2"),
    *("--body-timeout-seconds", "3"),
    *("--write-timeout-seconds", "2"),
)
"""Options of the server that make the slow clients' ends come within the run."""

SETTLED_WITHIN: Final = 15.0
"""Seconds after the last client has gone in which the server must have noticed: far more than its time-outs."""

ROWS: Final = 500
SAMPLES: Final = 20
UNITS: Final = {"s": 1, "m": 60, "h": 3600}


async def settle(server: ServerProcess, descriptors: int) -> Footprint:
    """Wait until it holds no more than so many descriptors, and no request; after some time as it is."""
    give_up = time.monotonic() + SETTLED_WITHIN
    while True:
        found = await asyncio.to_thread(footprint, server)
        if (found.descriptors <= descriptors and not found.queued) or time.monotonic() > give_up:
            return found
        await asyncio.sleep(0.1)


async def at_rest(server: ServerProcess) -> int:
    """Descriptors of a server that nobody asks: the fewest of some looks, for one just closed may still be open."""
    fewest = await asyncio.to_thread(footprint, server)
    for _ in range(10):
        await asyncio.sleep(0.05)
        fewest = min(fewest, await asyncio.to_thread(footprint, server), key=lambda found: found.descriptors)
    return fewest.descriptors


async def sample(server: ServerProcess, every: float, tally: CrowdTally) -> None:
    """Print what the server holds, again and again until cancelled."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(every)
        _line(f"{time.monotonic() - began:.0f} s", await asyncio.to_thread(footprint, server), tally)


def faults(before: Footprint, after: Footprint, descriptors: int, allowed_mb: float, tally: CrowdTally) -> list[str]:
    """What is wrong with a churn, a sentence each.

    Args:
        before: the server after the warm-up, at rest.
        after: the server after the churn, at rest.
        descriptors: that it had open before anybody broke off.
        allowed_mb: by how much its memory may have grown.
        tally: what the clients saw.
    """
    found = [f"{count} good requests failed: {reason}" for reason, count in tally.failures.items()]
    found += [f"{count} connections were left open: {way}" for way, count in tally.stayed.items() if count]
    if not tally.answered:
        found.append("no good request was answered")
    if after.descriptors > descriptors:
        found.append(f"{after.descriptors - descriptors} descriptors did not come back")
    if after.queued:
        found.append(f"{after.queued} requests are still queued")
    if (growth := after.memory_mb - before.memory_mb) > allowed_mb:
        found.append(f"memory grew by {growth:.1f} MB; {allowed_mb:g} MB are allowed")
    return found


async def churn(server: ServerProcess, seconds: float, bad: int, good: int, seed: int, allowed_mb: float) -> list[str]:
    """Run a churn with its warm-up and print what is seen; returns the faults."""
    rows = load_sample().rows[:ROWS].tolist()
    truth = await learn(server, [encode_request(server.host, row) for row in rows])
    clients = MixedCrowd(server, truth, bad, good, Random(seed))  # noqa: S311 - it draws misbehaviour, no secrets
    warm_up, tally = CrowdTally(), CrowdTally()
    _head()
    descriptors = await at_rest(server)
    _line("quiet", await settle(server, descriptors), warm_up)
    await clients.run(seconds / 10, warm_up)
    before = await settle(server, descriptors)
    _line("warm", before, warm_up)
    sampling = asyncio.create_task(sample(server, seconds / SAMPLES, tally))
    await clients.run(seconds, tally)
    sampling.cancel()
    after = await settle(server, descriptors)
    _line("after", after, tally)
    for way in WAYS:
        sys.stdout.write(f"{tally.left[way]:>10,} x {way}\n")
    return faults(before, after, descriptors, allowed_mb, tally)


def _head() -> None:
    columns = ["", "memory MB", "descriptors", "queued", "good answers", "failures", "broken off"]
    sys.stdout.write("".join(f"{column:>13}" for column in columns) + "\n")


def _line(moment: str, found: Footprint, tally: CrowdTally) -> None:
    counts = (found.descriptors, found.queued, tally.answered, tally.failures.total(), tally.left.total())
    sys.stdout.write(f"{moment:>13}{found.memory_mb:>13.1f}" + "".join(f"{count:>13,}" for count in counts) + "\n")
    sys.stdout.flush()


def duration(text: str) -> float:
    """Seconds of a number with a unit s, m or h; of one without, they are seconds.

    Raises:
        ValueError: it is no such thing.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    return float(number) * UNITS[unit]


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.churn") -> int:
    """Run the command line; the exit status is 1 if a good request failed or the server kept what it should not."""
    parser = Options(prog, __doc__)
    parser.add_argument("--time", type=duration, default="1m", metavar="T", help="of the churn: 90s, 10m, 1h")
    parser.add_argument("--clients", type=int, default=140, help="that break off, at any one time")
    parser.add_argument("--good", type=int, default=20, help="clients that behave, at any one time")
    parser.add_argument("--allowed-mb", type=float, default=8, help="by how much the server's memory may grow")
    parser.add_argument("--seed", type=int, default=1, help="of the draw who breaks off how")
    parser.server_options()
    args = parser.parse_args(arguments)
    try:
        allow_connections(args.clients)
    except RuntimeError as error:
        parser.error(str(error))
    with serving([*IMPATIENT, *args.server_options]) as server:
        found = uvloop.run(churn(server, args.time, args.clients, args.good, args.seed, args.allowed_mb))
    sys.stdout.write("\n".join(found or ["all that broke off is gone, and every good request was answered"]) + "\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
