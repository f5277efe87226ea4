"""The folder of prepared models, which any number of processes and machines may share.

========================== =========================================================================================
NAME/NUMBER-DIGEST/        an entry: one version, prepared in one way; it appears complete, by being renamed
  prepared.json            what it is, and its other files with their sizes and checksums
  forest.canopy or model/  the files
NAME/.NUMBER-DIGEST.lock   is locked by the process that makes the entry
NAME/.NUMBER-DIGEST.*/     an entry in the making
.resolved/DIGEST.json      what a model URI meant when the registry was last asked
.served/DIGEST.json        what was served for a model URI last
========================== =========================================================================================

Whatever moment a process is killed at, an entry is there or it is not. What it leaves half-made goes when the next
entry is made.
"""

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from registry.caching.entry_builder import RECORD, CacheEntryBuilder, Entry, remove, sizes
from registry.caching.lock import locked
from registry.config import RegistryConfig
from registry.errors import CacheUnusable
from registry.opening import kernel
from registry.preparation import Preparation
from registry.prepared import Prepared
from registry.version import FORMAT, ModelVersion

_KEPT: Final = 30 * 86_400
"""Seconds that an entry is kept after it was last asked for."""

_LONGEST_NAME: Final = 100

_RULES: Final = 2
"""Counts up when models are prepared by other rules than before: what was prepared by the old ones is not served."""


class Cache:
    """The entries in a folder, which is made when the first is.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def find(self, key: str, oldest: float = 0) -> Prepared | None:
        """An entry, whose files are all there in full; None if there is none such. Finding it keeps it from going.

        Args:
            key: its name.
            oldest: only if it was made at this time, in s since 1970, or later.
        """
        folder = self.folder / key
        record = folder / RECORD
        try:
            entry = msgspec.json.decode(record.read_bytes(), type=Entry)
            whole = entry.sizes.items() <= sizes(folder).items()  # loading a model may add byte code
            if not whole or record.stat().st_mtime < oldest:
                return None
        except (OSError, msgspec.DecodeError):
            return None
        with suppress(OSError):  # the folder may be one that we may only read
            os.utime(folder)
        return Prepared(entry.version, entry.engine, folder, entry.columns, entry.formats, entry.warning, entry.others)

    @contextmanager
    def hold(self, key: str) -> Iterator[CacheEntryBuilder]:
        """Keep all others from making an entry, and make it; yields what to make it in.

        Raises:
            CacheUnusable: there is no space, or no permission to write. That is also raised in place of an OSError
                that says so in the body.
        """
        place = self.folder / key
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            lock = place.parent / f".{place.name}.lock"
            with locked(lock, f"waiting for another process that prepares {place}") as alone:
                os.utime(lock)  # so that nobody takes it for a left one
                if alone:
                    _clear(place)
                folder = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
                try:
                    yield CacheEntryBuilder(folder, place)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise self.unusable(error) from error

    def discard(self, prepared: Prepared) -> None:
        """Remove an entry that has turned out to be unusable.

        Raises:
            CacheUnusable: it cannot be removed.
        """
        try:
            remove(prepared.folder)
        except OSError as error:
            raise self.unusable(error) from error

    def prune(self) -> None:
        """Remove what nobody has asked for in thirty days, and what killed processes have left half-made."""
        for lock in self.folder.glob("*/.*.lock"):
            place = lock.with_name(lock.name.removeprefix(".").removesuffix(".lock"))
            with suppress(OSError), locked(lock) as alone:
                if alone:
                    _clear(place)
        oldest = time.time() - _KEPT
        for path in self.folder.glob("*/*"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    remove(path) if path.is_dir() else path.unlink()

    def unusable(self, error: OSError) -> CacheUnusable:
        """The error that says why the folder cannot be used."""
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        remedy = "free space there, or" if full else "allow this user to write there, or"
        return CacheUnusable(
            f"the folder of prepared models {self.folder} cannot be used: {error.strerror or error}; {remedy} name "
            "another with --cache (CANOPY_CACHE)"
        )


def _clear(place: Path) -> None:
    """Remove what is left half-made of an entry; only for who has its lock."""
    for left in place.parent.glob(f".{place.name}.*/"):
        shutil.rmtree(left, ignore_errors=True)


def key(version: ModelVersion, config: RegistryConfig, how: Preparation) -> str:
    """The name of the entry for a version that is prepared in one way, relative to the cache's folder."""
    facts = (config.address, version.name, version.number, version.source, version.created)
    ways = (how.engine, how.formats, how.others, how.stated, FORMAT, _RULES, kernel.built())
    digest = hashlib.sha256(msgspec.json.encode((*facts, *ways))).hexdigest()[:16]
    name = quote(version.name, safe=" ").replace("%", "=")[:_LONGEST_NAME]  # % would be read as a URI's
    return f"{'=2E' + name[1:] if name.startswith('.') else name}/{version.number}-{digest}"
