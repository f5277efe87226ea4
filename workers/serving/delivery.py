"""What comes between a version that is prepared and one that is served: a copy of the server's own, and a trial."""

import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final, TypeVar

from registry import CacheUnusable, Prepared, TooLarge, UnusableModel
from registry.caching.own import own_copy
from workers.serving.trial import try_out
from workers.threads import Errands

T = TypeVar("T")

_MOST_LEFT: Final = 4
"""Threads that may hang on a disk before nothing else is asked of it."""


class Delivery:
    """Has versions served; stands for ``deliver`` of ``registry.updates.watch.Watcher``.

    A compiled forest is data, which whoever opens it copies and checks. Of any other version a copy is made, which is
    tried out and kept for as long as it serves: its code may read its files at any time.

    Args:
        serve: has one served.
        max_batch_rows: most rows in one call of its engine.
        log_level: what the trial logs.
        limit: seconds that the copy may take, and then the trial.
        memory_left: tells the bytes of memory that there are; infinite for no limit.
        share: makes a copy of a file that several processes can map; None leaves it to the only one.
    """

    def __init__(
        self,
        serve: Callable[[Prepared], Awaitable[object]],
        *,
        max_batch_rows: int,
        log_level: str,
        limit: float,
        memory_left: Callable[[], float],
        share: Callable[[Path], FileIO] | None = None,
    ) -> None:
        self._serve = serve
        self._try = partial(try_out, max_batch_rows=max_batch_rows, log_level=log_level, limit=limit)
        self._limit = limit
        self._memory_left = memory_left
        self._share = share
        self._disk = Errands(_MOST_LEFT)
        self._folders: list[Path | None] = []

    async def __call__(self, prepared: Prepared) -> None:
        """Have a version served.

        Raises:
            RegistryError: it cannot be; what was served before is served on.
        """
        if prepared.engine == "compiled":
            await self._on_disk(partial(self._make_sure_of_room, prepared), prepared)
            if self._share is None:
                await self._serve(prepared)
            else:
                with await self._on_disk(partial(self._share, prepared.artifact), prepared) as copy:
                    await self._serve(replace(prepared, shared=copy.fileno()))
            self._served(None)
            return
        folder = Path(tempfile.mkdtemp(prefix="canopy-model-"))
        try:
            own = await self._on_disk(partial(own_copy, prepared, folder), prepared)
            await self._try(own)
            await self._serve(own)
        except BaseException:
            _remove(folder)
            raise
        self._served(folder)

    def _served(self, folder: Path | None) -> None:
        """Keep a version's files, and those of the one before, which a call may still be in."""
        self._folders.append(folder)
        while len(self._folders) > 2:
            _remove(self._folders.pop(0))

    def _make_sure_of_room(self, prepared: Prepared) -> None:
        """Near its limit a control group kills, or crawls: what does not fit is not begun."""
        try:
            size = prepared.artifact.stat().st_size
        except OSError:
            return  # who opens it says so
        if size > (left := self._memory_left()):
            raise TooLarge(
                f"{prepared.version} needs {size >> 20} MB of memory beside what is served, and {int(left) >> 20} MB "
                "are left: raise the limit"
            )

    async def _on_disk(self, call: Callable[[], T], prepared: Prepared) -> T:
        try:
            return await self._disk.run(call, self._limit, str(prepared.version))
        except TimeoutError:
            reason = f"was not read within {self._limit:g} s from {prepared.folder}"
            raise CacheUnusable(f"{prepared.version} {reason}; see whether its disk is well") from None
        except OSError as error:
            raise UnusableModel(f"{prepared.version} cannot be read: {error}") from None


def _remove(folder: Path | None) -> None:
    """Remove a folder beside all else."""
    if folder is not None:
        threading.Thread(target=shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, daemon=True).start()
