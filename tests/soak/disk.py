"""A small disk for the folder of prepared models, which can be full, emptied and spoilt."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

MEGABYTES: Final = 8


class NoDisk(Exception):
    """There can be no small file system here; the message says why."""


class Disk:
    """A file system, with the cache in it; made by ``disk``.

    Args:
        folder: where it is mounted.

    Attributes:
        cache: the folder of prepared models.
    """

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self._ballast = folder / "ballast"
        self._folder = folder
        self._away = 0

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def free(self) -> None:
        """Leave room again."""
        self._ballast.unlink(missing_ok=True)

    def entries(self, version: int | None = None) -> list[Path]:
        """The files of prepared forests, of one version or of all."""
        return sorted(self.cache.glob(f"*/{version or '*'}-*/forest.canopy"))

    def forget(self, version: int) -> None:
        """Remove what is prepared of a version."""
        for file in self.entries(version):
            shutil.rmtree(file.parent, ignore_errors=True)

    def empty(self) -> None:
        """Remove everything, from one moment to the next."""
        if self.cache.exists():
            self._away += 1
            away = self.cache.rename(self._folder / f"away-{self._away}")
            shutil.rmtree(away, ignore_errors=True)

    def flip(self, version: int, draw: Random) -> None:
        """Change one bit of what is prepared of a version, without anybody being told by the file's times."""
        for path in self.entries(version):
            before = path.stat()
            with path.open("r+b") as file:
                at = draw.randrange(before.st_size)
                file.seek(at)
                (byte,) = file.read(1)
                file.seek(at)
                file.write(bytes([byte ^ 1 << draw.randrange(8)]))
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def overwrite(self, version: int) -> None:
        """Write something shorter over what is prepared of a version, in place, as ``cp`` does."""
        for path in self.entries(version):
            path.write_bytes(b"nothing that anybody could serve")


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """Mount a small file system at a folder.

    Raises:
        NoDisk: this user may not.
    """
    folder.mkdir()
    done = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoDisk(f"no small file system can be mounted: {done.stderr.strip()}; run this as root")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(folder)], check=False)
