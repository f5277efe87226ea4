"""The secrets that are in force in this process, and the one function that takes them out of a text."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from redaction import variables
from redaction.written import SHORTEST, Trace, traces

MASK: Final = "***"
"""What stands where a secret was."""

_MOST: Final = 1000
"""Secrets that are kept; keys that are given for an hour each would fill the memory of a server that runs for years."""

_HIDDEN: Final = r"password|passwd|passphrase|pwd|secret|token|(?:api|access|private|account)_?key|signature|credential"
_VALUE: Final = r"b?(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[^\s&;,'\"]+)"
_LOOKS: Final[Sequence[tuple[re.Pattern[str], str]]] = [
    (re.compile(r"://\S*@"), "://"),
    (re.compile(rf"(?i)((?:\b|[_-])(?:\w*(?:{_HIDDEN})|sig)=){_VALUE}"), rf"\1{MASK}"),
    (re.compile(rf"(?i)([\"'][\w-]*(?:{_HIDDEN})[\w-]*[\"']\s*:\s*){_VALUE}"), rf"\1{MASK}"),
    (re.compile(r"\b(Bearer|Basic) (?!\*\*\*)[^\s'\",]+"), rf"\1 {MASK}"),
]
"""What looks like a secret, whether it is known or not; users and passwords leave a URL without a mark."""

_known: dict[str, list[Trace] | None] = {}


def learn(environment: Mapping[str, str], arguments: Sequence[str] = ()) -> None:
    """Know the secrets of variables, of the files that they lead to, and of a command line."""
    add(*variables.of_environment(environment), *variables.of_files(environment), *variables.of_arguments(arguments))


def add(*secrets: str | None) -> None:
    """Know some more; those that are empty, or too short to be told from other text, are none."""
    for secret in secrets:
        if secret and len(secret.strip()) >= SHORTEST:
            _known.setdefault(secret.strip())
    for oldest in list(_known)[:-_MOST]:
        _known.pop(oldest, None)


def forget() -> None:
    """Know nothing, for tests."""
    _known.clear()


def redact(text: str) -> str:
    """A text without secrets.

    Each that is known is found in whatever form it is written, and becomes ``***``. So does what merely looks like one,
    behind ``password=`` or ``Bearer`` for example. From a URL user and password go without a mark.
    """
    for start, end in reversed(_merged(span for trace in _traces() for span in trace.spans(text))):
        text = text[:start] + MASK + text[end:]
    for pattern, replacement in _LOOKS:
        text = pattern.sub(replacement, text)
    return text


def one_line(text: object) -> str:
    """A message without secrets, on one line."""
    return " ".join(redact(str(text)).split())


def _traces() -> Iterable[Trace]:
    for secret, found in list(_known.items()):
        if found is None:  # patterns are made when they are needed: many a process has nothing to say
            found = _known[secret] = traces(secret)
        yield from found


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that touch as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
