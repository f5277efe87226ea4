"""Following what a model URI means: the version to serve now, and each that takes its place.

Time passes only in ``asyncio``, and all that takes long is a ``Finder``'s, so that tests run in virtual time.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from registry.errors import RegistryError, StoreUnavailable, UnusableModel
from registry.prepared import Prepared
from registry.updates.beginning import Beginning, discard, in_words
from registry.updates.finding import Finder
from registry.version import UNRESOLVED, ModelVersion, Unresolved

logger = logging.getLogger("canopy.registry")

_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 600.0
"""Seconds from one attempt to the next, of which each is twice as long as the one before."""


class _Attempt:
    """A version on its way into service.

    Args:
        wanted: what ``resolve`` has said.

    Attributes:
        wanted: see above.
        prepared: the version, once it is prepared.
        task: what gets it there.
    """

    def __init__(self, wanted: ModelVersion | Unresolved) -> None:
        self.wanted = wanted
        self.prepared: Prepared | None = None
        self.task: asyncio.Task[None]

    def is_for(self, version: ModelVersion | Unresolved) -> bool:
        """Whether it is this version that is on its way."""
        return version == self.wanted or (self.prepared is not None and version == self.prepared.version)


class Watcher:
    """Delivers the version that is to be served, and again each time it has become another.

    Looks go on while a version is prepared and delivered, which may take long: one that hangs does not keep another
    from being noticed, for whose sake it is called off.

    Args:
        finder: finds versions.
        deliver: has one served; raises UnusableModel if it cannot be. Takes no time for ever. If it is cancelled and
            raises CancelledError, what was served before is served on.
        tell: told why the newest version is not served, and None when it is.
        poll: seconds from one look to the next; 0 looks only when ``refresh`` is called.
        startup_timeout: see ``registry.updates.beginning``.
        spread: varies the time of a poll, so that many servers do not ask at once.
    """

    def __init__(
        self,
        finder: Finder,
        deliver: Callable[[Prepared], Awaitable[object]],
        tell: Callable[[str | None], object],
        *,
        poll: float,
        startup_timeout: float,
        spread: Callable[[float], float] = lambda seconds: seconds * random.uniform(0.9, 1.1),  # noqa: S311
    ) -> None:
        self._finder = finder
        self._deliver = deliver
        self._tell = tell
        self._poll = poll
        self._startup_timeout = startup_timeout
        self._spread = spread
        self._current: Prepared | None = None
        self._attempt: _Attempt | None = None
        self._update_error: str | None = None
        self._refused: ModelVersion | Unresolved | None = None
        self._sparing = True
        self._delay = _FIRST_DELAY
        self._retry_at = 0.0
        self._asked = False
        self._stirred = asyncio.Event()
        self._restoring: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        error = f": {self._update_error}" if self._update_error else ""
        return f"<Watcher of {self._current and self._current.version}{error}>"

    def refresh(self) -> None:
        """Look now whether there is something new, and do not spare what has failed before."""
        self._asked = True
        self._stirred.set()

    def restore(self, prepared: Prepared) -> None:
        """A version in service cannot be opened any more, perhaps because somebody has emptied the cache: mend that."""
        if self._restoring is None or self._restoring.done():
            self._restoring = asyncio.get_running_loop().create_task(self._restore(prepared))

    async def _restore(self, prepared: Prepared) -> None:
        try:
            await self._finder.restore(prepared)
        except Exception as error:
            self._say(f"{prepared.version} cannot be made ready again: {in_words(error)}")
        current = self._current
        if self._attempt is None and current is not None and current.version == prepared.version:
            # What it was served from may be a copy, which is gone as well.
            self._attempt = attempt = _Attempt(current.version)
            attempt.task = asyncio.create_task(self._serve_again(attempt, current))

    async def _serve_again(self, attempt: _Attempt, current: Prepared) -> None:
        try:
            await self._deliver(current)
        except Exception as error:
            self._say(f"{current.version} cannot be made ready again: {in_words(error)}")
        finally:
            self._over(attempt)

    async def run(self) -> None:
        """Deliver the first version, and then each new one, for ever.

        A version that cannot be had or served leaves the one before in service. It is tried again ever more rarely;
        but whatever else the URI comes to mean is noticed at the next look.

        Raises:
            RegistryError: there is no first version that can be served.
        """
        beginning = Beginning(self._finder, self._deliver, self._fall_back, startup_timeout=self._startup_timeout)
        await self._serves(await beginning.run())
        try:
            while True:
                await self._pause()
                with self._telling():
                    await self._look()
        finally:
            await self._call_off()

    def _fall_back(self, known: Prepared, reason: str) -> None:
        self._update_error = reason
        self._tell(reason)
        logger.warning("serving %s, as it was last known, for %s", known.version, reason)

    async def _look(self) -> None:
        version = await self._finder.resolve()
        if (attempt := self._attempt) is not None:
            if version is UNRESOLVED and attempt.prepared is not None:
                version = (await self._finder.prepare(version)).version
            if attempt.is_for(version) and attempt is self._attempt:
                return
            await self._call_off()
        current = self._current
        assert current is not None  # noqa: S101 - for the type checker
        if version == current.version:
            self._recovered()
            return
        if version == self._refused and self._sparing and asyncio.get_running_loop().time() < self._retry_at:
            return
        if version != self._refused:
            self._refused, self._delay = version, _FIRST_DELAY
        self._attempt = attempt = _Attempt(version)
        attempt.task = asyncio.create_task(self._get_there(attempt))

    async def _call_off(self) -> None:
        """End the attempt that is under way, if there is one."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.task.cancel()
            await asyncio.wait([attempt.task])

    async def _get_there(self, attempt: _Attempt) -> None:
        """Have a version served."""
        try:
            with self._telling(attempt):
                attempt.prepared = prepared = await self._finder.prepare(attempt.wanted)
                if self._current is None or prepared.version != self._current.version:
                    try:
                        await self._deliver(prepared)
                    except UnusableModel as error:
                        await discard(self._finder, prepared, error)
                        raise
                    await self._serves(prepared)
                self._recovered()
        finally:
            self._over(attempt)

    def _over(self, attempt: _Attempt) -> None:
        if self._attempt is attempt:
            self._attempt = None
        self._stirred.set()

    async def _serves(self, prepared: Prepared) -> None:
        self._current = prepared
        for warning in prepared.warnings:
            logger.warning(warning)
        await self._finder.keep(prepared)

    @contextmanager
    def _telling(self, attempt: _Attempt | None = None) -> Iterator[None]:
        """Tell what goes wrong with a look or an attempt: it is no reason to stop serving."""
        try:
            yield
        except Exception as error:
            self._failed(in_words(error), attempt)

    def _failed(self, error: RegistryError, attempt: _Attempt | None) -> None:
        self._say(str(error))
        # Who had to ask what the URI means by preparing it, and was not told, knows of no version to be spared.
        unknown = attempt is not None and attempt.wanted is UNRESOLVED and isinstance(error, StoreUnavailable)
        self._sparing = not unknown
        self._retry_at = asyncio.get_running_loop().time() + self._delay
        self._delay = min(2 * self._delay, _LONGEST_DELAY)

    def _say(self, reason: str) -> None:
        if reason != self._update_error:
            logger.error("%s is still served: %s", self._current and self._current.version, reason)
            self._update_error = reason
            self._tell(reason)

    def _recovered(self) -> None:
        self._refused = None
        self._delay, self._retry_at = _FIRST_DELAY, 0.0
        if self._update_error is not None:
            logger.info("%s is up to date again", self._current and self._current.version)
            self._update_error = None
            self._tell(None)

    async def _pause(self) -> None:
        """Wait for the next poll or retry, or until somebody asks."""
        loop = asyncio.get_running_loop()
        poll_at = loop.time() + self._spread(self._poll) if self._poll else math.inf
        while not self._asked:
            self._stirred.clear()
            # While a version is on its way, nothing is tried again.
            retry_at = math.inf if self._update_error is None or self._attempt is not None else self._retry_at
            if (due := min(poll_at, retry_at)) <= loop.time():
                return
            with suppress(TimeoutError):
                async with asyncio.timeout_at(None if due == math.inf else due):
                    await self._stirred.wait()
        self._asked, self._retry_at = False, 0.0
