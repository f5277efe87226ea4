"""A micro-batcher for any asyncio program."""

from batcher.batcher import Batcher
from batcher.errors import (
    BatcherError,
    BatchTooLarge,
    Closed,
    DeadlineExceeded,
    DeadlineUnreachable,
    EngineFailed,
    Overloaded,
    QueueFull,
)
from batcher.events import BatchEvent, Observer, Statistics
from batcher.policy import Limits
from batcher.waiter import Waiter

__all__ = [
    "BatchEvent",
    "BatchTooLarge",
    "Batcher",
    "BatcherError",
    "Closed",
    "DeadlineExceeded",
    "DeadlineUnreachable",
    "EngineFailed",
    "Limits",
    "Observer",
    "Overloaded",
    "QueueFull",
    "Statistics",
    "Waiter",
]
