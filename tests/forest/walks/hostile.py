"""Arrays that nobody has compiled, but which the kernel takes: what a damaged or a malicious file may have in it."""

import numpy as np
from numpy.typing import NDArray

from forest.arrays import LEAF, LINE, PAYLOAD, ForestArrays
from forest.ensemble import Missing
from forest.links import Link

_ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])


def draw_arrays(seed: int, dtype: type[np.floating]) -> ForestArrays:
    """Words drawn one by one, with ranks of any size, and thresholds in no order, some of which are no numbers."""
    draw = np.random.default_rng(seed)
    keys, lines, leaves = int(draw.choice([1, 3, 20, 60, 100])), int(draw.integers(1, 60)), int(draw.integers(1, 9))
    bits = max(1, (keys - 1).bit_length())
    counts = draw.choice([0, 1, 2, 40, 255], size=keys)
    thresholds = np.where(
        draw.random(counts.sum()) < 0.1, draw.choice(_ODD, counts.sum()), draw.normal(size=counts.sum())
    )
    words = np.zeros((lines, LINE), dtype=np.uint32)
    for line in range(lines):
        later = int(draw.integers(line + 1, lines)) if line + 1 < lines else 0
        words[line, 0] = (later - 1) * LINE if later else 0
        for place in range(2, LINE):
            words[line, place] = _word(draw, place, min(15, lines - later) if later else 0, bits, keys, leaves)
    trees = int(draw.choice([1, 7, 8, 9, 16, 17, 40, 70]))
    outputs = int(draw.integers(1, 4))
    return ForestArrays(
        words=words,
        trees=draw.integers(lines, size=trees).astype(np.uint32),
        outputs=draw.integers(outputs, size=trees).astype(np.uint32),
        thresholds=thresholds.astype(dtype),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32),
        features=draw.integers(5, size=keys).astype(np.uint32),
        missing=draw.choice([Missing.LEFT, Missing.RIGHT, Missing.ZERO, Missing.ZERO_RIGHT], size=keys).astype(np.uint8)
        if draw.random() < 0.5
        else draw.choice([Missing.LEFT, Missing.RIGHT], size=keys).astype(np.uint8),
        codes=np.zeros(keys, dtype=np.uint32),
        sets=np.zeros(0, dtype=np.uint32),
        leaves=draw.normal(size=(leaves, 1)),
        base=draw.normal(size=outputs),
        divisor=float(draw.choice([1, 3])),
        zero=float(draw.choice([0, 1e-35])),
        least_code=0.0,
        link=Link("value"),
        key_bits=bits,
        width=5,
        classes=None,
        columns=None,
        nodes=lines,
        depth=1,
    )


def _word(draw: np.random.Generator, place: int, leads: int, bits: int, keys: int, leaves: int) -> int:
    """A word that leads nowhere but to a later line, or a later pair of its own."""
    rank = int(draw.choice([0, 1, 39, 40, 254, 255, 256, 60_000])) & (1 << (32 - PAYLOAD - bits)) - 1
    payload = rank << (PAYLOAD + bits) | int(draw.integers(keys)) << PAYLOAD
    if leads and draw.random() < 0.5:
        return payload | int(draw.integers(1, leads + 1)) << 4 | int(draw.integers(1, 8)) << 1
    if place // 2 < 7 and draw.random() < 0.8:
        return payload | int(draw.integers(place // 2 + 1, 8)) << 1
    return int(draw.integers(leaves)) << PAYLOAD | LEAF


def draw_rows(arrays: ForestArrays, count: int, seed: int) -> NDArray[np.floating]:
    """Rows of what the thresholds are, of other numbers, and of what is none."""
    draw = np.random.default_rng(seed)
    size = (count, arrays.width)
    pool = arrays.thresholds if len(arrays.thresholds) else np.zeros(1, dtype=arrays.dtype)
    rows = np.where(draw.random(size) < 0.5, draw.choice(pool, size=size), draw.normal(size=size))
    rows = np.where(draw.random(size) < 0.2, draw.choice(_ODD, size=size), rows)
    return np.ascontiguousarray(rows, dtype=arrays.dtype)
