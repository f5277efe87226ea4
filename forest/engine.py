"""The interface of engines: what turns a matrix into predictions."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

_ROUNDING: Final = 1e-6
"""How far the sum of a distribution may be from one: more than rounding makes, less than any count."""


class UnsupportedModel(ValueError):
    """An engine cannot serve the model; the message says why."""


class Prediction(NamedTuple):
    """What an engine says of n rows.

    Attributes:
        labels: (n,), of the classes' dtype.
        probabilities: (n, n_classes) float64, columns in the order of ``Engine.classes``; None if the model has none.
    """

    labels: NDArray[Any]
    probabilities: NDArray[np.float64] | None


class Engine(Protocol):
    """Computes predictions. Calls never overlap."""

    @property
    def name(self) -> str:
        """The engine's name, as in the settings."""

    @property
    def bounded(self) -> bool:
        """Whether the time of a call depends on its rows only: then a short call may hold up an event loop."""

    @property
    def dtype(self) -> type[np.floating]:
        """Of the matrices that it takes: float32, to which a forest rounds whatever it is given, or float64."""

    @property
    def classes(self) -> NDArray[Any] | None:
        """(n_classes,) the class labels; None if the model does not tell them."""

    def predict(self, matrix: NDArray[Any]) -> Prediction:
        """Predict for a C-contiguous (n, n_features) matrix of ``dtype``: finite numbers, and NaN for missing ones."""


@runtime_checkable
class LabelsEngine(Engine, Protocol):
    """An engine that has less to do where nobody asks for probabilities."""

    def predict_labels(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Tell (n,) labels: those that ``predict`` has for the matrix, with the errors that it raises."""


def labels_of(engine: Engine) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """What asks an engine for labels and nothing else; None if that saves it nothing.

    Args:
        engine: any.

    Returns:
        (n, n_features) matrix, as ``Engine.predict`` takes it → (n,) labels.
    """
    return engine.predict_labels if isinstance(engine, LabelsEngine) else None


def check_distributions(rows: NDArray[np.float64]) -> None:
    """Make sure that each row is a distribution: counts, for one, are none.

    Args:
        rows: (n, n_classes) probabilities.

    Raises:
        ValueError: a row has a negative number, or does not sum to one.
    """
    sums = rows.sum(axis=1)
    good = (np.abs(sums - 1) <= _ROUNDING) & (rows >= 0).all(axis=1)  # a NaN is not good either
    if not good.all():
        worst = int(np.flatnonzero(~good)[0])
        raise ValueError(f"the probabilities are no distribution: they sum to {sums[worst]:g}")


def check_limits(matrix: NDArray[Any], limits: Mapping[int, tuple[float, float]]) -> None:
    """Make sure that numbers are such as a model takes.

    Args:
        matrix: (n, n_features); NaN is no number.
        limits: column → the least and the greatest number that it takes.

    Raises:
        ValueError: one is another; the message names its row and column.
    """
    for column, (least, greatest) in limits.items():
        values = matrix[:, column]
        if (beyond := (values < least) | (values > greatest)).any():
            row = int(np.flatnonzero(beyond)[0])
            raise ValueError(
                f"row {row}, column {column} is {values[row]:g}, and the model takes numbers from {least:g} to "
                f"{greatest:g}"
            )
