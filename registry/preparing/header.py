"""What a compiled forest says of its columns; read without ``forest.artifact``, which costs numpy's memory."""

import struct
from pathlib import Path
from typing import Final

import msgspec

from registry.columns import Told
from registry.errors import UnusableModel

_PREFIX: Final = struct.Struct("<8sII32s")
"""See ``forest.artifact``, which checks the rest of the file before it is served. A test compares them."""

_MOST: Final = 1 << 26


class _Header(msgspec.Struct):
    columns: list[str] | None


def format_of(path: Path) -> int | None:
    """The format of a compiled forest; None if the file is too short for one.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_PREFIX.size)
    return int(_PREFIX.unpack(start)[1]) if len(start) == _PREFIX.size else None


def told(path: Path) -> Told:
    """Read the columns in a compiled forest's header.

    Raises:
        UnusableModel: there is no such header.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        try:
            _, _, length, _ = _PREFIX.unpack(file.read(_PREFIX.size))
            return Told(msgspec.json.decode(file.read(min(length, _MOST)), type=_Header).columns)
        except (struct.error, msgspec.DecodeError) as error:
            raise UnusableModel(f"{path.name} is damaged: its header cannot be read: {error}") from None
