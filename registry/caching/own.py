"""A server's own copy of a version's files.

What stands in the folder of prepared models may be overwritten, cut off, replaced or removed by anybody who can write
there, while it is read and afterwards. So what is checked and what is served is a copy that nobody else knows by name.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from registry.caching.entry_builder import RECORD, Entry, File
from registry.errors import CacheUnusable, UnusableModel
from registry.prepared import Prepared

_PIECE: Final = 1 << 20


def own_copy(prepared: Prepared, folder: Path) -> Prepared:
    """Copy a version's files.

    Args:
        prepared: the version.
        folder: where to put them, empty.

    Returns:
        The version with its files there.

    Raises:
        UnusableModel: a file is not what it was when the version was prepared.
        CacheUnusable: there is no space for them.
    """
    try:
        entry = msgspec.json.decode((prepared.folder / RECORD).read_bytes(), type=Entry)
    except (OSError, msgspec.DecodeError) as error:
        raise _damaged(prepared, RECORD, str(error)) from None
    if (entry.version, entry.engine) != (prepared.version, prepared.engine):
        raise _damaged(prepared, RECORD, f"it is about {entry.version} for {entry.engine}")
    for path, file in entry.files.items():
        target = folder / path
        if not target.resolve().is_relative_to(folder.resolve()):
            raise _damaged(prepared, RECORD, f"it leads to {path}")
        try:
            source = (prepared.folder / path).open("rb")
        except OSError as error:
            raise _damaged(prepared, path, str(error.strerror)) from None
        try:
            with source:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as out:
                    copied = _copied(source, out)
        except OSError as error:
            raise CacheUnusable(
                f"{prepared.version} cannot be copied to {folder.parent}: {error.strerror}; free space there, or name "
                "another folder by TMPDIR"
            ) from None
        if copied != file:
            raise _damaged(prepared, path, "its checksum does not fit")
    return replace(prepared, folder=folder)


def _copied(source: BinaryIO, out: BinaryIO) -> File:
    """Copy a file, and describe what was copied."""
    digest, size = hashlib.sha256(), 0
    while piece := source.read(_PIECE):
        digest.update(piece)
        size += len(piece)
        out.write(piece)
    return File(size, digest.hexdigest())


def _damaged(prepared: Prepared, path: str, reason: str) -> UnusableModel:
    return UnusableModel(f"{prepared.version} cannot be loaded: {prepared.folder / path} is damaged: {reason}")
