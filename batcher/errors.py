"""Why a submitted item was not answered."""


class BatcherError(Exception):
    """Base of everything that the batcher itself raises."""


class Overloaded(BatcherError):
    """The item was refused at once; nothing was queued.

    Attributes:
        retry_after: seconds after which the same item would probably be accepted.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueueFull(Overloaded):
    """The queue has no room for the item's rows."""


class DeadlineUnreachable(Overloaded):
    """By the learned cost, the backlog takes longer than the item may wait."""


class DeadlineExceeded(BatcherError):
    """The item's deadline passed while it was queued."""


class EngineStuck(BatcherError):
    """A call of the engine does not return, so that nothing else can be computed."""


class Closed(BatcherError):
    """The batcher is draining or closed."""


class BatchTooLarge(BatcherError, ValueError):
    """The item alone has more rows than a batch may have."""


class EngineFailed(BatcherError):
    """The engine failed on this item alone; its own exception is the cause."""
