"""The interface of engines: what turns a matrix into predictions."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

EngineName = Literal["compiled", "sklearn"]
"""The engines of this room, the faster first."""


class UnsupportedModel(ValueError):
    """An engine cannot serve the model; the message says why."""


@dataclass(frozen=True, slots=True)
class Prediction:
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
    def classes(self) -> NDArray[Any] | None:
        """(n_classes,) the class labels; None if the model does not tell them."""

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """Predict for a C-contiguous (n, n_features) float32 matrix of finite numbers."""
