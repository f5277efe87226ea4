# cython: language_level=3, annotation_typing=False
"""How much of what clients send is taken up in one turn of the event loop.

libuv reads from every connection that has something to say, thousands of them and those that are answered meanwhile
again and again, before the loop does anything else: accept, start what was accepted, answer a probe. A saturated
server would come to that after tens of seconds. Here a turn takes up a bounded number of pieces. The others are only
kept, which costs a fraction of parsing and answering them, and are taken up first come, first served in the turns
after it.
"""

import asyncio
from collections import deque

_PER_TURN = 1024


class Recipient:
    """A connection."""

    __slots__ = ()

    def take_up(self, data: bytes) -> None:
        """Receive what was kept for it."""
        raise NotImplementedError


class ReadBudget:
    """What all connections of an event loop have been sent and not taken up.

    Turns share the room of one as long as it lasts: only when none is left it is made sure that a turn ends, and that
    the next one has room again.
    """

    __slots__ = ("_kept", "_room")

    def __init__(self) -> None:
        self._room = _PER_TURN
        self._kept: deque[tuple[Recipient, bytes]] = deque()

    def __repr__(self) -> str:
        return f"<ReadBudget with {len(self._kept)} pieces kept>"

    def admit(self) -> bool:
        """Whether a piece may be taken up in this turn, which takes some of its room; if not, it must be kept."""
        if not self._room:
            return False
        self._room -= 1
        return True

    def keep(self, recipient: Recipient, data: bytes) -> None:
        """Keep a piece that was not admitted until its turn comes."""
        if not self._kept:
            asyncio.get_running_loop().call_soon(self._turn)
        self._kept.append((recipient, data))

    def _turn(self) -> None:
        """Take up as much as one turn may."""
        kept = self._kept
        try:
            for _ in range(min(len(kept), _PER_TURN)):
                recipient, data = kept.popleft()
                recipient.take_up(data)
        finally:
            if kept:
                asyncio.get_running_loop().call_soon(self._turn)
            else:
                self._room = _PER_TURN
