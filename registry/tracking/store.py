"""The address of an MLflow store."""

import re
from contextlib import suppress
from pathlib import Path

_SQLITE = "sqlite:///"
_USER = re.compile(r"://[^/\s]*@")


def sqlite_file(tracking_uri: str) -> Path | None:
    """The file of an SQLite store, whose address may carry options; None if the store is something else."""
    if not tracking_uri.startswith(_SQLITE):
        return None
    return Path(tracking_uri.removeprefix(_SQLITE).partition("?")[0])


def without_user(address: str) -> str:
    """An address without user name and password; the same for everybody, unlike what redaction leaves of a text."""
    return _USER.sub("://", address)


def stamp(tracking_uri: str) -> str:
    """What changes whenever an SQLite store is written to; empty if the store is something else, or not there."""
    if (path := sqlite_file(tracking_uri)) is None:
        return ""
    try:
        found = [path.stat()]
    except OSError:
        return ""
    with suppress(OSError):  # it is there only if the store is written ahead to a log
        found.append(path.with_name(path.name + "-wal").stat())
    return " ".join(f"{each.st_mtime_ns}/{each.st_size}" for each in found)
