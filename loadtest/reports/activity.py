"""What a server says of itself at ``GET /stats``, and what it did between two looks at that."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The figures of one moment; those that only grow count since the server started.

    Attributes:
        at: seconds of a monotonic clock.
        cpu_seconds: CPU time of all workers.
        memory_mb: their resident memory in MB.
        connections: open ones.
        queued_rows: rows that wait.
        answered: requests that the engine answered.
        shed: requests that were sent away because of load.
        batches: calls of the engine.
        batched_rows: rows in them.
        batch_sizes: most rows of a bucket, None for no end → calls in it.
        waits: requests that have left the queue.
        wait_seconds: how long they were in it, together.
    """

    at: float
    cpu_seconds: float
    memory_mb: float
    connections: int
    queued_rows: int
    answered: int
    shed: int
    batches: int
    batched_rows: int
    batch_sizes: Mapping[float | None, int]
    waits: int
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Activity:
    """What a server did between two looks; None where nothing was done that it could be said of.

    Attributes:
        rate: requests answered a second.
        shed_rate: requests sent away a second.
        cpu: cores in use.
        cpu_us: microseconds of CPU an answered request.
        rows_per_batch: mean rows in a call of the engine.
        batch_sizes: most rows of a bucket, None for no end, and calls in it, of each that has any.
        wait_ms: mean time in the queue, in milliseconds.
    """

    rate: float
    shed_rate: float
    cpu: float
    cpu_us: float | None
    rows_per_batch: float | None
    batch_sizes: list[tuple[float | None, int]]
    wait_ms: float | None


def read(stats: Mapping[str, Any], at: float | None = None) -> Snapshot:
    """Take the figures from the document of ``GET /stats``.

    Args:
        stats: the document.
        at: when it was made; None stands for now.

    Raises:
        LookupError: it is none of Canopy's.
        TypeError: likewise.
    """
    batcher, wait, workers = stats["batcher"], stats["queue_wait_seconds"], stats["workers"]
    return Snapshot(
        time.monotonic() if at is None else at,
        sum(worker["cpu_seconds"] for worker in workers),
        sum(worker["resident_memory_bytes"] for worker in workers) / 1e6,
        stats["connections"],
        batcher["queued_rows"],
        batcher["answered"],
        sum(batcher[reason] for reason in ("queue_full", "deadline_unreachable", "expired", "dropped")),
        batcher["batches"],
        batcher["batched_rows"],
        dict(stats["batch_size"]["buckets"]),
        wait["count"],
        (wait["mean"] or 0.0) * wait["count"],
    )


def between(before: Snapshot, after: Snapshot) -> Activity | None:
    """What happened; None if no time has passed, or the server was started anew meanwhile."""
    seconds, cpu = after.at - before.at, after.cpu_seconds - before.cpu_seconds
    answered, batches = after.answered - before.answered, after.batches - before.batches
    waits = after.waits - before.waits
    if seconds <= 0 or min(cpu, answered, batches, waits) < 0:
        return None
    grown = [(bound, count - before.batch_sizes.get(bound, 0)) for bound, count in after.batch_sizes.items()]
    return Activity(
        rate=answered / seconds,
        shed_rate=(after.shed - before.shed) / seconds,
        cpu=cpu / seconds,
        cpu_us=cpu / answered * 1e6 if answered else None,
        rows_per_batch=(after.batched_rows - before.batched_rows) / batches if batches else None,
        batch_sizes=[(bound, count) for bound, count in grown if count],
        wait_ms=(after.wait_seconds - before.wait_seconds) / waits * 1000 if waits else None,
    )
