from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.arrays import ForestArrays

MAX_KEYS: int
WALKS: tuple[str, ...]

class Walk:
    n_features: int
    n_outputs: int
    n_trees: int
    @property
    def name(self) -> str: ...
    def __init__(self, arrays: ForestArrays) -> None: ...
    def unfit(self, name: str) -> str | None: ...
    def use(self, name: str) -> None: ...
    def sums(self, matrix: NDArray[np.floating]) -> NDArray[Any]: ...
    def leaders(self, matrix: NDArray[np.floating], enough: NDArray[np.float64], first: int) -> NDArray[np.intp]: ...
