"""Models that versions of CatBoost wrote, with their own answers."""

import functools
import io
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_END = ".tar.xz"
VERSIONS = {path.name.removesuffix(_END): path for path in Path(__file__).with_name("versions").glob(f"*{_END}")}
"""What ``versions/make.py`` wrote under each version."""


class Recorded(NamedTuple):
    """A model and its answers.

    Attributes:
        kind: the class that loaded it.
        content: its file.
        rows: (n, 4) that it was asked.
        answers: (n,) what ``predict`` said.
        probabilities: (n, n_classes) what ``predict_proba`` said; None if it has none.
    """

    kind: str
    content: bytes
    rows: NDArray[np.float64]
    answers: NDArray[Any]
    probabilities: NDArray[np.float64] | None


@functools.cache
def recorded(version: Path) -> dict[str, Recorded]:
    """All models of an archive, by their classes and names."""
    with tarfile.open(version) as archive:
        files = {each.name: archive.extractfile(each) for each in archive.getmembers()}
        contents = {name: file.read() for name, file in files.items() if file is not None}
    found = {}
    for name in {name.rpartition(".")[0] for name in contents}:
        told = np.load(io.BytesIO(contents[f"{name}.npz"]))
        proba = told.get("probabilities")
        kind = name.partition(" ")[0]
        found[name] = Recorded(kind, contents[f"{name}.cbm"], told["rows"], told["answers"], proba)
    return found
