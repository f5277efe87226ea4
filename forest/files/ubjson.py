"""UBJSON as XGBoost writes it: draft 12 of https://ubjson.org, as far as XGBoost's src/common/json.cc goes."""

import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.files.stored import Unreadable

_DEEPEST: Final = 32
"""How deep values may stand in each other; XGBoost's are 8 deep."""

_NUMBERS: Final = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
"""Types of numbers, alone and in arrays, which are big-endian."""

_LENGTH: Final = struct.Struct(">q")


def read_ubjson(content: bytes | bytearray | memoryview) -> Any:  # noqa: ANN401 - whatever the file has in it
    """Read one value and nothing behind it.

    Args:
        content: UBJSON.

    Returns:
        Dictionaries, lists, texts, whole numbers, booleans and None. Floating-point numbers are numpy's scalars of
        their width; a typed array is a view of the content, of big-endian numbers.

    Raises:
        Unreadable: it is damaged, or has what XGBoost does not write.
    """
    view = memoryview(content).cast("B")
    reading = _Reading(view)
    try:
        found = reading.value(0)
    except (IndexError, struct.error):
        raise Unreadable("it is damaged: it ends too early") from None
    except UnicodeDecodeError:
        raise Unreadable("it is damaged: a text in it is none") from None
    if reading.at != len(view):
        raise Unreadable("it is damaged: there is more behind its end")
    return found


class _Reading:
    """Values one after the other.

    Attributes:
        at: where the next one begins.
    """

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self.at = 0

    def value(self, depth: int) -> Any:  # noqa: ANN401
        """The next value, which stands in so many others."""
        if depth > _DEEPEST:
            raise Unreadable(f"it has values that are more than {_DEEPEST} deep")
        mark = self._mark()
        if (type_ := _NUMBERS.get(mark)) is not None:
            number = self._numbers(type_, 1)[0]
            return int(number) if type_[1] in "iu" else number
        if (read := _READ.get(mark)) is None:
            raise Unreadable(f"it is damaged: it has {mark!a} where a value should be")
        return read(self, depth)

    def text(self) -> str:
        """A length and so many bytes."""
        return str(self._bytes(self._length()), "utf-8")

    def array(self, depth: int) -> Any:  # noqa: ANN401
        """An array behind its bracket."""
        match chr(self._content[self.at]):
            case "$":
                self.at += 1
                mark = self._mark()
                if (type_ := _NUMBERS.get(mark)) is None or self._mark() != "#":
                    raise Unreadable("it is damaged: an array in it is of no known type")
                return self._numbers(type_, self._length())
            case "#":
                self.at += 1
                # Each item takes a byte at least.
                if (length := self._length()) > len(self._content) - self.at:
                    raise IndexError
                return [self.value(depth + 1) for _ in range(length)]
        found = []
        while self._content[self.at] != ord("]"):
            found.append(self.value(depth + 1))
        self.at += 1
        return found

    def object(self, depth: int) -> dict[str, Any]:
        """Names and values, behind their bracket."""
        found: dict[str, Any] = {}
        while self._content[self.at] != ord("}"):
            if (name := self.text()) in found:
                raise Unreadable(f"it is damaged: it has {name[:40]!a} twice")
            found[name] = self.value(depth + 1)
        self.at += 1
        return found

    def _mark(self) -> str:
        self.at += 1
        return chr(self._content[self.at - 1])

    def _length(self) -> int:
        if self._mark() != "L":
            raise Unreadable("it is damaged: a length in it is none")
        (length,) = _LENGTH.unpack(self._bytes(_LENGTH.size))
        return int(length)

    def _numbers(self, type_: str, count: int) -> NDArray[Any]:
        return np.frombuffer(self._bytes(count * np.dtype(type_).itemsize), type_)

    def _bytes(self, size: int) -> memoryview:
        if not 0 <= size <= len(self._content) - self.at:
            raise IndexError
        self.at += size
        return self._content[self.at - size : self.at]


_READ: Final[dict[str, Callable[[_Reading, int], Any]]] = {
    "{": _Reading.object,
    "[": _Reading.array,
    "S": lambda reading, _: reading.text(),
    "Z": lambda _reading, _: None,
    "T": lambda _reading, _: True,
    "F": lambda _reading, _: False,
}
"""What follows which mark."""
