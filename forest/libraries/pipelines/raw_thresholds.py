"""Thresholds of numbers that were computed → thresholds of the numbers that they were computed of."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SIGN: Final = np.uint64(1 << 63)
_GREATEST: Final = np.finfo(np.float64).max


def greatest_not_above(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The greatest number whose value is not above each threshold, by bisection over all finite float64.

    Args:
        function: computes a value for each number; of two numbers, that of the greater is never the smaller.
        thresholds: (n,) any but NaN.

    Returns:
        (n,) the numbers: infinity where the values of all are not above, its negative where there is none.
    """
    low = np.full(len(thresholds), _key(np.array([-_GREATEST]))[0])
    high = np.full(len(thresholds), _key(np.array([_GREATEST]))[0])
    none = function(_number(low)) > thresholds
    every = function(_number(high)) <= thresholds
    while (low < high).any():
        # The upper one of the two in the middle, so that each turn leaves less.
        middle = high - (high - low) // np.uint64(2)
        good = function(_number(middle)) <= thresholds
        low, high = np.where(good, middle, low), np.where(good, high, np.maximum(middle - np.uint64(1), low))
    found = _number(low)
    found[none] = -np.inf
    found[every] = np.inf
    return found


def _key(numbers: NDArray[np.float64]) -> NDArray[np.uint64]:
    """(n,) whole numbers that stand in the order of some numbers, those next to each other one apart."""
    bits = numbers.view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _number(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """(n,) the numbers of keys."""
    return np.where(keys & _SIGN, keys & ~_SIGN, ~keys).view(np.float64)
