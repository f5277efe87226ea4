"""Arrays ↔ one file.

Who reads it has a copy in memory that nobody else can change, and checks that: a file that has a name may be
overwritten or cut off at any time, and who has mapped it would answer wrongly, or be killed by SIGBUS. Several
processes share a copy that one of them has sealed (memfd_create(2)) and handed to the others.

The file, all numbers little-endian:

===== ====== ==================================================================================================
at    bytes  content
===== ====== ==================================================================================================
0     8      ``MAGIC``
8     4      format version
12    4      length of the header that follows this table's fields
16    32     SHA-256 of the rest of the file, header included
48    ...    the header, JSON: ``Header``
...          the arrays, in the order of ``_ARRAYS``, each at the next multiple of 64
===== ====== ==================================================================================================

A home-made format, because the words must stand at multiples of a cache line and may be trusted by nobody: the common
formats for arrays align less or run code, and none has a checksum.
"""

import fcntl
import hashlib
import math
import mmap
import os
import re
import struct
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from forest.arrays import ForestArrays
from forest.engine import check_distributions

MAGIC: Final = b"CANOPY\x0fF"
FORMAT: Final = 1

_PREFIX: Final = struct.Struct("<8sII32s")
_ALIGNMENT: Final = 64
_PIECE: Final = 1 << 20
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_CLASS_TYPE: Final = re.compile(r"\|b1|[|<][iu][1248]|<f[248]|<U[1-9]\d{0,5}|\|O")
_MOST_LABEL_BYTES: Final = 1 << 24
_ARRAYS: Final[dict[str, str]] = {
    "words": "<u4",
    "trees": "<u4",
    "thresholds": "<f4",
    "offsets": "<u4",
    "leaves": "<f8",
}
_DIMENSIONS: Final = {"words": 2, "leaves": 2}


class BadArtifact(ValueError):
    """A file is no artifact that can be used; the message names the file and says why."""


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a compiled forest comes from.

    Attributes:
        model: the source: a registered model's name, or a file.
        version: the model's version; empty for a file.
    """

    model: str
    version: str = ""


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the compiled forest did when it was held against scikit-learn.

    Attributes:
        rows: rows compared.
        different: rows whose probabilities or label differed in any bit from what the forest's own version answers.
    """

    rows: int
    different: int

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing differed."""
        return self.rows > 0 and self.different == 0


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an artifact tells besides its arrays.

    Attributes:
        shapes: of each array.
        feature_bits: see ``ForestArrays``.
        classes: the class labels.
        class_type: their numpy dtype, as ``dtype.str``.
        columns: see ``ForestArrays``.
        depth: of the deepest tree.
        nodes: of all trees together.
        origin: where the forest comes from.
        parity: how it did against scikit-learn.
        versions: of the libraries that made it; scikit-learn's is the one that made the forest.
    """

    shapes: dict[str, list[int]]
    feature_bits: Annotated[int, Meta(ge=1, le=24)]
    classes: list[bool | int | float | str]
    class_type: str
    columns: list[str] | None
    nodes: Annotated[int, Meta(ge=1)]
    depth: Annotated[int, Meta(ge=0)]
    origin: Origin
    parity: Parity
    versions: dict[str, str]


class Artifact(msgspec.Struct, frozen=True):
    """A file's content. The arrays are views of a copy of it in memory, which they keep there.

    Attributes:
        arrays: the compiled forest.
        header: what else the file tells.
        size: bytes of the file.
    """

    arrays: ForestArrays
    header: Header
    size: int


def storable(classes: NDArray[Any]) -> bool:
    """Whether an artifact can hold these class labels: numbers of up to 64 bits or strings, as an array of its own."""
    labels = classes.tolist()
    known = _CLASS_TYPE.fullmatch(classes.dtype.str) is not None and classes.nbytes <= _MOST_LABEL_BYTES
    if not known or (classes.dtype.kind == "O" and not all(type(label) is str for label in labels)):
        return False
    try:
        return bool(msgspec.json.decode(msgspec.json.encode(labels)) == labels)
    except UnicodeEncodeError:
        return False


def write(path: Path, arrays: ForestArrays, origin: Origin, parity: Parity, *, scikit_learn: str | None = None) -> None:
    """Write an artifact so that ``path`` has either all of it or what it had before.

    Args:
        path: the file.
        arrays: the compiled forest.
        origin: where it comes from.
        parity: how it did.
        scikit_learn: the version that made the forest; None for the one that is installed.

    Raises:
        OSError: the file cannot be written.
    """
    parts = {name: np.ascontiguousarray(getattr(arrays, name), dtype=type_) for name, type_ in _ARRAYS.items()}
    header = Header(
        shapes={name: list(part.shape) for name, part in parts.items()},
        feature_bits=arrays.feature_bits,
        classes=arrays.classes.tolist(),
        class_type=arrays.classes.dtype.str,
        columns=None if arrays.columns is None else list(arrays.columns),
        nodes=arrays.nodes,
        depth=arrays.depth,
        origin=origin,
        parity=parity,
        versions={
            "canopy-serve": version("canopy-serve"),
            "scikit-learn": scikit_learn or version("scikit-learn"),
            "numpy": version("numpy"),
        },
    )
    head = msgspec.json.encode(header)
    body = bytearray(head)
    for part in parts.values():
        body += bytes(-(_PREFIX.size + len(body)) % _ALIGNMENT)
        body += part.tobytes()
    _replace(path, _PREFIX.pack(MAGIC, FORMAT, len(head), hashlib.sha256(body).digest()), body)


