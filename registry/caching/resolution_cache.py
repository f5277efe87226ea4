"""What a model URI meant when the registry was last asked, and when it was last served, kept beside the models."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from registry.caching.cache import Cache
from registry.config import RegistryConfig
from registry.tracking.store import stamp
from registry.uri import ModelURI
from registry.version import ModelVersion

_RESOLVED: Final = ".resolved"
_SERVED: Final = ".served"


class _Meaning(msgspec.Struct, frozen=True):
    version: ModelVersion
    stamp: str = ""


def remember(uri: ModelURI, config: RegistryConfig, cache: Cache, version: ModelVersion, since: str = "") -> None:
    """Write down what a URI means.

    Args:
        uri: the URI.
        config: the registry.
        cache: whose folder to write to.
        version: its meaning.
        since: the stamp of an SQLite store, from before it was asked.
    """
    _write(_file(_RESOLVED, uri, config, cache), _Meaning(version, since))


def recall_unchanged(uri: ModelURI, config: RegistryConfig, cache: Cache) -> ModelVersion | None:
    """What a URI means, if it is in an SQLite store that nobody has written to since it was resolved; else None."""
    meaning = _read(_file(_RESOLVED, uri, config, cache))
    return meaning.version if meaning and meaning.stamp and meaning.stamp == stamp(config.tracking_uri) else None


def remember_served(uri: ModelURI, config: RegistryConfig, cache: Cache, version: ModelVersion) -> None:
    """Write down what is served for a URI."""
    _write(_file(_SERVED, uri, config, cache), _Meaning(version))


def keep_served(uri: ModelURI, config: RegistryConfig, cache: Cache) -> None:
    """Keep what ``remember_served`` has written down from being removed as what nobody has asked for."""
    with suppress(OSError):
        os.utime(_file(_SERVED, uri, config, cache))


def last_served(uri: ModelURI, config: RegistryConfig, cache: Cache) -> ModelVersion | None:
    """What was served for a URI last, by whichever process; None if nothing was."""
    meaning = _read(_file(_SERVED, uri, config, cache))
    return meaning.version if meaning else None


def _write(file: Path, meaning: _Meaning) -> None:
    """Write a file anew. Where that cannot be done, it is not: the next answer will do as well."""
    text = msgspec.json.encode(meaning)
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


def _read(file: Path) -> _Meaning | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Meaning)
    except (OSError, msgspec.DecodeError):
        return None


def _file(kind: str, uri: ModelURI, config: RegistryConfig, cache: Cache) -> Path:
    digest = hashlib.sha256(msgspec.json.encode((config.address, str(uri)))).hexdigest()[:16]
    return cache.folder / kind / f"{digest}.json"
