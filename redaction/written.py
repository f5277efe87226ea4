"""A secret, found in whatever way an exception, a URL or a header has it written.

Libraries show what they choke on in forms of their own: ``repr`` of text or of bytes, JSON, percent-encoding, HTML,
base64 of "user:password", UTF-8 read as Latin-1, or several of these in a row. So no list of forms is searched for, but
each character in any of the ways in which it may stand there.
"""

import base64
import re
import string
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from typing import Final, NamedTuple

SHORTEST: Final = 4
"""Characters that a secret must have to be searched for: a shorter one is found in many a word."""

_LONG: Final = 24
_PART: Final = 12
"""A secret of ``_LONG`` characters is also known by its first and its last ``_PART``, for some libraries shorten."""

_ALONE: Final = frozenset(string.ascii_letters + string.digits)
"""What nobody writes in another way."""

_BASE64: Final = frozenset(string.ascii_letters + string.digits + "+/-_=%")
_WORD: Final = frozenset(string.printable) - frozenset(string.whitespace + "\"'")

_PERCENT: Final = "%(?:25)*"
"""Before the digits of a percent-encoded byte, however often that was encoded again."""

_ESCAPE: Final = rf"(?:\\|{_PERCENT}5[cC])+"
_SPACE: Final = (
    rf"\s|\+|{_ESCAPE}(?:[nrtvf]|x[01][0-9a-fA-F]|x2[0bB]|u00[012][0-9a-fA-F])|{_PERCENT}(?:[01][0-9a-fA-F]|2[0bB])"
)
_BACKSLASHES: Final = rf"(?:\\(?:u005[cC]|x5[cC])?|{_PERCENT}5[cC]|&#92;)+"
_LOST: Final = rf"(?:[?\x80-\U0010ffff]|{_ESCAPE}x[0-9a-fA-F]{{2}})+"
"""Any characters that are not ASCII, or what they are replaced by."""

_NAMED: Final = {"&": "amp|", "<": "lt|", ">": "gt|", '"': "quot|", "'": "apos|"}


class Trace(NamedTuple):
    """What gives a secret away.

    Attributes:
        pattern: finds it.
        around: characters that go with what was found, on either side.
    """

    pattern: re.Pattern[str]
    around: frozenset[str] = frozenset()

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it is in a text."""
        for found in self.pattern.finditer(text):
            start, end = found.span()
            while start and text[start - 1] in self.around:
                start -= 1
            while end < len(text) and text[end] in self.around:
                end += 1
            yield start, end


def traces(secret: str) -> list[Trace]:
    """All that gives a secret away; nothing does if it is shorter than ``SHORTEST``."""
    secret = secret.strip()
    if len(secret) < SHORTEST:
        return []
    # Whoever splits a URL drops these.
    found = [Trace(re.compile(_written(each))) for each in {secret, re.sub(r"[\t\r\n]", "", secret)}]
    if not secret.isascii() and len("".join(readable := re.split(r"[^\x00->@-\x7f]+", secret))) >= SHORTEST:
        found.append(Trace(re.compile(_LOST.join(map(_written, readable)))))
    if len(secret) >= _LONG:
        parts = (secret[:_PART].rstrip(), secret[-_PART:].lstrip())
        found += [Trace(re.compile(_written(part)), _WORD) for part in parts if len(part) >= SHORTEST]
    return found + [Trace(re.compile(core), _BASE64) for core in _cores(secret)]


def _written(secret: str) -> str:
    """A pattern for a text in all ways in which it may be written."""
    pattern, after = "", ""
    for kind, group in groupby(secret, key=_kind):
        run = "".join(group)
        if kind == "backslash":  # how many there are is as good as unknown, and they may belong to what follows
            after = _BACKSLASHES
            continue
        if kind == "space":  # and so are these: who writes a line writes them as one
            others = "".join(f"|{_character(each)}" for each in sorted(set(run)) if not each.isascii())
            pattern += f"{after}(?:[nrtvf]|x[01][0-9a-f]|u00[01][0-9a-f])?" if after else ""
            pattern += f"(?:{_SPACE}{others}){'*' if after else '+'}"
        else:
            pattern += after + "".join(map(_character, run))
        after = ""
    return pattern + after


def _kind(character: str) -> str:
    return "backslash" if character == "\\" else "space" if character.isspace() or character == "+" else "other"


def _character(character: str) -> str:
    """A pattern for one character, which is no backslash."""
    return character if character in _ALONE else f"(?:{_ESCAPE})?(?:{'|'.join(_ways(character))})"


def _ways(character: str) -> Iterator[str]:
    """Patterns for a character without the backslashes before it, if there are any."""
    code = ord(character)
    yield re.escape(character)
    encodings = _encodings(character)
    for encoded in encodings:
        yield "".join(_PERCENT + _hex(byte) for byte in encoded)
    yield f"&(?:amp;)*(?:{_NAMED.get(character, '')}#0*{code}|#[xX]0*{_hex(code, 1)});"
    if code < 0x80:
        yield f"(?:x|u00){_hex(code)}"
        return
    # The repr of text, of bytes, and JSON.
    for encoded in encodings:
        yield _ESCAPE.join(f"x{_hex(byte)}" for byte in encoded)
    if code > 0xFFFF:
        high, low = divmod(code - 0x10000, 0x400)
        yield f"u{_hex(0xD800 + high, 4)}{_ESCAPE}u{_hex(0xDC00 + low, 4)}"
        yield f"U{_hex(code, 8)}"
    else:
        yield f"u{_hex(code, 4)}"
    yield "".join(map(_misread, encodings[0]))


def _misread(byte: int) -> str:
    """One of the bytes of a character, each of which was taken for a character."""
    again = f"{_PERCENT}[cC]{2 + (byte > 0xBF)}{_PERCENT}{_hex(byte & 0xBF)}"
    plain = r"\s" if chr(byte).isspace() else re.escape(chr(byte))
    return rf"(?:{plain}|(?:{_ESCAPE})?(?:x|u00){_hex(byte)}|{again})"


def _hex(number: int, digits: int = 2) -> str:
    """A pattern for a number in hexadecimal digits, small or large."""
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in f"{number:0{digits}x}")


def _encodings(text: str) -> list[bytes]:
    """Its bytes, in UTF-8 first, and in Latin-1 if it has any there."""
    encoded = [text.encode("utf-8", "surrogatepass")]
    with suppress(UnicodeEncodeError):
        encoded.append(text.encode("latin-1"))
    with suppress(UnicodeEncodeError):  # a variable may have bytes that are no UTF-8
        encoded.append(text.encode("utf-8", "surrogateescape"))
    return list(dict.fromkeys(encoded))


def _cores(secret: str) -> Iterator[str]:
    """Patterns for what is the same in base64 of every text with the secret in it, whatever is before and behind."""
    for encoded in _encodings(secret):
        for before in range(3):
            whole = base64.b64encode(bytes(before) + encoded).decode()
            core = whole[-(-before * 8 // 6) : (before + len(encoded)) * 8 // 6]
            if len(core) >= SHORTEST:
                yield "".join({"+": r"(?:[+\-]|%2[bB])", "/": r"(?:[/_]|%2[fF])"}.get(each, each) for each in core)
