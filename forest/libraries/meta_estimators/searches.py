"""scikit-learn's searches (sklearn/model_selection/_search.py) and frozen estimators: what is in them answers."""

from typing import Any, Final

from forest.engine import UnsupportedModel
from forest.libraries.scikit_learn.attributes import Attributes
from forest.libraries.scikit_learn.found import Found, Read

SEARCHES: Final = ("GridSearchCV", "RandomizedSearchCV")
FROZEN: Final = "FrozenEstimator"


def search(value: Any, read: Read) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read what a fitted search has found best, which answers for it.

    Raises:
        UnsupportedModel: it has fitted none, or one that cannot be answered for; the message says why.
    """
    model = Attributes(value, SEARCHES, "the model")
    if (best := model.get("best_estimator_")) is None:
        raise UnsupportedModel(f"the {model.kind} has no best estimator: it is not fitted, or does not refit")
    return read(best, f"what the {model.kind} found best")


def frozen(value: Any, read: Read) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read what is frozen (sklearn/frozen/_frozen.py), which answers for it.

    Raises:
        UnsupportedModel: it cannot be answered for; the message says why.
    """
    return read(Attributes(value, (FROZEN,), "the model").get("estimator"), "what is frozen")
