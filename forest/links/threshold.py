"""scikit-learn's classifiers of two classes with a threshold (sklearn/model_selection/_classification_threshold.py)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.links.link import Answers, Threshold

_Apply = Callable[[NDArray[Any]], Answers]


def by_threshold(apply: _Apply, threshold: Threshold, classes: int, *, decides: bool) -> _Apply:
    """What turns (n, n_outputs) sums into answers whose labels a threshold tells.

    Args:
        apply: what turns them into answers otherwise.
        threshold: the threshold.
        classes: how many the model has.
        decides: whether its sums are scores, one a row.

    Raises:
        UnsupportedModel: the threshold does not fit the model.
    """
    if classes != 2 or not np.isfinite(threshold.least):
        raise UnsupportedModel(f"a threshold does not fit {classes} classes, or is no finite number")
    if threshold.score == "sum" and not decides:
        raise UnsupportedModel("a threshold is for sums, of which the model's answers are not made")

    def scores(sums: NDArray[Any], answers: Answers) -> NDArray[np.float64]:
        if threshold.score == "sum":
            return np.asarray(sums[:, 0] if threshold.positive else -1 * sums[:, 0])
        return np.asarray(answers.probabilities)[:, threshold.positive]

    def labelled(sums: NDArray[Any]) -> Answers:
        answers = apply(sums)
        enough = scores(sums, answers) >= threshold.least
        labels = np.where(enough, threshold.positive, 1 - threshold.positive).astype(np.intp)
        return Answers(labels, answers.probabilities)

    return labelled
