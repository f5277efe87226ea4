"""scikit-learn's own forests, as an engine."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.engine import Prediction, UnsupportedModel


class SklearnEngine:
    """scikit-learn's own ``predict_proba``, on one thread; implements ``Engine``.

    Args:
        estimator: a fitted RandomForestClassifier or ExtraTreesClassifier with one output; changed in place.
        order: (n_features,) for each of the model's columns, where it stands in the matrices; None if they agree.

    Raises:
        UnsupportedModel: the estimator is something else.
    """

    name = "sklearn"
    bounded = False

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
