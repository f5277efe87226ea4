"""Keeping secrets: what leaves a process in a message, an answer or a log goes through ``redact``.

A program calls ``start`` first of all. ``add`` is for whoever finds a secret later, in a file or by asking a service.
"""

from collections.abc import MutableMapping, Sequence

from redaction.known import MASK, add, forget, learn, one_line, redact
from redaction.output import guard
from redaction.variables import BadVariable, mend, misses_encoding, why_unsendable
from redaction.written import SHORTEST

__all__ = [
    "MASK",
    "SHORTEST",
    "BadVariable",
    "add",
    "forget",
    "guard",
    "learn",
    "mend",
    "misses_encoding",
    "one_line",
    "redact",
    "start",
    "why_unsendable",
]


def start(environment: MutableMapping[str, str], arguments: Sequence[str]) -> list[str]:
    """Guard what this process says, and mend its variables.

    Args:
        environment: the process's own.
        arguments: of its command line.

    Returns:
        The names of the variables that had a line end.

    Raises:
        BadVariable: see ``mend``.
    """
    learn(environment, arguments)
    guard()
    return mend(environment)
