"""XGBoost's model files, JSON or UBJSON, as one kind of document: named parts, numbers and arrays, each of its type."""

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.files.stored import Unreadable
from forest.files.ubjson import read_ubjson

_MOST_DIGITS: Final = 18
"""Of a whole number that is stored as text."""

_SUBNORMAL: Final = 2.0**-126
"""Below it, numbers in float32 stand ``_STEP`` apart."""

_STEP: Final = 2.0**-149
_SPACES: Final = b" \t\r\n"


class Document:
    """A part of a model file, asked by name.

    Args:
        content: the part.
        name: how it is called, for messages.
    """

    def __init__(self, content: Any, name: str = "the model") -> None:  # noqa: ANN401 - whatever a file has in it
        if type(content) is not dict:
            raise Unreadable(f"it is no model of XGBoost: {name} has no parts")
        self._content: dict[str, Any] = content
        self._name = name

    def __contains__(self, name: str) -> bool:
        return name in self._content

    def part(self, name: str) -> "Document":
        """A part of it.

        Raises:
            Unreadable: there is none.
        """
        return Document(self._get(name), name)

    def parts(self, name: str) -> "Iterator[Document]":
        """A list of parts.

        Raises:
            Unreadable: there is none.
        """
        found = self._get(name)
        if not isinstance(found, list):
            raise self._damaged(name)
        return (Document(each, name) for each in found)

    def text(self, name: str) -> str:
        """A text.

        Raises:
            Unreadable: there is none.
        """
        found = self._get(name)
        if type(found) is not str:
            raise self._damaged(name)
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; none if there is no such part.

        Raises:
            Unreadable: it is something else.
        """
        found = self._content.get(name, [])
        if isinstance(found, np.ndarray) and not len(found):
            return ()
        if not isinstance(found, list) or any(type(each) is not str for each in found):
            raise self._damaged(name)
        return tuple(found)

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number, which is stored as text; the default, if there is one and no such part.

        Raises:
            Unreadable: it is something else.
        """
        if name not in self._content and default is not None:
            return default
        text = self.text(name)
        if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > _MOST_DIGITS:
            raise self._damaged(name)
        return int(text)

    def place(self, name: str) -> int:
        """A whole number that is stored as one.

        Raises:
            Unreadable: it is something else.
        """
        found = self._get(name)
        if type(found) is not int:
            raise self._damaged(name)
        return found

    def integers(self, name: str, size: int | None = None) -> NDArray[np.int64]:
        """(n,) int64, an array of whole numbers, and of that size if one is given.

        Raises:
            Unreadable: it is something else.
        """
        found = self._array(name, size)
        if found.dtype.kind not in "biu" and len(found):
            raise self._damaged(name)
        return found.astype(np.int64)

    def floats(self, name: str, size: int | None = None) -> NDArray[np.float32]:
        """(n,) float32, an array of numbers, and of that size if one is given.

        Raises:
            Unreadable: it is something else.
        """
        found = self._array(name, size)
        if found.dtype.kind not in "iuf":
            raise self._damaged(name)
        with np.errstate(over="ignore"):
            return found.astype(np.float32)

    def _array(self, name: str, size: int | None) -> NDArray[Any]:
        stored = self._get(name)
        if not isinstance(stored, list | np.ndarray):
            raise self._damaged(name)
        try:
            found = np.asarray(stored)
        except ValueError:  # lists of several lengths
            raise self._damaged(name) from None
        if found.ndim != 1 or size not in (None, len(found)):
            raise self._damaged(name)
        return found

    def _get(self, name: str) -> Any:  # noqa: ANN401
        try:
            return self._content[name]
        except KeyError:
            raise Unreadable(f"it is no model of XGBoost, or damaged: {self._name} has no {name}") from None

    def _damaged(self, name: str) -> Unreadable:
        return Unreadable(f"it is damaged: {name} of {self._name} is not what it should be")


def read_document(content: bytes | bytearray | memoryview) -> Document:
    """Read what ``Booster.save_model`` writes, or a pickle's serialised ``Booster``.

    Raises:
        Unreadable: it is neither JSON nor UBJSON, or damaged.
    """
    start = bytes(memoryview(content)[:64])
    if not start.startswith(b"{"):
        raise Unreadable(
            "it is no model of XGBoost, or in its old binary format: load it by the XGBoost that wrote it, and save it "
            "as ubj"
        )
    read = _read_json if start[1:].lstrip(_SPACES)[:1] == b'"' else read_ubjson
    return Document(read(content))


def nearest_float32(text: str) -> np.float32:
    """The number in float32 that is nearest to a decimal one, as C's ``strtof`` has it.

    A way over float64 would round twice; it matters if that is just between two numbers in float32.

    Raises:
        ValueError: it is no number.
    """
    value = float(text)
    if _between(np.array([value]))[0] and (more := Fraction(Decimal(text)) - Fraction(value)):
        value = math.nextafter(value, math.inf if more > 0 else -math.inf)
    with np.errstate(over="ignore"):
        return np.float32(value)


def _read_json(content: bytes | bytearray | memoryview) -> Any:  # noqa: ANN401
    try:
        text = str(content, "utf-8")
        twice = _Twice()
        found = json.loads(text, parse_float=twice, object_pairs_hook=_once)
        # Numbers that float64 cannot tell the rounding of are as rare as one in a thousand million.
        return json.loads(text, parse_float=_rounded, object_pairs_hook=_once) if twice.happened() else found
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is damaged: {error}") from None


class _Twice:
    """Reads numbers, and remembers them."""

    def __init__(self) -> None:
        self._seen: list[float] = []

    def __call__(self, text: str) -> float:
        value = float(text)
        self._seen.append(value)
        return value

    def happened(self) -> bool:
        """Whether one of them lies between two numbers in float32."""
        return bool(_between(np.array(self._seen, dtype=np.float64)).any())


def _rounded(text: str) -> float:
    return float(nearest_float32(text))


def _between(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) whether each number lies just between two neighbours in float32."""
    # float32 has 29 bits less.
    middle: NDArray[np.bool_] = (values.view(np.uint64) & np.uint64((1 << 29) - 1)) == np.uint64(1 << 28)
    small = np.abs(values) < _SUBNORMAL
    middle[small] = (np.abs(values[small]) / _STEP) % 1 == 0.5
    return middle


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a name twice")
    return found
