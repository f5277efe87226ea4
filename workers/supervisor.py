"""Keeping workers running."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import msgspec

from workers.backoff import Backoff
from workers.channel import (
    CancelRollout,
    CommitRollout,
    Cover,
    Failed,
    Message,
    News,
    PrepareRollout,
    Ready,
    RefreshRequest,
    Serving,
)
from workers.process import Silent, WorkerProcess
from workers.rollout import Rollout, RolloutRefused
from workers.slot import WorkerSlot

logger = logging.getLogger("canopy.workers")

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_ENOUGH: Final = 3
"""The Ctrl-C that ends workers which do not heed the ones before."""


class Supervisor:
    """Starts a process for each slot, replaces those that end or fall silent, and stops them all together.

    Make it in the event loop.

    1. On SIGTERM or SIGINT, or ``stop``, each worker is told to finish what it has accepted; none is replaced any more.
    2. Signals from then on are passed on to the workers; a third SIGINT kills them.
    3. What still runs after ``stop_timeout`` is killed.

    Args:
        command: what starts a worker.
        environment: its variables.
        slots: one a worker; their listening sockets belong to the supervisor, which closes them when it stops.
        hang_timeout: seconds after which a worker that says nothing is replaced.
        ready_timeout: seconds that all workers may take to get ready for a task, replacements too.
        stop_timeout: seconds that a worker may take to finish.

    Attributes:
        on_refresh: called when a worker says that somebody wants it to be seen whether there is something new.
        on_lost: called with the task that all serve when a worker, which has taken another's place, cannot.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        slots: Sequence[WorkerSlot],
        *,
        hang_timeout: float,
        ready_timeout: float,
        stop_timeout: float,
    ) -> None:
        self._command = command
        self._environment = environment
        self._slots = slots
        self._hang_timeout = hang_timeout
        self._ready_timeout = ready_timeout
        self._stop_timeout = stop_timeout
        self._stopping = asyncio.Event()
        self._interrupts = 0
        self._workers: dict[int, WorkerProcess] = {}
        self.on_refresh: Callable[[], object] = lambda: None
        self.on_lost: Callable[[bytes], object] = lambda _task: None
        self._number = 0
        self._rollout: Rollout | None = None
        self._committed: PrepareRollout | None = None
        self._news: News | None = None
        self._serving: set[int] = set()
        self._served: asyncio.Future[str] = asyncio.Future()
        self._all_serve = False
        self._covered: set[int] = set()

    def __repr__(self) -> str:
        return f"<Supervisor {len(self._workers)} of {len(self._slots)} workers{' stopping' * self.stopping}>"

    @property
    def stopping(self) -> bool:
        """Whether the workers are to end."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Have all workers finish."""
        self._stopping.set()

    async def run(self, direct: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the workers until they are to stop, and return when they have ended. Signals are ignored from then on.

        Args:
            direct: runs beside them, to call ``serve``; they stop when it returns. It is cancelled when they stop for
                another reason.

        Raises:
            Exception: what ``direct`` has raised, when the workers have ended.
        """
        loop = asyncio.get_running_loop()

        def pass_to_loop(number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._signalled, signal.Signals(number))

        for number in _SIGNALS:
            signal.signal(number, pass_to_loop)
        directing = asyncio.create_task(direct())
        tasks = [directing, *(asyncio.create_task(self._keep(slot)) for slot in self._slots)]
        for task in tasks:
            task.add_done_callback(lambda _: self.stop())
        await self._stopping.wait()
        directing.cancel()
        for worker in self._workers.values():
            worker.dismiss()
        for slot in self._slots:
            os.close(slot.listener)  # so that newcomers are refused as soon as the workers listen no more
        await asyncio.wait(tasks, timeout=self._stop_timeout)
        for index, worker in self._workers.items():
            logger.warning("worker %d does not end: killing it", index)
            worker.send(signal.SIGKILL)
        await asyncio.wait(tasks)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def serve(self, task: bytes, files: Sequence[int] = ()) -> str:
        """Have every worker serve something, each replacement too; one call at a time.

        First all get ready for it, beside what they serve; if one cannot, all go on with that, and so they do if this
        is cancelled. Once all have been told to serve it, it is too late for that.

        Args:
            task: JSON that tells what.
            files: descriptors that go with it; they are the supervisor's from now on.

        Returns:
            What a worker says of it, as soon as all serve it.

        Raises:
            RolloutRefused: a worker cannot, or not in time.
        """
        self._number += 1
        preparation = PrepareRollout(self._number, msgspec.Raw(task), tuple(files))
        rollout = self._rollout = Rollout(preparation, len(self._slots))
        self._tell(preparation)
        try:
            async with asyncio.timeout(self._ready_timeout):
                await rollout.agreed
        except BaseException as error:
            self._tell(CancelRollout(preparation.number))
            _close(preparation)
            if isinstance(error, TimeoutError):
                raise RolloutRefused(f"not all workers were ready for it within {self._ready_timeout:g} s") from None
            raise
        finally:
            self._rollout = None
        if self._committed is not None:
            _close(self._committed)
        self._committed = preparation
        self._serving.clear()
        self._served = asyncio.get_running_loop().create_future()
        self._tell(CommitRollout(preparation.number))
        return await self._all_of_them()

    async def _all_of_them(self) -> str:
        """Await that all serve what they were told to, though not for ever: it is the task that there is now."""
        try:
            async with asyncio.timeout(self._ready_timeout):
                return await asyncio.shield(self._served)
        except TimeoutError:
            return "not all workers serve the new version yet"
        except asyncio.CancelledError:
            if self.stopping:
                raise
            asyncio.current_task().uncancel()  # type: ignore[union-attr]  # this runs in a task
            return "all workers were told to serve the new version"

    def inform(self, content: bytes) -> None:
        """Let every worker know something, each replacement too.

        Args:
            content: JSON.
        """
        self._news = News(msgspec.Raw(content))
        self._tell(self._news)

    def _tell(self, message: Message) -> None:
        for worker in self._workers.values():
            worker.tell(message)

    async def _keep(self, slot: WorkerSlot) -> None:
        """Keep a worker in a slot."""
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        while not self.stopping:
            started = loop.time()
            end = await self._live(slot)
            if self.stopping:
                return
            delay = backoff.after(loop.time() - started)
            logger.error("worker %d %s: replacing it%s", slot.index, end, f" in {delay:g} s" if delay else "")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _live(self, slot: WorkerSlot) -> str:
        """The life of one worker; returns how it ended, in words."""
        slot = msgspec.structs.replace(slot, late=self._all_serve)
        try:
            worker = await WorkerProcess.start(self._command, self._environment, slot)
        except OSError as error:
            return f"cannot be started ({error.strerror})"
        self._workers[slot.index] = worker
        if self.stopping:
            worker.dismiss()
        else:
            worker.tell(*self._story())
        try:
            async for message in worker.messages(self._hang_timeout):
                if self.stopping:
                    continue
                if message is None:
                    self._cover(slot.index)
                else:
                    self._heard(slot, worker, message)
                    self._uncover(slot.index)
        except Silent as silence:
            logger.error("worker %d hangs: %s", slot.index, silence)  # noqa: TRY400 - its traceback tells nothing
            await worker.end()
        end = await worker.ended()
        del self._workers[slot.index]
        self._serving.discard(slot.index)
        self._cover(slot.index)
        if self._rollout is not None and worker.begun:
            self._rollout.worker_ended(slot.index, end)
        return end

    def _story(self) -> Iterator[Message]:
        """What a new worker has to know."""
        if self._news is not None:
            yield self._news
        if self._covered:
            yield Cover(sorted(self._covered))
        if self._committed is not None:
            yield self._committed
            yield CommitRollout(self._committed.number)
        if self._rollout is not None:
            yield self._rollout.preparation

    def _heard(self, slot: WorkerSlot, worker: WorkerProcess, message: Message) -> None:
        rollout = self._rollout
        match message:
            case Ready(number) if rollout is not None and number == rollout.preparation.number:
                rollout.accept(slot.index)
            case Serving(number, description) if self._committed is not None and number == self._committed.number:
                self._serving.add(slot.index)
                if self._served.done():
                    logger.info("worker %d serves again", slot.index)
                elif len(self._serving) == len(self._slots):
                    self._all_serve = True
                    self._served.set_result(description)
            case Failed(number, reason):
                if rollout is not None and number == rollout.preparation.number:
                    rollout.refuse(reason)
                elif self._committed is not None and number == self._committed.number:
                    logger.error("worker %d: %s", slot.index, reason)
                    worker.dismiss()  # it has nothing to serve, and its replacement may fare better
                    self.on_lost(bytes(self._committed.task))
            case RefreshRequest():
                self.on_refresh()
            case _:
                pass

    def _cover(self, index: int) -> None:
        """Have the others stand in for a worker, which is silent or has ended, until it serves again."""
        if self._all_serve and not self.stopping:
            self._covered.add(index)
            self._tell(Cover(sorted(self._covered)))

    def _uncover(self, index: int) -> None:
        """It has been heard: if it serves, the others need no longer stand in for it."""
        if index in self._covered & self._serving:
            self._covered.remove(index)
            self._tell(Cover(sorted(self._covered)))

    def _signalled(self, number: signal.Signals) -> None:
        self._interrupts += number == signal.SIGINT
        if not self.stopping:
            logger.info("stopping %d workers", len(self._workers))
            self.stop()
            return
        for worker in self._workers.values():
            worker.send(signal.SIGKILL if self._interrupts >= _ENOUGH else number)


def _close(preparation: PrepareRollout) -> None:
    """Close a message's files, which those who have got it have open by themselves."""
    for file in preparation.files:
        os.close(file)
