"""A caller that awaits its result."""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from batcher.waiter import Waiter

Result = TypeVar("Result")


class Pending(asyncio.Future[Result], Generic[Result]):
    """The future of a result; cancelling it is giving up.

    Args:
        waiter: what is told of the result for it.
        on_cancel: told of the waiter when this is cancelled.
        loop: the event loop.

    Attributes:
        waiter: see above.
    """

    __slots__ = ("_on_cancel", "waiter")

    def __init__(
        self, waiter: "FutureWaiter", on_cancel: Callable[[Waiter], object], loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(loop=loop)
        self.waiter = waiter
        self._on_cancel = on_cancel

    def cancel(self, msg: object = None) -> bool:
        """See ``asyncio.Future.cancel``."""
        if not super().cancel(msg):
            return False
        self.waiter.future = None
        self._on_cancel(self.waiter)
        return True


class FutureWaiter(Waiter):
    """A waiter that tells a future.

    Attributes:
        future: whom it tells; None when that is done, or each would keep the other until the garbage collector comes.
    """

    __slots__ = ("future",)

    def __init__(self) -> None:
        super().__init__()
        self.future: Pending[Any] | None = None

    def done(self) -> bool:
        """See ``Waiter``."""
        return self.future is None

    def set_result(self, result: Any) -> None:  # noqa: ANN401 - what an engine gives
        """See ``Waiter``."""
        future, self.future, self.item = self.future, None, None
        if future is not None:
            future.set_result(result)

    def set_exception(self, error: Exception) -> None:
        """See ``Waiter``."""
        future, self.future, self.item = self.future, None, None
        if future is not None:
            future.set_exception(error)
