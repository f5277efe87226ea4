"""What it costs to measure: the CPU time that a request spends on metrics, by the size of its batch."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final

from batcher import BatchEvent
from serving.board import Board
from serving.metrics import CONTENT, Metrics

_REQUESTS: Final = 200_000
_ROUNDS: Final = 5


def cost(batch_size: int) -> float:
    """Seconds a request, the best of some rounds: what is more was the machine's."""
    metrics = Metrics(Board(CONTENT))
    event = BatchEvent([0.003 * number / batch_size for number in range(batch_size)], batch_size, 0.002, None)
    times = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(_REQUESTS // batch_size):
            metrics.batch(event)
            for wait in event.waits:
                metrics.answered(time.monotonic() - wait)
        times.append((time.process_time() - start) / (_REQUESTS // batch_size * batch_size))
    return min(times)


def main(arguments: Sequence[str] | None = None, prog: str = "python -m serving.metrics_cost") -> int:
    """Print a table; there are no options."""
    argparse.ArgumentParser(prog=prog, description=__doc__).parse_args(arguments)
    sys.stdout.write("rows a batch  us a request\n")
    for batch_size in (1, 8, 64, 512):
        sys.stdout.write(f"{batch_size:12} {cost(batch_size) * 1e6:13.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
