from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.arrays import ForestArrays

MAX_KEYS: int

class Walk:
    n_features: int
    n_outputs: int
    n_trees: int
    def __init__(self, arrays: ForestArrays) -> None: ...
    def sums(self, matrix: NDArray[np.floating]) -> NDArray[Any]: ...
