"""A micro-batcher for any asyncio program."""

from batcher.batcher import Batcher
from batcher.errors import (
    BatcherError,
    BatchTooLarge,
    Closed,
    DeadlineExceeded,
    DeadlineUnreachable,
    EngineFailed,
    EngineStuck,
    Overloaded,
    QueueFull,
)
from batcher.future import FutureWaiter, Pending
from batcher.outcomes import BatchEvent, Observer, Statistics
from batcher.policy import Limits
from batcher.waiter import Batch, Waiter

__all__ = [
    "Batch",
    "BatchEvent",
    "BatchTooLarge",
    "Batcher",
    "BatcherError",
    "Closed",
    "DeadlineExceeded",
    "DeadlineUnreachable",
    "EngineFailed",
    "EngineStuck",
    "FutureWaiter",
    "Limits",
    "Observer",
    "Overloaded",
    "Pending",
    "QueueFull",
    "Statistics",
    "Waiter",
]
