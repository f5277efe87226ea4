"""One worker process, as its supervisor sees it."""

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from workers.channel import Channel, Message
from workers.slot import WorkerSlot

_START: Final = 60.0
"""Seconds that a worker may take to its first message, if it may not be silent for longer anyway: it imports first."""

_LOOKS: Final = 10
_LOOK: Final = 1.0
"""How often a silence is looked at, or after how many seconds each time if that is more often. Each look counts its own
time only, so that a silence in which this process was stopped as well, with its container for one, is not held against
the worker."""

_QUIET: Final = 3.0
"""Seconds of silence after which others stand in for a worker: it says that it is well once a second."""

_LAST_WORDS: Final = 3.0
"""Seconds from SIGTERM to SIGKILL for a worker that is silent."""


class Silent(Exception):
    """The worker has sent nothing for too long; the message says how long."""


class WorkerProcess:
    """A worker that was started. Use ``start``."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.channel = channel
        self._process = process
        self._ended = asyncio.create_task(process.wait())
        self._heard = False

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str], slot: WorkerSlot) -> "WorkerProcess":
        """Start a worker.

        Args:
            command: the program and its arguments.
            environment: its variables.
            slot: its place; the channel is made here.

        Raises:
            OSError: the system does not start it.
        """
        ours, theirs = Channel.pair()
        channel = Channel(ours.detach())
        try:
            with theirs:
                variables, descriptors = slot.hand_over(theirs.fileno())
                # In a session of its own, Ctrl-C is for the supervisor to hear, which drains the workers.
                process = await asyncio.create_subprocess_exec(
                    *command, env={**environment, **variables}, pass_fds=descriptors, start_new_session=True
                )
        except BaseException:
            channel.close()
            raise
        return cls(process, channel)

    async def messages(self, silence_limit: float) -> AsyncIterator[Message | None]:
        """What it sends, until it ends; None when it has been quiet for some seconds.

        Args:
            silence_limit: seconds that it may be silent.

        Raises:
            Silent: it was for longer.
        """
        while True:
            limit = silence_limit if self._heard else max(silence_limit, _START)
            looks = max(_LOOKS, math.ceil(limit / _LOOK))
            quiet = math.ceil(_QUIET * looks / limit)
            receiving = asyncio.create_task(self.channel.receive())
            try:
                for refresh in range(1, looks + 1):
                    done, _ = await asyncio.wait(
                        [receiving, self._ended], timeout=limit / looks, return_when=asyncio.FIRST_COMPLETED
                    )
                    if done:
                        break
                    if refresh == quiet:
                        yield None
                else:
                    raise Silent(f"nothing was heard of it for {limit:g} s")
                if receiving not in done or (message := receiving.result()) is None:
                    return
            finally:
                receiving.cancel()
            self._heard = True
            yield message

    async def ended(self) -> str:
        """Await its end; returns how it ended, in words."""
        status = await asyncio.shield(self._ended)
        self.channel.close()
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    @property
    def begun(self) -> bool:
        """Whether it has been heard of."""
        return self._heard

    def tell(self, *messages: Message) -> None:
        """Send it messages, in order and at once. One that is so far behind with reading is lost: it is killed."""
        if not all(self.channel.push(message) for message in messages):
            self.send(signal.SIGKILL)

    def dismiss(self) -> None:
        """Have it finish what it has accepted and end.

        One that has not begun is ended at once; to the others the channel says it. A signal could come twice, for some
        managers signal all processes of a service, and the second of two means haste.
        """
        if self._heard:
            self.channel.finish()
        else:
            self.send(signal.SIGTERM)

    async def end(self) -> None:
        """End it, politely at first."""
        self.send(signal.SIGTERM)
        await asyncio.wait([self._ended], timeout=_LAST_WORDS)
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended does not mind."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
