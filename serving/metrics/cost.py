"""What it costs to measure: the CPU time that a request spends on metrics, by the size of its batch.

Beside it, what the same figures cost by prometheus_client. Where PROMETHEUS_MULTIPROC_DIR names a folder, as
`make bench-metrics` sees to, it too keeps them where several processes can read them.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from prometheus_client import Counter, Histogram

from batcher import BatchEvent
from serving.metrics.content import CONTENT, Metrics
from serving.metrics.shared import SharedMetrics

_REQUESTS: Final = 200_000
_ROUNDS: Final = 5

Count: TypeAlias = Callable[[BatchEvent], None]
"""Counts a batch and the answers to all of its requests."""


def ours() -> Count:
    """As the server does it."""
    metrics = Metrics(SharedMetrics(CONTENT))

    def count(event: BatchEvent) -> None:
        metrics.batch(event)
        for wait in event.waits:
            metrics.predictions.answered("/predict", time.monotonic() - wait)

    return count


def theirs() -> Count:
    """The same by prometheus_client, whose labels are looked up beforehand."""
    requests = Counter("requests", "requests answered", ["route", "code"]).labels("/predict", "200")
    duration, wait, inference = (
        Histogram(name, "seconds") for name in ("request_duration_seconds", "queue_wait_seconds", "inference_seconds")
    )
    size = Histogram("batch_size", "rows", buckets=[2**power for power in range(14)])

    def count(event: BatchEvent) -> None:
        inference.observe(event.duration)
        size.observe(event.rows)
        for seconds in event.waits:
            wait.observe(seconds)
            duration.observe(time.monotonic() - seconds)
            requests.inc()

    return count


def cost(count: Count, batch_size: int) -> float:
    """Seconds a request, the best of some rounds: what is more was the machine's."""
    event = BatchEvent([0.003 * number / batch_size for number in range(batch_size)], batch_size, 0.002, None)
    times = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(_REQUESTS // batch_size):
            count(event)
        times.append((time.process_time() - start) / (_REQUESTS // batch_size * batch_size))
    return min(times)


def main(arguments: Sequence[str] | None = None, prog: str = "python -m serving.metrics.cost") -> int:
    """Print a table; there are no options."""
    argparse.ArgumentParser(prog=prog, description=__doc__).parse_args(arguments)
    ways = [ours(), theirs()]
    sys.stdout.write("rows a batch  us a request  by prometheus_client\n")
    for batch_size in (1, 8, 64, 512):
        own, other = (cost(way, batch_size) * 1e6 for way in ways)
        sys.stdout.write(f"{batch_size:12} {own:13.2f} {other:21.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
