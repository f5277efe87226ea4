import numpy as np
from numpy.typing import NDArray

MAX_FEATURES: int

class Walk:
    n_features: int
    n_classes: int
    n_trees: int
    def __init__(
        self,
        words: NDArray[np.uint32],
        trees: NDArray[np.uint32],
        thresholds: NDArray[np.float32],
        offsets: NDArray[np.uint32],
        leaves: NDArray[np.float64],
        feature_bits: int,
    ) -> None: ...
    def predict(self, matrix: NDArray[np.float32], out: NDArray[np.float64]) -> None: ...
