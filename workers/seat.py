"""What a worker process is handed when it starts."""

import os
from collections.abc import MutableMapping
from typing import Final

import msgspec

_VARIABLE: Final = "_CANOPY_SEAT"
"""Not for users, so without the prefix of the settings."""


class Seat(msgspec.Struct, frozen=True):
    """A worker's place; its replacement gets the same.

    Attributes:
        index: from 0.
        count: number of workers.
        listener: descriptor of its own listening socket, which stays open in the supervisor: what waits there to be
            accepted when a worker is killed is served by its replacement.
        memory: descriptor of the memory that all workers share (``share_memory``).
        listeners: descriptors of all workers' listening sockets, by index: it may have to stand in for another.
        late: whether there is something to serve already, so that it should take no connection before it does.
    """

    index: int
    count: int
    listener: int
    memory: int
    listeners: tuple[int, ...] = ()
    late: bool = False

    def hand_over(self, channel: int) -> tuple[dict[str, str], list[int]]:
        """The environment variables and the descriptors that a new process needs to ``take`` it.

        Args:
            channel: descriptor of the worker's end of the channel to its supervisor.
        """
        text = msgspec.json.encode((self, channel)).decode()
        return {_VARIABLE: text}, [*self._descriptors, channel]

    @property
    def _descriptors(self) -> set[int]:
        return {self.listener, *self.listeners, self.memory}

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> "tuple[Seat, int] | None":
        """The seat that this process was started for, and the channel's descriptor; None if no supervisor started it.

        The processes that this one starts inherit none of it.

        Args:
            environment: the process's own.
        """
        if (text := environment.pop(_VARIABLE, None)) is None:
            return None
        seat, channel = msgspec.json.decode(text, type=tuple[Seat, int])
        for descriptor in (*seat._descriptors, channel):  # noqa: SLF001 - its own
            os.set_inheritable(descriptor, False)
        return seat, channel


def share_memory(size: int) -> int:
    """Make memory that several processes can map.

    Args:
        size: in bytes; they are zero.

    Returns:
        Its file descriptor.
    """
    descriptor = os.memfd_create("canopy")
    os.truncate(descriptor, size)
    return descriptor
