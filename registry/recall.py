"""What a model URI meant when the registry was last asked, kept beside the prepared models for when it is down."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from registry.access import Access
from registry.cache import Cache
from registry.store import stamp
from registry.uri import ModelURI
from registry.version import ModelVersion


class _Meaning(msgspec.Struct, frozen=True):
    version: ModelVersion
    stamp: str


def remember(uri: ModelURI, access: Access, cache: Cache, version: ModelVersion, since: str = "") -> None:
    """Write down what a URI means. Where that cannot be written, it is not: the next answer will do as well.

    Args:
        uri: the URI.
        access: the registry.
        cache: whose folder to write to.
        version: its meaning.
        since: the stamp of an SQLite store, from before it was asked.
    """
    file, text = _file(uri, access, cache), msgspec.json.encode(_Meaning(version, since))
    with suppress(OSError):
        if file.exists() and file.read_bytes() == text:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                os.fchmod(out.fileno(), 0o644)
                out.write(text)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def recall(uri: ModelURI, access: Access, cache: Cache) -> ModelVersion | None:
    """What a URI meant when it was last resolved; None if it never was."""
    meaning = _read(uri, access, cache)
    return meaning.version if meaning else None


def recall_unchanged(uri: ModelURI, access: Access, cache: Cache) -> ModelVersion | None:
    """What a URI means, if it is in an SQLite store that nobody has written to since it was resolved; else None."""
    meaning = _read(uri, access, cache)
    return meaning.version if meaning and meaning.stamp and meaning.stamp == stamp(access.tracking_uri) else None


def _read(uri: ModelURI, access: Access, cache: Cache) -> _Meaning | None:
    try:
        return msgspec.json.decode(_file(uri, access, cache).read_bytes(), type=_Meaning)
    except (OSError, msgspec.DecodeError):
        return None


def _file(uri: ModelURI, access: Access, cache: Cache) -> Path:
    digest = hashlib.sha256(msgspec.json.encode((access.address, str(uri)))).hexdigest()[:16]
    return cache.folder / ".resolved" / f"{digest}.json"
