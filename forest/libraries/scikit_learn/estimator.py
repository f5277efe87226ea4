"""scikit-learn's own tree ensembles: as plain arrays, and as an engine."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import Prediction, UnsupportedModel, check_distributions
from forest.ensemble import Ensemble
from forest.libraries.pipelines.boosters import BOOSTERS
from forest.libraries.pipelines.frames import Frames
from forest.libraries.pipelines.parts import parts_of, served
from forest.libraries.pipelines.pipelines import KIND as PIPELINE
from forest.libraries.scikit_learn.attributes import METHODS
from forest.libraries.scikit_learn.forests import KINDS
from forest.libraries.scikit_learn.readers import READERS

_FRAMED: Final = frozenset({PIPELINE, *BOOSTERS})
"""Kinds that are given a table with the names of their columns."""

_WIDE: Final = _FRAMED | {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}
"""Kinds that are given float64."""

_PARTS: Final = {
    **{kind: facts.tree for kind, facts in KINDS.items()},
    "GradientBoostingClassifier": "DecisionTreeRegressor",
    "GradientBoostingRegressor": "DecisionTreeRegressor",
    "IsolationForest": "ExtraTreeRegressor",
}
"""The class of the trees, of those kinds whose trees are estimators."""

_FORESTS: Final = frozenset(kind for kind, facts in KINDS.items() if facts.classifies and facts.tree != kind)
"""Classifiers whose ``predict`` asks for ``predict_proba``."""


class SklearnEngine:
    """The estimator's own ``predict``, on one thread, and the probabilities it is made from; implements ``Engine``.

    Args:
        estimator: a fitted estimator of ``READERS`` with one output; changed in place. Categories that have names are
            called by their codes from then on.
        order: (n_features,) for each of the model's columns, where it stands in the matrices; None if they agree.

    Raises:
        UnsupportedModel: the estimator is something else.
    """

    name = "sklearn"
    bounded = False

    def __init__(self, estimator: Any, order: NDArray[np.intp] | None = None) -> None:  # noqa: ANN401 - sklearn is untyped
        if (reason := why_no_forest(estimator)) is not None:
            raise UnsupportedModel(reason)
        estimator = served(estimator)
        kind, parts = type(estimator).__name__, parts_of(estimator)
        kinds = {type(part).__name__ for part in parts}
        self._frames = Frames(ensemble_of(estimator)) if kinds & _FRAMED else None
        self.dtype: type[np.floating] = np.float64 if kinds & _WIDE else np.float32
        # Starting joblib's workers costs more than a batch; and the names are checked once, at load, not at each call.
        for part in parts:
            if "n_jobs" in vars(part):
                part.n_jobs = 1
            if self._frames is None:
                vars(part).pop("feature_names_in_", None)
            _number_categories(part)
        self._estimator = estimator
        self._order = order
        self.classes: NDArray[Any] | None = getattr(estimator, "classes_", None)
        if kind == "IsolationForest":
            self.classes = np.array([-1, 1])
        self._ask: Callable[[NDArray[Any]], Prediction] = self._forest if kind in _FORESTS else self._other

    def predict(self, matrix: NDArray[Any]) -> Prediction:
        """See ``Engine.predict``; equal to the estimator's own ``predict`` and ``predict_proba`` to the last bit.

        Raises:
            ValueError: the probabilities are no distributions.
        """
        rows = matrix if self._order is None else matrix[:, self._order]
        return self._ask(rows if self._frames is None else self._frames.of(rows))

    def _forest(self, matrix: NDArray[Any]) -> Prediction:
        probabilities = self._estimator.predict_proba(matrix)
        check_distributions(probabilities)
        labels = type(self._estimator).predict(_Asked(self._estimator, probabilities), matrix)
        return Prediction(labels, probabilities)

    def _other(self, matrix: NDArray[Any]) -> Prediction:
        labels = self._estimator.predict(matrix)
        if not hasattr(self._estimator, "predict_proba"):
            return Prediction(labels, None)
        probabilities = self._estimator.predict_proba(matrix)
        if probabilities.dtype != np.float64:  # XGBoost's, behind the steps of a pipeline
            return Prediction(labels, probabilities.astype(np.float64))
        check_distributions(probabilities)
        return Prediction(labels, probabilities)


class _Asked:
    """A forest that has answered already: its ``predict``, which asks for ``predict_proba``, need not walk again."""

    def __init__(self, estimator: Any, probabilities: NDArray[np.float64]) -> None:  # noqa: ANN401
        self._estimator = estimator
        self._probabilities = probabilities

    def predict_proba(self, _matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._probabilities

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._estimator, name)


def _number_categories(estimator: Any) -> None:  # noqa: ANN401
    """Let the codes of named categories be their names, as a matrix of numbers has them."""
    if (before := vars(estimator).get("_preprocessor")) is None:
        return
    encoder = before.transformers_[0][1]
    for each in (before, encoder):
        if hasattr(each, "feature_names_in_"):
            del each.feature_names_in_
    encoder.categories_ = [
        found if found.dtype.kind in "biuf" else np.arange(len(found), dtype=np.float64)
        for found in encoder.categories_
    ]


def ensemble_of(model: Any) -> Ensemble:  # noqa: ANN401 - sklearn is untyped
    """A fitted model as plain arrays, which share its memory where they can.

    Args:
        model: an estimator of ``READERS`` fitted by the scikit-learn that is installed; or an ensemble, which is
            returned.

    Raises:
        UnsupportedModel: it is something else, or the version is not known.
    """
    if isinstance(model, Ensemble):
        return model
    if (reason := why_no_forest(model)) is not None:
        raise UnsupportedModel(reason)
    return READERS[type(model).__name__](model).ensemble()


def trees_of(estimator: Any) -> list[Any]:  # noqa: ANN401
    """The trees of a forest; a tree itself, if it is one."""
    return list(getattr(estimator, "estimators_", [estimator]))


def why_no_forest(estimator: Any) -> str | None:  # noqa: ANN401 - sklearn is untyped
    """Why an estimator is none of ``READERS`` that the engines here can serve; None if it is one.

    Whatever of it is not scikit-learn's own, such as a subclass's ``predict``, may answer otherwise than its trees do.
    """
    # Imported here: a server that needs no scikit-learn should not load it.
    import sklearn.calibration
    import sklearn.ensemble
    import sklearn.frozen
    import sklearn.model_selection
    import sklearn.pipeline
    import sklearn.tree

    modules = (
        *(sklearn.ensemble, sklearn.tree, sklearn.pipeline, sklearn.model_selection),
        *(sklearn.calibration, sklearn.frozen),
    )
    classes = {
        name: next((found for module in modules if (found := getattr(module, name, None)) is not None), None)
        for name in READERS
    }
    kind = type(estimator)
    own = next((name for name in READERS if kind is classes[name]), None)
    if own is None:
        base = next((name for name, cls in classes.items() if cls is not None and isinstance(estimator, cls)), None)
        if base is not None:
            return f"{kind.__name__} is no {base} itself, but a class of its own made from it"
        return f"{kind.__name__} is no model that is compiled"
    kinds = {type(part) for part in parts_of(estimator)}
    parts = kinds | {getattr(sklearn.tree, _PARTS[each.__name__]) for each in kinds if each.__name__ in _PARTS}
    if foreign := [name for cls in parts if _root(cls.__module__) == "sklearn" for name in _replaced(cls)]:
        return f"scikit-learn's {', '.join(foreign)} was replaced"
    try:
        READERS[own](estimator)
    except UnsupportedModel as error:
        return str(error)
    return None


def _root(module: str) -> str:
    return module.partition(".")[0]


def _replaced(cls: type) -> list[str]:
    """Which methods of one of scikit-learn's classes are functions of somebody else."""
    methods = {name: getattr(cls, name, None) for name in METHODS - {"__class__"}}
    return sorted(
        f"{cls.__name__}.{name}"
        for name, method in methods.items()
        if not (getattr(method, "__module__", None) or "sklearn").startswith("sklearn")
    )
