"""Artifacts that somebody changed, with a checksum that fits again.

``python -m tests.forest.files.tampering FILE SEED COUNT`` changes an artifact at random, again and again, and asks
whatever loads. A process of its own, for what goes wrong may end it.
"""

import hashlib
import json
import math
import re
import struct
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest import CompiledEngine
from forest.artifact import BadArtifact

PREFIX = 48
LENGTH = struct.Struct("<I")
LENGTH_AT = 12
CHECKSUM_AT = 16
ALIGNMENT = 64
ARRAYS = (
    "words",
    "trees",
    "outputs",
    "thresholds",
    "offsets",
    "features",
    "missing",
    "codes",
    "sets",
    "leaves",
    "base",
)
"""The arrays in the order of the file."""

Header = dict[str, Any]


def mend(content: bytes) -> bytes:
    """The content with the checksum that it should have."""
    return content[:CHECKSUM_AT] + hashlib.sha256(content[PREFIX:]).digest() + content[PREFIX:]


def header_end(content: bytes) -> int:
    """Where the header ends."""
    (length,) = LENGTH.unpack_from(content, LENGTH_AT)
    return PREFIX + int(length)


def header(content: bytes) -> Header:
    """The header of an artifact."""
    found = json.loads(content[PREFIX : header_end(content)])
    assert isinstance(found, dict)
    return found


def with_header(content: bytes, new: Header | bytes) -> bytes:
    """The artifact with another header before the same arrays."""
    head = new if isinstance(new, bytes) else json.dumps(new).encode()
    arrays = content[_aligned(header_end(content)) :]
    padding = bytes(_aligned(PREFIX + len(head)) - PREFIX - len(head))
    return mend(content[:LENGTH_AT] + LENGTH.pack(len(head)) + bytes(PREFIX - CHECKSUM_AT) + head + padding + arrays)


def changed(content: bytes, change: Callable[[Header], object]) -> bytes:
    """The artifact after a change of its header."""
    found = header(content)
    change(found)
    return with_header(content, found)


def sections(content: bytes) -> dict[str, range]:
    """Where the bytes of the header and of each array stand."""
    at = header_end(content)
    found = {"header": range(PREFIX, at)}
    told = header(content)
    for name in ARRAYS:
        at = _aligned(at)
        found[name] = range(at, at + math.prod(told["shapes"][name]) * np.dtype(told["types"][name]).itemsize)
        at = found[name].stop
    return found


def with_numbers(content: bytes, name: str, change: Callable[[NDArray[Any]], object]) -> bytes:
    """The artifact after a change of one of its arrays, which is handed over flat."""
    where = sections(content)[name]
    numbers = np.frombuffer(content[where.start : where.stop], dtype=header(content)["types"][name]).copy()
    change(numbers)
    return mend(content[: where.start] + numbers.tobytes() + content[where.stop :])


def tamper(content: bytes, where: range, draw: np.random.Generator) -> bytes:
    """The artifact with some bits flipped, or a run of bytes overwritten or exchanged, in a part of it."""
    out = np.frombuffer(content, dtype=np.uint8).copy()
    part = out[where.start : where.stop]
    at = int(draw.integers(len(part)))
    run = part[at : at + int(draw.integers(1, 17))]
    match draw.integers(5):
        case 0:
            run[0] ^= 1 << int(draw.integers(8))
        case 1:
            part[draw.integers(len(part), size=4)] = draw.integers(256, size=4)
        case 2:
            run[:] = draw.integers(256, size=len(run))
        case 3:
            run[:] = draw.choice([0, 255])
        case _:
            start = int(draw.integers(len(part) - len(run) + 1))
            run[:] = part[start : start + len(run)].copy()
    return mend(out.tobytes())


def ask(path: Path, content: bytes, rows: NDArray[np.float32]) -> str:
    """Write what may be an artifact, load it and ask it; returns how that ended."""
    # A new file each time: what is mapped must never shrink.
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    try:
        engine = CompiledEngine.load(path)
    except BadArtifact:
        return "refused"
    try:
        prediction = engine.predict(rows)
    except ValueError as error:
        # A changed header or table may tell of another number or type of columns, or of none that may be missing.
        assert re.search("the model takes|Buffer dtype mismatch|is NaN", str(error)), error  # noqa: PT017
        return "another table"
    assert len(prediction.labels) == len(rows)
    assert prediction.probabilities is None or len(prediction.probabilities) == len(rows)
    return "answered"


def main(file: str, seed: str, count: str) -> None:
    """Change an artifact ``count`` times, each part of it as often as any other."""
    content = Path(file).read_bytes()
    draw = np.random.default_rng(int(seed))
    rows = draw.normal(size=(130, header(content)["width"])).astype(header(content)["types"]["thresholds"])
    parts = [part for part in sections(content).values() if part]
    path = Path(file).with_suffix(".tampered")
    ends = Counter(ask(path, tamper(content, parts[turn % len(parts)], draw), rows) for turn in range(int(count)))
    sys.stdout.write(json.dumps(ends))


def _aligned(at: int) -> int:
    return at + -at % ALIGNMENT


if __name__ == "__main__":
    main(*sys.argv[1:])
