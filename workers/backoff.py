"""How soon a process that ended is started again."""

from typing import Final

_SHORT: Final = 5.0
"""Seconds; a process that lived longer did not end because it cannot start."""

_FIRST: Final = 0.5
_LONGEST: Final = 30.0


class Backoff:
    """At once, unless it ends again and again soon after its start."""

    def __init__(self) -> None:
        self._next = 0.0

    def after(self, lived: float) -> float:
        """Seconds to wait.

        Args:
            lived: seconds from the start of the process to its end.
        """
        if lived >= _SHORT:
            self._next = 0.0
        delay = self._next
        self._next = min(max(2 * delay, _FIRST), _LONGEST)
        return delay
