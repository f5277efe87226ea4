"""Paths for a library that takes every path for a part of a URI: MLflow reads ``a%20b`` as ``a b``."""

import os
from functools import cache
from pathlib import Path


def plain(path: Path) -> str:
    """Another path to the same file or folder, which no decoding changes; good for as long as this process lives.

    Raises:
        OSError: it is not there.
    """
    text = str(path.absolute())
    head, percent, tail = text.rpartition("%")
    if not percent:
        return text
    name, slash, rest = tail.partition("/")
    folder = f"{head}%{name}"
    return f"{_alias(folder, Path(folder).stat().st_ino)}{slash}{rest}"


@cache  # a process has one folder of models; should it be replaced, its number is another
def _alias(folder: str, _inode: int) -> str:
    """The folder by a descriptor that stays open, as also processes that this one starts can read it."""
    return f"/proc/{os.getpid()}/fd/{os.open(folder, os.O_PATH | os.O_CLOEXEC)}"
