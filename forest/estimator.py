"""scikit-learn's own forests: as plain arrays, and as an engine."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.engine import Prediction, UnsupportedModel, check_distributions
from forest.files.reading import METHODS, overridden
from forest.fitted import TREES, FittedForest, FittedTree


class SklearnEngine:
    """The forest's own ``predict``, on one thread, and the probabilities that it is made from; implements ``Engine``.

    Args:
        estimator: a fitted RandomForestClassifier or ExtraTreesClassifier with one output; changed in place.
        order: (n_features,) for each of the model's columns, where it stands in the matrices; None if they agree.

    Raises:
        UnsupportedModel: the estimator is something else.
    """

    name = "sklearn"
    bounded = False
    dtype = np.float32

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
        """See ``Engine.predict``; equal to the estimator's own ``predict`` and ``predict_proba`` to the last bit.

        Raises:
            ValueError: the probabilities are no distributions.
        """
        if self._order is not None:
            matrix = matrix[:, self._order]
        probabilities = self._estimator.predict_proba(matrix)
        check_distributions(probabilities)
        labels = type(self._estimator).predict(_Asked(self._estimator, probabilities), matrix)
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


def fitted_forest(forest: Any) -> FittedForest:  # noqa: ANN401 - sklearn is untyped
    """A fitted forest as plain arrays, which share the estimator's memory.

    Args:
        forest: a RandomForestClassifier or ExtraTreesClassifier fitted by the scikit-learn that is installed; or the
            arrays themselves.

    Raises:
        UnsupportedModel: it is something else, or the version is not known.
    """
    if isinstance(forest, FittedForest):
        return forest
    if (reason := why_no_forest(forest)) is not None:
        raise UnsupportedModel(reason)
    import sklearn

    names = getattr(forest, "feature_names_in_", None)
    return FittedForest(
        kind=type(forest).__name__,
        version=sklearn.__version__,
        classes=forest.classes_,
        columns=None if names is None else tuple(map(str, names)),
        width=int(forest.n_features_in_),
        trees=[_fitted_tree(each.tree_) for each in forest.estimators_],
    ).check()


def _fitted_tree(tree: Any) -> FittedTree:  # noqa: ANN401
    state = tree.__getstate__()
    return FittedTree(state["nodes"], state["values"][:, 0, :], int(state["max_depth"]))


def why_no_forest(estimator: Any) -> str | None:  # noqa: ANN401 - sklearn is untyped
    """Why an estimator is no forest classifier that the engines here can serve; None if it is one.

    Whatever of it is not scikit-learn's own, such as a subclass's ``predict``, may answer otherwise than its trees do.
    """
    # Imported here: a server that needs no scikit-learn should not load it.
    import sklearn.ensemble
    import sklearn.tree
    from sklearn.tree._tree import Tree

    kind = type(estimator)
    own = next((name for name in TREES if kind is getattr(sklearn.ensemble, name)), None)
    if own is None:
        base = next((name for name in TREES if isinstance(estimator, getattr(sklearn.ensemble, name))), None)
        if base is not None:
            return f"{kind.__name__} is no {base} itself, but a class of its own made from it"
        return f"{kind.__name__} is no RandomForestClassifier or ExtraTreesClassifier"
    if not hasattr(estimator, "estimators_"):
        return "the forest is not fitted"
    if estimator.n_outputs_ != 1:
        return f"the forest has {estimator.n_outputs_} outputs, not one"
    tree_class = getattr(sklearn.tree, TREES[own])
    for each in (estimator, *estimator.estimators_):
        if each is not estimator and (type(each) is not tree_class or type(getattr(each, "tree_", None)) is not Tree):
            return f"one of the forest's trees is {type(each).__name__}, not {TREES[own]} as it is fitted"
        if names := overridden(vars(each)):
            return f"{type(each).__name__} has {', '.join(names)} of its own"
    if foreign := [name for cls in (kind, tree_class) for name in _replaced(cls)]:
        return f"scikit-learn's {', '.join(foreign)} was replaced"
    classes = estimator.classes_
    if not isinstance(classes, np.ndarray) or {
        int(each.n_classes_) for each in (estimator, *estimator.estimators_)
    } != {len(classes)}:
        return "the forest has another number of class labels than of classes"
    return None


def _replaced(cls: type) -> list[str]:
    """Which methods of one of scikit-learn's classes are functions of somebody else."""
    methods = {name: getattr(cls, name, None) for name in METHODS - {"__class__"}}
    return sorted(
        f"{cls.__name__}.{name}"
        for name, method in methods.items()
        if not (getattr(method, "__module__", None) or "sklearn").startswith("sklearn")
    )
