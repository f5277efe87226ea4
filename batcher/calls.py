# cython: language_level=3, annotation_typing=False
"""Calls of the engine, one at a time: on the event loop, or in an executor and watched."""

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from typing import Any

from batcher.waiter import Batch


class Calls:
    """Calls the engine, and knows whether it is idle, busy or stuck.

    Args:
        engine: see ``Batcher``, as the next three.
        executor: runs the engine, unless ``inline`` says otherwise.
        inline: whether to run it on the event loop.
        call_timeout: seconds after which a call in the executor is stuck.
        loop: the event loop.
        finished: told of each call, when the engine is idle again: its batch, its results, one an item, or None, and
            what went wrong, or None.
        stuck: told once of a call that is stuck; ``finished`` is told of it as well, if ever it returns.

    Attributes:
        batch: what the engine is busy with; None if it is idle.
        returned: the call that has come back from the executor and waits to be ``collect``-ed. The event loop does
            so when it comes round to it; who looks more often has the engine idle for less.
        call_timeout: see above.
    """

    __slots__ = (
        "_engine",
        "_executor",
        "_finished",
        "_inline",
        "_loop",
        "_tell_stuck",
        "_watch",
        "batch",
        "call_timeout",
        "returned",
    )

    def __init__(
        self,
        engine: Callable[[list[Any]], Sequence[Any]],
        executor: Executor | None,
        inline: Callable[[float, list[Any]], bool],
        call_timeout: float,
        loop: asyncio.AbstractEventLoop,
        *,
        finished: Callable[[Batch, Sequence[Any] | None, BaseException | None], None],
        stuck: Callable[[Batch], None],
    ) -> None:
        self.batch: Batch | None = None
        self.returned: tuple[Batch, Future[Sequence[Any]]] | None = None
        self.call_timeout = call_timeout
        self._engine = engine
        self._executor = executor
        self._inline = inline
        self._loop = loop
        self._finished = finished
        self._tell_stuck = stuck
        self._watch: asyncio.TimerHandle | None = None

    def stuck(self) -> bool:
        """Whether a call of the engine has not returned in time."""
        return self.batch is not None and self.batch.stuck

    def start(self, batch: Batch, items: list[Any]) -> None:
        """Call the idle engine with the items of a batch; the outcome may be there before this returns."""
        self.batch = batch
        if self._executor is None or self._inline(batch.expected, items):
            try:
                results = self._run(items)
            except BaseException as error:
                self._finish(batch, None, error)
                if not isinstance(error, Exception):
                    raise
            else:
                self._finish(batch, results, None)
            return
        try:
            call = self._executor.submit(self._run, items)
        except RuntimeError as error:  # the executor was shut down
            self._finish(batch, None, error)
            return
        batch.inline = False
        if self.call_timeout != math.inf:
            self._watch = self._loop.call_later(self.call_timeout, self._overdue, batch)
        call.add_done_callback(partial(self._return, batch))

    def collect(self) -> None:
        """Take the outcome of the call that has returned, unless that was done."""
        if self.returned is None:
            return
        (batch, call), self.returned = self.returned, None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        error = asyncio.CancelledError() if call.cancelled() else call.exception()
        self._finish(batch, None if error else call.result(), error)

    def _run(self, items: list[Any]) -> Sequence[Any]:
        """Call the engine, perhaps in another thread; whatever it returns instead of results is its failure."""
        try:
            results = self._engine(items)
        except StopIteration as error:  # which no future can carry
            raise RuntimeError("the engine raised StopIteration") from error
        if len(results) != len(items):
            raise ValueError(f"the engine returned {len(results)} results for {len(items)} items")
        return results

    def _return(self, batch: Batch, call: Future[Sequence[Any]]) -> None:
        """A call has returned, in a thread of the executor."""
        self.returned = batch, call
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self.collect)

    def _overdue(self, batch: Batch) -> None:
        """A call has not returned in time, or it was the event loop that was late."""
        if self.returned is not None:
            self.collect()
        else:
            batch.stuck = True
            self._tell_stuck(batch)

    def _finish(self, batch: Batch, results: Sequence[Any] | None, error: BaseException | None) -> None:
        self.batch = None
        self._finished(batch, results, error)
