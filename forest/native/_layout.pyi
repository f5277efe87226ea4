import numpy as np
from numpy.typing import NDArray

def place(
    left: NDArray[np.int64], right: NDArray[np.int64], visits: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]: ...
