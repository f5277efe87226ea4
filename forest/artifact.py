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
from typing import Annotated, Any, BinaryIO, Final, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from forest.arrays import ForestArrays
from forest.engine import check_distributions
from forest.links import Link, link_function

MAGIC: Final = b"CANOPY\x0fF"
FORMAT: Final = 2

_PREFIX: Final = struct.Struct("<8sII32s")
_ALIGNMENT: Final = 64
_PIECE: Final = 1 << 20
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_CLASS_TYPE: Final = re.compile(r"\|b1|[|<][iu][1248]|<f[248]|<U[1-9]\d{0,5}|\|O")
_MOST_LABEL_BYTES: Final = 1 << 24
_ARRAYS: Final[dict[str, tuple[str, ...]]] = {
    "words": ("<u4",),
    "trees": ("<u4",),
    "outputs": ("<u4",),
    "thresholds": ("<f4", "<f8"),
    "offsets": ("<u4",),
    "features": ("<u4",),
    "missing": ("|u1",),
    "codes": ("<u4",),
    "sets": ("<u4",),
    "leaves": ("<f4", "<f8"),
    "base": ("<f4", "<f8"),
}
"""The arrays in the order of the file, and the types that each may have."""

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


class MadeBy(NamedTuple):
    """What fitted a model.

    Attributes:
        library: as its distribution is called.
        version: of the library.
        kind: what the model is to it.
    """

    library: str
    version: str
    kind: str = "RandomForestClassifier"


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the compiled ensemble did when it was held against the library that fitted it.

    Attributes:
        rows: rows compared.
        different: rows whose answer or probabilities differed in any bit from what the library's own version answers.
        against: whether the library itself was asked, or, where its version is not installed, the rule of that version.
    """

    rows: int
    different: int
    against: Literal["library", "rule"] = "library"

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing differed."""
        return self.rows > 0 and self.different == 0


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an artifact tells besides its arrays.

    Attributes:
        shapes: of each array.
        types: of each array, as ``dtype.str``.
        key_bits: see ``ForestArrays``.
        width: likewise.
        divisor: likewise.
        zero: likewise.
        least_code: likewise.
        link: likewise.
        classes: the class labels; None if the answer is a number.
        class_type: their numpy dtype, as ``dtype.str``; empty if there are none.
        columns: see ``ForestArrays``.
        depth: of the deepest tree.
        nodes: of all trees together.
        kind: what the model is to its library.
        library: which that is.
        origin: where the model comes from.
        parity: how it did against its library.
        versions: of the libraries that made it; its own library's is the one that fitted it.
        limits: see ``ForestArrays``.
    """

    shapes: dict[str, list[int]]
    types: dict[str, str]
    key_bits: Annotated[int, Meta(ge=1, le=24)]
    width: Annotated[int, Meta(ge=1, le=1 << 31)]
    divisor: Annotated[float, Meta(gt=0)]
    zero: Annotated[float, Meta(ge=0)]
    least_code: Annotated[float, Meta(gt=-1)]
    link: Link
    classes: list[bool | int | float | str] | None
    class_type: str
    columns: list[str] | None
    nodes: Annotated[int, Meta(ge=1)]
    depth: Annotated[int, Meta(ge=0)]
    kind: str
    library: str
    origin: Origin
    parity: Parity
    versions: dict[str, str]
    limits: dict[int, tuple[float, float]] = {}


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


def write(path: Path, arrays: ForestArrays, origin: Origin, parity: Parity, made_by: MadeBy | None = None) -> None:
    """Write an artifact so that ``path`` has either all of it or what it had before.

    Args:
        path: the file.
        arrays: the compiled ensemble.
        origin: where it comes from.
        parity: how it did.
        made_by: what fitted it; None for a forest of the scikit-learn that is installed.

    Raises:
        OSError: the file cannot be written.
    """
    made_by = made_by or MadeBy("scikit-learn", version("scikit-learn"))
    parts = {name: np.ascontiguousarray(getattr(arrays, name)) for name in _ARRAYS}
    parts = {name: part.astype(part.dtype.newbyteorder("<"), copy=False) for name, part in parts.items()}
    header = Header(
        shapes={name: list(part.shape) for name, part in parts.items()},
        types={name: part.dtype.str for name, part in parts.items()},
        key_bits=arrays.key_bits,
        width=arrays.width,
        divisor=arrays.divisor,
        zero=arrays.zero,
        least_code=arrays.least_code,
        link=arrays.link,
        classes=None if arrays.classes is None else arrays.classes.tolist(),
        class_type="" if arrays.classes is None else arrays.classes.dtype.str,
        columns=None if arrays.columns is None else list(arrays.columns),
        nodes=arrays.nodes,
        depth=arrays.depth,
        kind=made_by.kind,
        library=made_by.library,
        origin=origin,
        parity=parity,
        versions={
            "canopy-serve": version("canopy-serve"),
            made_by.library: made_by.version,
            "numpy": version("numpy"),
        },
        limits=dict(arrays.limits),
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
    except (ValueError, TypeError, OverflowError) as error:  # msgspec's and UnsupportedModel are ValueErrors
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
    if list(header.shapes) != list(_ARRAYS) or list(header.types) != list(_ARRAYS):
        raise ValueError(f"it has the arrays {list(header.shapes)}, not {list(_ARRAYS)}")
    found: dict[str, NDArray[Any]] = {}
    for name, types in _ARRAYS.items():
        at += -at % _ALIGNMENT
        shape, type_ = header.shapes[name], header.types[name]
        if len(shape) != _DIMENSIONS.get(name, 1) or min(shape) < 0 or type_ not in types:
            raise ValueError(f"{name} has the shape {shape} and the type {type_}")
        # numpy takes an empty array from nowhere, and a negative count for "all".
        count = math.prod(shape)
        found[name] = np.frombuffer(mapped, type_, count, at).reshape(shape) if count else np.empty(shape, type_)
        at += found[name].nbytes
    if at != len(mapped):
        raise ValueError(f"its arrays end at {at}, the file at {len(mapped)}")
    leaves, base = found["leaves"], found["base"]
    if np.isnan(found["thresholds"]).any() or not np.isfinite(leaves).all() or not np.isfinite(base).all():
        raise ValueError("a threshold is no number, or a leaf is not finite")
    classes = _classes(header)
    # A link that does not fit is found here, and what it makes of sums is its own.
    link_function(header.link, 0 if classes is None else len(classes), len(base))
    if header.link.name == "shares":
        check_distributions(leaves)
    columns = None if header.columns is None else tuple(header.columns)
    if columns is not None and len(columns) != header.width:
        raise ValueError(f"it names {len(columns)} of {header.width} columns")
    if any(not 0 <= column < header.width or not low <= high for column, (low, high) in header.limits.items()):
        raise ValueError("it has limits of a column that there is not, or that no number is within")
    return ForestArrays(
        **found,
        divisor=header.divisor,
        zero=header.zero,
        least_code=header.least_code,
        link=header.link,
        key_bits=header.key_bits,
        width=header.width,
        classes=classes,
        columns=columns,
        nodes=header.nodes,
        depth=header.depth,
        limits=header.limits,
    )


def _classes(header: Header) -> NDArray[Any] | None:
    labels, type_ = header.classes, header.class_type
    if labels is None:
        return None
    if _CLASS_TYPE.fullmatch(type_) is None:
        raise ValueError(f"its classes are of type {type_}")
    if len(labels) * np.dtype(type_).itemsize > _MOST_LABEL_BYTES:
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
