"""A library's own model, asked as its users ask it, to hold a compiled one against."""

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import Engine, Prediction
from forest.ensemble import Ensemble
from forest.libraries.scikit_learn.estimator import SklearnEngine

_Ask = Callable[[NDArray[Any]], Any]
"""(n, n_features) → what one of a model's methods answers."""


class BoosterEngine:
    """A model of XGBoost, LightGBM or CatBoost, an estimator or a Booster, on one thread; implements ``Engine``.

    Args:
        model: the library's model; changed in place.
        ensemble: the same, as it was read.
        order: (n_features,) for each of the model's columns, where it stands in the matrices; None if they agree.
    """

    name = "library"
    bounded = False

    def __init__(self, model: Any, ensemble: Ensemble, order: NDArray[np.intp] | None = None) -> None:  # noqa: ANN401
        self.classes: NDArray[Any] | None = ensemble.classes
        self.dtype: type[np.floating] = ensemble.dtype
        self._order = order
        if hasattr(model, "n_jobs"):
            model.n_jobs = 1
        self._predict, self._probabilities = _ASK[ensemble.library](model)

    def predict(self, matrix: NDArray[Any]) -> Prediction:
        """See ``Engine.predict``."""
        rows = matrix if self._order is None else np.ascontiguousarray(matrix[:, self._order])
        with warnings.catch_warnings():
            # The columns stand in the model's order, but have no names here.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            labels = np.asarray(self._predict(rows)).reshape(len(rows))  # a column, if CatBoost tells several classes
            probabilities = None if self.classes is None else np.asarray(self._probabilities(rows), dtype=np.float64)
        return Prediction(labels, probabilities)


def _xgboost(model: Any) -> tuple[_Ask, _Ask]:  # noqa: ANN401
    if hasattr(model, "predict_proba") or hasattr(model, "get_booster"):
        return (
            lambda rows: model.predict(rows, validate_features=False),
            lambda rows: model.predict_proba(rows, validate_features=False),
        )
    import xgboost

    model.set_param({"nthread": 1})
    predict: _Ask = lambda rows: model.predict(xgboost.DMatrix(rows, nthread=1), validate_features=False)  # noqa: E731
    return predict, predict


def _lightgbm(model: Any) -> tuple[_Ask, _Ask]:  # noqa: ANN401
    if hasattr(model, "booster_"):
        return model.predict, getattr(model, "predict_proba", model.predict)
    predict: _Ask = lambda rows: model.predict(rows, num_threads=1)  # noqa: E731
    return predict, predict


def _catboost(model: Any) -> tuple[_Ask, _Ask]:  # noqa: ANN401
    predict: _Ask = lambda rows: model.predict(rows, thread_count=1)  # noqa: E731
    return predict, lambda rows: model.predict_proba(rows, thread_count=1)


_ASK: Final[dict[str, Callable[[Any], tuple[_Ask, _Ask]]]] = {
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
}


def library_engine(model: Any, ensemble: Ensemble, order: NDArray[np.intp] | None = None) -> Engine:  # noqa: ANN401
    """The library's own model as an engine.

    Args:
        model: the library's model; changed in place.
        ensemble: the same, as it was read.
        order: (n_features,) for each of the model's columns, where it stands in the matrices; None if they agree.

    Raises:
        UnsupportedModel: it is none that can be asked.
    """
    if ensemble.library in _ASK:
        return BoosterEngine(model, ensemble, order)
    return SklearnEngine(model, order)
