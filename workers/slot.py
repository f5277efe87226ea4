"""What a worker process is handed when it starts."""

import fcntl
import os
from collections.abc import MutableMapping
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec

_VARIABLE: Final = "_CANOPY_SEAT"
"""Not for users, so without the prefix of the settings."""

_PIECE: Final = 1 << 20
_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class WorkerSlot(msgspec.Struct, frozen=True):
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
    def take(cls, environment: MutableMapping[str, str]) -> "tuple[WorkerSlot, int] | None":
        """The slot that this process was started for, and the channel's descriptor; None if no supervisor started it.

        The processes that this one starts inherit none of it.

        Args:
            environment: the process's own.
        """
        if (text := environment.pop(_VARIABLE, None)) is None:
            return None
        slot, channel = msgspec.json.decode(text, type=tuple[WorkerSlot, int])
        for descriptor in (*slot._descriptors, channel):  # noqa: SLF001 - its own
            os.set_inheritable(descriptor, False)
        return slot, channel


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


def share_file(path: Path) -> FileIO:
    """Copy a file into memory that several processes can map, and that nobody can change any more.

    A file of some folder may be overwritten or cut off while it is mapped: its reader then sees other content without a
    word, or is killed by SIGBUS. This one has no name, and is sealed (memfd_create(2), fcntl(2)).

    Args:
        path: the file.

    Returns:
        The copy, open.

    Raises:
        OSError: it cannot be read, or there is no memory.
    """
    with path.open("rb") as file:
        copy = os.fdopen(os.memfd_create("canopy-file", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "rb+", buffering=0)
        try:
            at = 0
            while copied := os.sendfile(copy.fileno(), file.fileno(), None, _PIECE):
                # What has been copied need not be held twice, which counts where memory is limited.
                os.posix_fadvise(file.fileno(), at, copied, os.POSIX_FADV_DONTNEED)
                at += copied
            fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
        except BaseException:
            copy.close()
            raise
    return copy
