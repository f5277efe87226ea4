"""Which of two representations a client would rather have (RFC 9110, 12.5.1)."""

import re
from collections.abc import Iterable
from typing import Final

_QUALITY: Final = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


def prefers(wanted: str, other: str, accept: Iterable[str]) -> bool:
    """Whether a client would rather have a media type than another, which it is given in case of doubt.

    Args:
        wanted: the media type, in lower case.
        other: the other one.
        accept: the values of its headers Accept; without any it takes whatever there is.
    """
    ranges = dict(_ranges(accept))
    return _quality(wanted, ranges) > _quality(other, ranges)


def _ranges(accept: Iterable[str]) -> Iterable[tuple[str, float]]:
    """Each media range, in lower case and without parameters, with its quality; a malformed quality counts as zero."""
    for element in ",".join(accept).split(","):
        media_range, *parameters = (part.strip() for part in element.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.lower().startswith("q="):
                found = _QUALITY.fullmatch(parameter)
                quality = float(found[1]) if found else 0.0
        yield media_range.lower(), quality


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    """What the most specific of the ranges says of a media type."""
    for media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0
