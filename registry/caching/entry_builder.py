"""An entry of the cache in the making."""

import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from registry.columns import Columns
from registry.prepared import OtherVersions, Prepared, PreparedEngine, TrustedFormats
from registry.version import ModelVersion

RECORD: Final = "prepared.json"


class File(msgspec.Struct, frozen=True):
    """One file of an entry: its size in bytes, and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


class Entry(msgspec.Struct, frozen=True):
    """What the record of an entry says: all of a ``Prepared`` but its folder, and the files by their paths in it."""

    version: ModelVersion
    engine: PreparedEngine
    formats: TrustedFormats
    warning: str
    columns: Columns
    files: dict[str, File]
    others: OtherVersions = "refuse"

    @property
    def sizes(self) -> dict[str, int]:
        """Of the files, by their paths."""
        return {path: file.size for path, file in self.files.items()}


class CacheEntryBuilder:
    """An entry in the making.

    Args:
        folder: where it is made, empty; on the same file system as ``place``.
        place: where it shall be.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder = folder
        self._place = place

    def publish(self, prepared: Prepared) -> Prepared:
        """Put the folder, complete and on disk, in its place.

        Args:
            prepared: what was made of it.

        Returns:
            The same, in its place.

        Raises:
            OSError: it cannot be written.
        """
        files = {path: _described(self.folder / path) for path in sizes(self.folder)}
        entry = Entry(
            prepared.version,
            prepared.engine,
            prepared.formats,
            prepared.warning,
            prepared.columns,
            files,
            prepared.others,
        )
        (self.folder / RECORD).write_bytes(msgspec.json.encode(entry))
        for path in (*map(self.folder.joinpath, files), self.folder / RECORD, self.folder):
            _sync(path)
        self.folder.chmod(0o755)  # mkdtemp makes it for its owner only; other users' servers may read it
        # An entry that is there is spoilt, or was made by a process without a lock. Whoever is opening it sees the one
        # or the other: a folder cannot take another's place, but two renames are next to nothing.
        old = self.folder.with_name(f"{self.folder.name}.old")
        with suppress(FileNotFoundError):
            self._place.rename(old)
        self.folder.rename(self._place)
        _sync(self._place.parent)
        shutil.rmtree(old, ignore_errors=True)
        return replace(prepared, folder=self._place)


def remove(folder: Path) -> None:
    """Remove an entry, if it is there. It is none from the first moment on, for its record goes first.

    Raises:
        OSError: it cannot be removed.
    """
    if folder.exists():
        (folder / RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder)


def sizes(folder: Path) -> dict[str, int]:
    """The files of an entry by their paths in it, but for its record."""
    found: dict[str, int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            found[str(path.relative_to(folder))] = path.stat().st_size
    found.pop(RECORD, None)
    return found


def _described(path: Path) -> File:
    with path.open("rb") as file:
        return File(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _sync(path: Path) -> None:
    """See to it that a file, or the list of a folder's files, survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
