"""The way out: what a process writes to its standard output and error is redacted, whoever writes it.

Log records, tracebacks of whatever thread, warnings, usage errors and what a model's code prints all go there; so there
is one place for all of them, and no handler or hook that a library brings along passes it by.
"""

import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

from redaction.known import redact


class Redacted:
    """A text stream that redacts each text written to it.

    Args:
        stream: where it goes then.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """See ``io.TextIOBase``."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """See ``io.IOBase``."""
        self.write("".join(lines))


def guard() -> None:
    """Redact what this process writes from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Redacted):  # there is none if the descriptor was closed
            setattr(sys, name, cast(TextIO, Redacted(stream)))
