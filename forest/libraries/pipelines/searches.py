"""scikit-learn's searches for parameters (sklearn/model_selection/_search.py): the best of the models they tried."""

from typing import Any, Final

from forest.engine import UnsupportedModel
from forest.libraries.pipelines.pipelines import KIND, name_of, pipeline
from forest.libraries.scikit_learn.attributes import Attributes
from forest.libraries.scikit_learn.found import Found
from forest.libraries.scikit_learn.models import MODELS

SEARCHES: Final = ("GridSearchCV", "RandomizedSearchCV")


def search(value: Any) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read what a fitted search has found best, which answers for it.

    Raises:
        UnsupportedModel: it has fitted none, or one that cannot be answered for; the message says why.
    """
    model = Attributes(value, SEARCHES, "the model")
    if (best := model.get("best_estimator_")) is None:
        raise UnsupportedModel(f"the {model.kind} has no best estimator: it is not fitted, or does not refit")
    kind = name_of(best)
    if kind == KIND:
        return pipeline(best)
    if kind not in MODELS:
        raise UnsupportedModel(f"the {model.kind} found a {kind} best, which is no model that is compiled")
    return MODELS[kind](best)
