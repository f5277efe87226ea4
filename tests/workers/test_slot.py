"""What workers share."""

import mmap
import os
from pathlib import Path

import pytest

from workers import share_file


def test_a_shared_file_can_be_mapped_and_never_changed(tmp_path: Path) -> None:
    """Neither by its name, for it has none, nor by who has it open; the file that it was copied from may go."""
    path = tmp_path / "file"
    content = os.urandom(3_000_001)
    path.write_bytes(content)
    with share_file(path) as copy:
        path.write_bytes(b"")
        mapped = mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ)
        for harm in (lambda: os.truncate(copy.fileno(), 5), lambda: os.pwrite(copy.fileno(), b"x", 0)):
            with pytest.raises(PermissionError):
                harm()
        with pytest.raises(PermissionError):
            mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_WRITE)
    assert mapped[:] == content


def test_what_cannot_be_read_is_not_shared(tmp_path: Path) -> None:
    """The system says why, and nothing is left open."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - not a folder of ours
    with pytest.raises(FileNotFoundError):
        share_file(tmp_path / "missing")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
