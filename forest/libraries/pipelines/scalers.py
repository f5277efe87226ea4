"""scikit-learn's scalers (sklearn/preprocessing/_data.py): the operations of each ``transform``, in their order.

They compute in float64, for that is the type of the columns of numbers that a pipeline is given here. A scale is above
0: for a column that has no spread it is 1 (``_handle_zeros_in_scale``).
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.files.stored import Unreadable
from forest.libraries.pipelines.columns import Step
from forest.libraries.scikit_learn.attributes import Attributes, plain

_Operation = Callable[[NDArray[np.float64], np.float64], NDArray[np.float64]]


def _steps(operation: _Operation, numbers: NDArray[np.float64]) -> list[Step]:
    """A step for each column, which does an operation with the column's number."""

    def step(number: np.float64) -> Step:
        def apply(values: NDArray[np.float64]) -> NDArray[np.float64]:
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                return operation(values, number)

        return apply

    return [step(each) for each in numbers]


def _numbers(scaler: Attributes, name: str, width: int) -> NDArray[np.float64]:
    """(width,) finite numbers, one a column; those of single precision as double, as numpy takes them."""
    found = scaler.array(name)
    if found.shape != (width,) or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
        raise Unreadable(f"{name} of the {scaler.kind} are not a finite number for each of {width} columns")
    return found.astype(np.float64)


def _scale(scaler: Attributes, width: int) -> NDArray[np.float64]:
    found = _numbers(scaler, "scale_", width)
    if not (found > 0).all():
        raise Unreadable(f"the {scaler.kind} has a scale that is not above 0")
    return found


def _flag(scaler: Attributes, name: str, *, default: bool | None = None) -> bool:
    found = scaler.scalar(name) if name in scaler or default is None else default
    if type(found) not in (bool, int):
        raise Unreadable(f"{name} of the {scaler.kind} is neither true nor false")
    return bool(found)


def _clip(scaler: Attributes, low: float, high: float, width: int) -> list[list[Step]]:
    if not low <= high:
        raise Unreadable(f"the {scaler.kind} has a range that is none")
    return [_steps(lambda values, _: np.clip(values, low, high), np.zeros(width))]


def _standard(scaler: Attributes, width: int) -> list[list[Step]]:
    steps = []
    if _flag(scaler, "with_mean"):
        steps.append(_steps(np.subtract, _numbers(scaler, "mean_", width)))
    if _flag(scaler, "with_std"):
        steps.append(_steps(np.divide, _scale(scaler, width)))
    return steps


def _min_max(scaler: Attributes, width: int) -> list[list[Step]]:
    steps = [
        _steps(np.multiply, _scale(scaler, width)),
        _steps(np.add, _numbers(scaler, "min_", width)),
    ]
    if not _flag(scaler, "clip"):
        return steps
    span: list[Any] = [plain(each) for each in scaler.items("feature_range")]
    if len(span) != 2 or any(type(each) not in (int, float) for each in span):
        raise Unreadable("the MinMaxScaler has a range that is none")
    return steps + _clip(scaler, float(span[0]), float(span[1]), width)


def _max_abs(scaler: Attributes, width: int) -> list[list[Step]]:
    steps = [_steps(np.divide, _scale(scaler, width))]
    # Since 1.9 it may clip.
    return steps + _clip(scaler, -1.0, 1.0, width) if _flag(scaler, "clip", default=False) else steps


def _robust(scaler: Attributes, width: int) -> list[list[Step]]:
    steps = []
    if _flag(scaler, "with_centering"):
        steps.append(_steps(np.subtract, _numbers(scaler, "center_", width)))
    if _flag(scaler, "with_scaling"):
        steps.append(_steps(np.divide, _scale(scaler, width)))
    return steps


SCALERS: Final[dict[str, Callable[[Attributes, int], list[list[Step]]]]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
}
"""A scaler, and how many columns it is given → its operations, each a step for each column."""
