"""Which row is which, in whatever data it stands."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from dataset import Covertype


def identities(data: Covertype) -> NDArray[np.uint64]:
    """A number for each of (n,) rows, which equal rows share: eight bytes of its values' BLAKE2b digest.

    Labels do not count: a row that was seen with another label was seen.
    """
    table = np.ascontiguousarray(data.rows + 0.0)  # -0.0 becomes 0.0
    digests = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in table)
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def unseen(data: Covertype, fitted: NDArray[np.uint64]) -> Covertype:
    """The rows of some data that are none of those with these identities."""
    return data.take(np.flatnonzero(~np.isin(identities(data), fitted)))
