"""Holding walks against the portable one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZES = (1, 7, 40, 129)


def differing(walk: Any, rows: NDArray[Any], names: list[str]) -> list[tuple[str, int]]:  # noqa: ANN401 - a Walk
    """Which walks differ in a bit from the portable one, and in batches of which sizes.

    Args:
        walk: the kernel's.
        rows: (n, n_features), 129 at least.
        names: of walks that can be used.
    """
    found = []
    for name in names:
        for size in SIZES:
            batch = np.ascontiguousarray(rows[-size:])
            walk.use("portable")
            expected = walk.sums(batch).tobytes()
            walk.use(name)
            if walk.sums(batch).tobytes() != expected:
                found.append((name, size))
    walk.use("portable")
    return found
