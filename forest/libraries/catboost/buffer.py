"""FlatBuffers as a file of anybody's: tables, texts and arrays, each held against the bounds of the buffer.

The format is https://flatbuffers.dev/internals. Its own runtime for Python checks no bounds, so that it fits only
buffers that are trusted.
"""

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.files.stored import Unreadable

_OFFSET: Final = struct.Struct("<I")
_BACK: Final = struct.Struct("<i")
_SHORT: Final = struct.Struct("<H")

_ONCE: Final = 2
"""How often all bytes may be handed out: what is written points to each of them once, but for a few."""


class Buffer:
    """The bytes of a buffer.

    Args:
        content: all of it.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._left = _ONCE * len(content)

    def root(self) -> "Table":
        """The table that all others hang on.

        Raises:
            Unreadable: there is none.
        """
        return Table(self, self.follow(0))

    def number(self, form: struct.Struct, at: int) -> Any:  # noqa: ANN401 - of its form
        """The number at a place.

        Raises:
            Unreadable: the place is out of bounds.
        """
        # Of a negative place, struct would count from the end.
        if not 0 <= at <= len(self._content) - form.size:
            raise Unreadable("it is damaged: a part of it lies outside of it")
        return form.unpack_from(self._content, at)[0]

    def follow(self, at: int) -> int:
        """Where what the offset at a place points to begins."""
        return at + int(self.number(_OFFSET, at))

    def array(self, at: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """(n,) the numbers that stand behind their number.

        Raises:
            Unreadable: they end out of bounds, or there is more of them than the buffer has.
        """
        count = int(self.number(_OFFSET, at))
        begin, size = at + _OFFSET.size, count * dtype.itemsize
        self._left -= size
        if size > len(self._content) - begin or self._left < 0:
            raise Unreadable("it is damaged: an array in it is larger than it")
        return np.frombuffer(self._content, dtype, count, begin)


class Table:
    """A table: fields with numbers, of which each may be absent.

    Args:
        buffer: where it is.
        at: its place there.

    Raises:
        Unreadable: it is out of bounds.
    """

    def __init__(self, buffer: Buffer, at: int) -> None:
        self._buffer = buffer
        self._at = at
        self._fields = at - int(buffer.number(_BACK, at))
        self._size = int(buffer.number(_SHORT, self._fields))

    def number(self, field: int, form: str, default: float) -> Any:  # noqa: ANN401 - of its form
        """A number in a form of ``struct``; the default if it is absent."""
        at = self._place(field)
        return default if at is None else self._buffer.number(struct.Struct(f"<{form}"), at)

    def array(self, field: int, dtype: str | list[tuple[str, str]]) -> NDArray[Any]:
        """(n,) numbers, or structures of numbers; none if they are absent."""
        at, of = self._place(field), np.dtype(dtype)
        return np.empty(0, of) if at is None else self._buffer.array(self._buffer.follow(at), of)

    def text(self, field: int) -> str:
        """A text in UTF-8; an empty one if it is absent.

        Raises:
            Unreadable: it is none.
        """
        try:
            return str(self.array(field, "u1").tobytes(), "utf-8")
        except UnicodeDecodeError:
            raise Unreadable("it is damaged: a text in it is none") from None

    def table(self, field: int) -> "Table":
        """Another table.

        Raises:
            Unreadable: it is absent.
        """
        if (at := self._place(field)) is None:
            raise Unreadable("it is damaged: a part of it is missing")
        return Table(self._buffer, self._buffer.follow(at))

    def tables(self, field: int) -> "list[Table]":
        """Several other tables; none if they are absent."""
        if (at := self._place(field)) is None:
            return []
        first = self._buffer.follow(at)
        offsets = self._buffer.array(first, np.dtype("<u4")).tolist()
        begin = first + _OFFSET.size
        return [Table(self._buffer, begin + place * _OFFSET.size + offset) for place, offset in enumerate(offsets)]

    def _place(self, field: int) -> int | None:
        """Where a field stands."""
        entry = 2 * _SHORT.size + field * _SHORT.size
        if entry + _SHORT.size > self._size:
            return None
        offset = int(self._buffer.number(_SHORT, self._fields + entry))
        return self._at + offset if offset else None
