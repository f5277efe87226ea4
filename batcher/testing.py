"""Virtual time: an event loop and an executor whose seconds pass at once, for tests of anything that uses a batcher."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never sleeps: when nothing is ready, its clock jumps to the next timer.

    Raises:
        RuntimeError: from ``run_until_complete``, when nothing is ready and no timer is set, that is, on a deadlock.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def _jump(self, seconds: float | None) -> None:
        if seconds is None:
            raise RuntimeError("deadlock: nothing is ready and no timer is set")
        self._now += seconds


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float | None], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            self._jump(timeout)
        return ready


class VirtualExecutor(Executor):
    """Runs each call after ``seconds(items)`` of virtual time.

    Args:
        loop: the loop whose time passes.
        seconds: how long a call with the given argument takes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: Callable[[Any], float]) -> None:
        self._loop = loop
        self._seconds = seconds

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401 - as in Executor
        """Schedule ``fn(*args, **kwargs)``."""
        future: Future[T] = Future()
        self._loop.call_later(self._seconds(*args), self._run, future, fn, args, kwargs)
        return future

    def _run(self, future: Future[T], fn: Callable[..., T], args: Any, kwargs: Any) -> None:  # noqa: ANN401
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
