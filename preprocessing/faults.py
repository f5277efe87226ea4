"""Why a body is refused, in words for the person who wrote the request; nothing here is in a hurry."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from preprocessing.errors import InvalidBody, InvalidRow, MalformedJSON

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a body that it cannot read; its ValidationError, which is a DecodeError, comes later."""

_LONGEST: Final = 200
"""Characters of the body that an error repeats."""

_TYPES: Final = {
    "float": "a number",
    "int": "a whole number",
    "str": "a string",
    "bool": "a boolean",
    "null": "null",
    "array": "an array",
    "object": "an object",
}
"""What msgspec calls them, and what JSON does."""

_KINDS: Final = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}

_WITH_STRINGS: Final = frozenset({str, list, dict})
"""What may have a string in it, of what a parser gives; a look at the type takes a tenth of what isinstance does."""

_TYPE: Final = re.compile("`((?:" + "|".join(_TYPES) + r")(?: \| (?:" + "|".join(_TYPES) + "))*)`")


def split(error: msgspec.ValidationError) -> tuple[str, str]:
    """The path and the reason in msgspec's ``reason - at `path```, the reason in the words of JSON."""
    reason, found, path = str(error).rpartition(" - at `")
    if not found:
        reason, path = path, "$`"
    reason = _TYPE.sub(lambda match: _in_words(match[1].split(" | ")), reason)
    reason = reason.replace("Expected ", "expected ").replace("Object missing required field", "lacks the field")
    reason = reason.replace("Object contains unknown field", "has the unknown field").replace("Number out", "is out")
    return path.removesuffix("`"), shortened(reason)


def _in_words(types: list[str]) -> str:
    """What may be there; a string beside something else is a name."""
    words = ["a name" if name == "str" and len(types) > 1 else _TYPES[name] for name in types]
    return " or ".join(words)


def shortened(text: str) -> str:
    """The text, or its beginning if it is long."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def parse(body: bytes | bytearray) -> Any:  # noqa: ANN401 - whatever it is
    """Read a body that broke the schema, for what is no JSON at all is another fault.

    Returns:
        Its content; UNSET if it has a number that is out of range.

    Raises:
        InvalidBody: it cannot be read.
    """
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:
        return msgspec.UNSET
    except UNREADABLE as error:
        raise unreadable(body, error) from None


def unreadable(body: bytes | bytearray, error: Exception) -> InvalidBody:
    """Why a body cannot be read, after msgspec's ``error``.

    What Python's parser can read all the same has a place: NaN and Infinity, which many encoders write, and halves of
    surrogate pairs, which the grammar of JSON allows.
    """
    if isinstance(error, RecursionError):
        return MalformedJSON("arrays or objects are nested too deeply")
    if not body.strip():
        return MalformedJSON("the body is empty")
    if encoding := _other_encoding(body):
        return MalformedJSON(f"the body looks like {encoding.upper()}: JSON is sent as UTF-8")
    try:
        text = body.decode()
    except UnicodeDecodeError as fault:
        return MalformedJSON(f"the body is not UTF-8: {fault.reason} (byte {fault.start})")
    if (found := _first_fault(text)) is not None:
        return found
    if str(error) == "Input data was truncated":
        return MalformedJSON("the JSON ends before it is complete")
    return MalformedJSON(str(error))


def first(body: bytes | bytearray) -> InvalidRow | None:
    """What is wrong with a body that msgspec takes, if anything."""
    return _first_fault(body.decode())


def check_unique(body: bytes | bytearray, strings: int) -> None:
    """See to it that no object in a body has a name twice: most parsers would take one of the values without a word.

    Args:
        body: JSON that could be read.
        strings: how many strings it has if no name comes twice, names included.

    Raises:
        InvalidRow: one does.
    """
    if body.count(b'"') == 2 * strings:
        return
    try:
        found = next(_faults(_parsed(body.decode())), None)
    except (ValueError, RecursionError):
        raise InvalidRow("$", "is nested too deeply, or has too long a number, to be looked through") from None
    if found is not None:
        raise found


def count_strings(value: object) -> int:
    """How many strings a part of a body has, names included."""
    count, waiting = 0, [value]
    while waiting:  # instead of a recursion, which a client could have go too deep
        each = waiting.pop()
        if isinstance(each, str):
            count += 1
        elif isinstance(each, dict):
            count += len(each)
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend([part for part in each if type(part) in _WITH_STRINGS])
    return count


def kind(value: object) -> str:
    """What JSON calls a value."""
    return next((word for type_, word in _KINDS.items() if isinstance(value, type_)), "null")


def repeated(body: bytes | bytearray) -> InvalidBody:
    """Where a body has the same name twice in an object."""
    return _first_fault(body.decode()) or InvalidRow("$", "has a name more than once")


class _NotFinite(float):
    """A number that was written as NaN or Infinity, not one that is beyond what a float can hold."""


class _Object(list[tuple[str, Any]]):
    """The names and values of an object, each as often as it came."""


def _first_fault(text: str) -> InvalidRow | None:
    """What Python's parser takes, in the order of the text; None if there is nothing, or it cannot read it either."""
    try:
        return next(_faults(_parsed(text)), None)
    except (ValueError, RecursionError):
        return None


