"""Engines: what turns a matrix into predictions. Each is built from a fitted forest by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

EngineName = Literal["auto", "sklearn"]


class UnsupportedModel(ValueError):
    """No engine here can serve the model; the message says why."""


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
    def classes(self) -> NDArray[Any] | None:
        """(n_classes,) the class labels; None if the model does not tell them."""

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """Predict for a C-contiguous (n, 54) float32 matrix whose columns are those of the schema."""


class SklearnEngine:
    """scikit-learn's own ``predict_proba``, on one thread.

    Args:
        estimator: a fitted RandomForestClassifier or ExtraTreesClassifier with one output; changed in place.
        order: (n_features,) the schema's column for each of the model's columns; None if they agree.

    Raises:
        UnsupportedModel: the estimator is something else.
    """

    name = "sklearn"

    def __init__(self, estimator: Any, order: NDArray[np.intp] | None = None) -> None:  # noqa: ANN401 - sklearn is untyped
        if (reason := why_no_forest(estimator)) is not None:
            raise UnsupportedModel(reason)
        # Starting joblib's workers costs more than a batch; and the names are checked once, at load, not at each call.
        estimator.n_jobs = 1
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        self._estimator = estimator
        self._order = order
        self.classes: NDArray[Any] = estimator.classes_

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """See ``Engine.predict``; equal to the estimator's own ``predict`` and ``predict_proba`` to the last bit."""
        if self._order is not None:
            matrix = matrix[:, self._order]
        probabilities = self._estimator.predict_proba(matrix)
        return Prediction(self.classes.take(probabilities.argmax(axis=1)), probabilities)


def why_no_forest(estimator: Any) -> str | None:  # noqa: ANN401 - sklearn is untyped
    """Why an estimator is no forest classifier that the engines here can serve; None if it is one."""
    # Imported here: a server that needs no scikit-learn should not load it.
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    if not isinstance(estimator, RandomForestClassifier | ExtraTreesClassifier):
        return f"{type(estimator).__name__} is no RandomForestClassifier or ExtraTreesClassifier"
    if not hasattr(estimator, "estimators_"):
        return "the forest is not fitted"
    if estimator.n_outputs_ != 1:
        return f"the forest has {estimator.n_outputs_} outputs, not one"
    return None


_ENGINES: Final[dict[EngineName, Callable[[Any, NDArray[np.intp] | None], Engine]]] = {
    "auto": SklearnEngine,
    "sklearn": SklearnEngine,
}


def build_engine(name: EngineName, estimator: Any, order: NDArray[np.intp] | None = None) -> Engine:  # noqa: ANN401
    """Build the engine called ``name`` for a fitted forest.

    Args:
        name: which engine; ``auto`` takes the fastest that can serve the estimator.
        estimator: the fitted forest; the engine takes it over.
        order: (n_features,) the schema's column for each of the model's columns; None if they agree.

    Raises:
        UnsupportedModel: the engine cannot serve the estimator.
    """
    return _ENGINES[name](estimator, order)