def read(path: Path, shared: int | None = None) -> Artifact:
    """Copy an artifact into memory and check it.

    Whether the words lead a walk astray is for ``CompiledEngine`` to find.

    Args:
        path: the file.
        shared: descriptor of a sealed copy of it, which is mapped instead, and closed in any case.

    Raises:
        BadArtifact: it is no artifact, damaged, or of a format that this version does not know.
        OSError: it cannot be read.
    """
    with path.open("rb") if shared is None else os.fdopen(shared, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _PREFIX.size:
            raise BadArtifact(f"{path}: {size} bytes are no compiled forest")
        mapped = _mapped(file, size) if _sealed(file) else _copied(file, size)
    magic, format_, length, checksum = _PREFIX.unpack_from(mapped)
    if magic != MAGIC:
        raise BadArtifact(f"{path}: is no compiled forest (make one with `python -m forest compile`)")
    if format_ != FORMAT:
        raise BadArtifact(
            f"{path}: has format {format_}, this version of Canopy reads format {FORMAT}: compile it anew"
        )
    if hashlib.sha256(mapped[_PREFIX.size :]).digest() != checksum:
        raise BadArtifact(f"{path}: is damaged: its checksum does not fit")
    try:
        header = msgspec.json.decode(mapped[_PREFIX.size : _PREFIX.size + length], type=Header)
        arrays = _arrays(mapped, _PREFIX.size + length, header)
    except (ValueError, TypeError, OverflowError) as error:  # msgspec's are ValueErrors
        raise BadArtifact(f"{path}: is damaged: {error}") from None
    return Artifact(arrays, header, size)


def _sealed(file: BinaryIO) -> bool:
    """Whether nobody can change a file's content or size, not even who has it open."""
    try:
        return fcntl.fcntl(file, fcntl.F_GET_SEALS) & _SEALS == _SEALS
    except OSError:  # its file system knows no seals
        return False


def _mapped(file: BinaryIO, size: int) -> memoryview:
    """The file's own memory, which all who map it share."""
    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))


def _copied(file: BinaryIO, size: int) -> memoryview:
    """A copy in this process's own memory; its end is zeros if the file becomes shorter meanwhile."""
    copy = memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    at = 0
    while at < size and (count := file.readinto(copy[at : at + _PIECE])):  # type: ignore[attr-defined]
        # What has been copied need not be held twice, which counts where memory is limited.
        os.posix_fadvise(file.fileno(), at, count, os.POSIX_FADV_DONTNEED)
        at += count
    return copy.toreadonly()


def _arrays(mapped: memoryview, at: int, header: Header) -> ForestArrays:
    """The arrays of a file whose header ends at ``at``.

    Raises:
        ValueError: what the header says does not fit the file or itself.
    """
    if list(header.shapes) != list(_ARRAYS):
        raise ValueError(f"it has the arrays {list(header.shapes)}, not {list(_ARRAYS)}")
    found: dict[str, NDArray[Any]] = {}
    for name, type_ in _ARRAYS.items():
        at += -at % _ALIGNMENT
        shape = header.shapes[name]
        if len(shape) != _DIMENSIONS.get(name, 1) or min(shape) < 0:
            raise ValueError(f"{name} has the shape {shape}")
        # numpy takes an empty array from nowhere, and a negative count for "all".
        count = math.prod(shape)
        found[name] = np.frombuffer(mapped, type_, count, at).reshape(shape) if count else np.empty(shape, type_)
        at += found[name].nbytes
    if at != len(mapped):
        raise ValueError(f"its arrays end at {at}, the file at {len(mapped)}")
    if not np.isfinite(found["thresholds"]).all() or not np.isfinite(found["leaves"]).all():
        raise ValueError("a threshold or a probability is not finite")
    check_distributions(found["leaves"])
    columns = None if header.columns is None else tuple(header.columns)
    if columns is not None and len(columns) != len(found["offsets"]) - 1:
        raise ValueError(f"it names {len(columns)} of {len(found['offsets']) - 1} columns")
    return ForestArrays(
        **found,
        feature_bits=header.feature_bits,
        classes=_classes(header),
        columns=columns,
        nodes=header.nodes,
        depth=header.depth,
    )


def _classes(header: Header) -> NDArray[Any]:
    labels, type_ = header.classes, header.class_type
    if _CLASS_TYPE.fullmatch(type_) is None:
        raise ValueError(f"its classes are of type {type_}")
    if len(labels) != header.shapes["leaves"][1] or len(labels) * np.dtype(type_).itemsize > _MOST_LABEL_BYTES:
        raise ValueError(f"it has {len(labels)} classes of type {type_}")
    if type_ == "|O" and not all(isinstance(label, str) for label in labels):
        raise ValueError("its classes are not all strings")
    classes = np.array(labels, dtype=type_)
    if classes.tolist() != labels:
        raise ValueError(f"its classes are not of type {type_}")
    return classes


def _replace(path: Path, *parts: bytes | bytearray) -> None:
    """Write a file beside ``path`` and put it there when it is complete and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            # mkstemp makes it for its owner only; other users' servers may map an artifact.
            os.fchmod(file.fileno(), 0o644)
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
