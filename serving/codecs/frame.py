"""Reading the frame of a request: what it asks that does not stand in its body."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

from serving.codecs.codec import Codec, Frame, Pairs
from serving.errors import BadParameter

DEADLINE: Final = "Canopy-Deadline-Ms"
TIMING: Final = "Canopy-Timing"

READS: Final = frozenset({DEADLINE.lower(), TIMING.lower()})
"""The headers, in lower case, that are read whatever the format."""

PARAMETERS: Final = (
    {
        "name": DEADLINE,
        "in": "header",
        "description": "Longest time in the queue, in milliseconds; more than that is 504.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 86_400_000},
    },
    {
        "name": TIMING,
        "in": "header",
        "description": "Whether the answer has Server-Timing: how long the request waited, and its batch took.",
        "schema": {"type": "boolean"},
    },
)
"""What a format need not describe."""

_DECIMAL: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


def read_frame(codec: Codec, query: bytes, headers: Iterable[tuple[bytes, bytes]], version: str | None = None) -> Frame:
    """Read what a request asks.

    Args:
        codec: the format of its address.
        query: the query of its target.
        headers: with their names in lower case.
        version: the version of the model that its path names, if it does.

    Raises:
        RequestError: it asks for what there is not.
    """
    parameters = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    named = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    options = codec.options(parameters, named)
    timed = flag(TIMING, named)
    constant = codec.constant(options) and not timed and version is None
    return Frame(codec, options, _timeout(named), timed, constant, version)


def flag(name: str, given: Pairs) -> bool:
    """Read a query parameter or header that is true or false; false if it is not there.

    Args:
        name: what it is called; a header's in its usual spelling.
        given: all there are.

    Raises:
        BadParameter: it is neither, or there are several.
    """
    text = only(name, given)
    if text is None:
        return False
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise BadParameter(f"{name} must be true or false, not {text!r}") from None


def only(name: str, given: Pairs) -> str | None:
    """The value of a query parameter or header that must not come twice; None if it is not there.

    Raises:
        BadParameter: there are several.
    """
    values = [value for each, value in given if each == name.lower()]
    if len(values) > 1:
        raise BadParameter(f"{name} is given {len(values)} times: send one")
    return values[0] if values else None


def _timeout(headers: Pairs) -> float | None:
    """Seconds that the request may wait in the queue; None if it does not say."""
    text = only(DEADLINE, headers)
    if text is None:
        return None
    milliseconds = float(text) if _DECIMAL.fullmatch(text) else 0.0
    if milliseconds == 0:
        raise BadParameter(f"{DEADLINE} must be a positive number of milliseconds, not {text!r}")
    return milliseconds / 1000