def _parsed(text: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(text, parse_constant=lambda name: _NotFinite(name), object_pairs_hook=_Object)


def _faults(value: object, path: tuple[str | int, ...] = ()) -> Iterator[InvalidRow]:
    """The faults of a value, in the order of the text. A path is written only where there is one."""
    if isinstance(value, _Object):
        seen = set()
        for name, element in value:
            inner = (*path, name)
            if name in seen:
                yield InvalidRow(_written(inner), "is there more than once")
            seen.add(name)
            yield from _faults(name, inner)
            yield from _faults(element, inner)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _faults(element, (*path, index))
    elif isinstance(value, _NotFinite):
        yield InvalidRow(_written(path), f"{value} is not a number that JSON can carry")
    elif isinstance(value, str) and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        yield InvalidRow(_written(path), "has half of a surrogate pair, which stands for no character")


def _written(path: tuple[str | int, ...]) -> str:
    """A path as JSONPath has it."""
    parts = (
        f"[{part}]"
        if isinstance(part, int)
        else (f".{part}" if part.isidentifier() and len(part) <= _LONGEST else f"[{json.dumps(shortened(part))}]")
        for part in path
    )
    return "$" + "".join(parts)


def decode_lenient(body: bytes | bytearray) -> Any:  # noqa: ANN401 - JSON
    """Read a body in which NaN may stand for a missing value, as Python's encoder writes it.

    Raises:
        InvalidBody: it cannot be read even so, has another number that JSON cannot carry, or a name twice.
    """
    try:
        parsed = _parsed(body.decode())
        for fault in _faults(parsed):
            if not fault.reason.startswith("nan "):
                raise fault
        return _plain(parsed)
    except RecursionError as error:
        raise unreadable(body, error) from None
    except ValueError as error:
        if isinstance(error, InvalidBody):
            raise
        raise MalformedJSON(str(error)) from None


def _plain(value: object) -> object:
    """A parsed value with None for NaN."""
    if isinstance(value, _Object):
        return {name: _plain(element) for name, element in value}
    if isinstance(value, list):
        return [_plain(element) for element in value]
    return None if isinstance(value, _NotFinite) else value


def _other_encoding(body: bytes | bytearray) -> str | None:
    """UTF-16 or UTF-32, if the body looks like JSON in it, by its byte order mark or the zeros where it begins."""
    encoding = json.detect_encoding(body)
    if not encoding.startswith(("utf-16", "utf-32")):
        return None
    start = bytes(body[:8]).decode(encoding, "replace").lstrip("\ufeff")
    return encoding.removesuffix("-le").removesuffix("-be") if re.match(r'[\s{\["\-0-9tfn]', start) else None
