"""What reads which of scikit-learn's tree ensembles."""

from collections.abc import Callable
from typing import Any, Final

from forest.files.stored import Unreadable, what
from forest.libraries.scikit_learn.attributes import Attributes
from forest.libraries.scikit_learn.forests import KINDS, FittedForest
from forest.libraries.scikit_learn.found import Expected, Found, each_once, fitted_tree
from forest.libraries.scikit_learn.gradient_boosting import gradient_boosting
from forest.libraries.scikit_learn.hist_gradient_boosting import hist_gradient_boosting
from forest.libraries.scikit_learn.isolation import isolation_forest


def forest(value: Any) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a fitted forest or tree, a class of ``KINDS``.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it is no such model, or has several outputs; the message says why.
    """
    model = Attributes(value, tuple(KINDS), "the model")
    kind, version = KINDS[model.kind], model.version()
    trees = [value] if kind.tree == model.kind else model.get("estimators_")
    if trees is None or "n_outputs_" not in model:
        raise Unreadable(f"the {model.kind} is not fitted")
    if (outputs := model.whole("n_outputs_")) != 1:
        raise Unreadable(f"the {model.kind} has {outputs} outputs, not one")
    classes = model.labels() if kind.classifies else None
    if classes is not None and model.whole("n_classes_") != len(classes):
        raise Unreadable("the forest has another number of class labels than of classes")
    if not isinstance(trees, list):
        raise Unreadable(f"the forest has {what(trees)} for its trees")
    width = model.whole("n_features_in_")
    expected = Expected(kind.tree, version, width, None if classes is None else len(classes))
    fitted = FittedForest(
        kind=model.kind,
        version=version,
        classes=classes,
        columns=model.columns(),
        width=width,
        trees=each_once(lambda tree: fitted_tree(tree, expected), trees),
    )
    return Found(sum(tree.nodes.nbytes + tree.values.nbytes for tree in fitted.trees), fitted.ensemble)


MODELS: Final[dict[str, Callable[[Any], Found]]] = {
    **dict.fromkeys(KINDS, forest),
    "GradientBoostingClassifier": gradient_boosting,
    "GradientBoostingRegressor": gradient_boosting,
    "HistGradientBoostingClassifier": hist_gradient_boosting,
    "HistGradientBoostingRegressor": hist_gradient_boosting,
    "IsolationForest": isolation_forest,
}
"""The estimators that are compiled, by their class."""
