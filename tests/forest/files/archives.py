"""Forests of other versions of scikit-learn, which ``versions/make.py`` has made, and what those versions answer."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parents[1] / "versions"


@dataclass(frozen=True, slots=True)
class Archived:
    """A forest of some version.

    Attributes:
        version: of scikit-learn.
        name: of the file.
        content: of the file.
        rows: what was asked.
        labels: what its version's ``predict`` says, as text.
        probabilities: what its version's ``predict_proba`` says.
    """

    version: str
    name: str
    content: bytes
    rows: NDArray[np.float32]
    labels: NDArray[Any]
    probabilities: NDArray[np.float64]

    def __str__(self) -> str:
        return f"{self.version}/{self.name}"

    def write(self, folder: Path) -> Path:
        """Write the file into a folder."""
        path = folder / self.name
        path.write_bytes(self.content)
        return path


class InArchive(NamedTuple):
    """A file of some version's archive, with what that version answered.

    Attributes:
        version: of scikit-learn.
        name: of the file.
        content: of the file.
        answers: by what they are.
    """

    version: str
    name: str
    content: bytes
    answers: dict[str, NDArray[Any]]


def in_archives(folder: Path) -> Iterator[InArchive]:
    """All files of models in a folder's archives, version by version."""
    for path in sorted(folder.glob("*.tar.xz")):
        with tarfile.open(path) as archive:
            files = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
        for name, content in files.items():
            if not name.endswith(".npz"):
                answers = np.load(io.BytesIO(files[f"{name.partition('.')[0]}.npz"]))
                yield InArchive(path.name.removesuffix(".tar.xz"), name, content, dict(answers))


@cache
def archived() -> list[Archived]:
    """All of them, version by version."""
    return [Archived(*each[:3], *each.answers.values()) for each in in_archives(FOLDER)]


def forest_of(version: str, name: str) -> Archived:
    """The forest of a version, 1.3 for one, in a file of a name."""
    return next(each for each in archived() if each.version.startswith(f"{version}.") and each.name == name)
