from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class PackedRows:
    """Validated rows of fields: (n, n_fields) float64, row by row; a missing value is NaN."""

    rows: int
    width: int
    def __len__(self) -> int: ...
    def array(self) -> NDArray[np.float64]: ...

class RowScanner:
    def __init__(
        self,
        least: Sequence[float],
        greatest: Sequence[float],
        whole: Sequence[bool],
        missing: Sequence[bool],
        max_rows: int,
    ) -> None: ...
    def scan(self, body: bytes | bytearray, start: int = 0) -> PackedRows | None: ...

class RowWriter:
    def __init__(self, widths: Sequence[int], matrix: NDArray[np.floating]) -> None: ...
    def write(self, parts: Sequence[object], start: int = 0) -> int: ...
