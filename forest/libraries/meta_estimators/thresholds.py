"""scikit-learn's FixedThresholdClassifier and TunedThresholdClassifierCV around a model of two classes.

Source: sklearn/model_selection/_classification_threshold.py, the same in versions 1.5 to 1.9.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal

from msgspec.structs import replace as replace_in
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble
from forest.files.stored import Unreadable, known, what
from forest.libraries.scikit_learn.attributes import Attributes, plain
from forest.libraries.scikit_learn.found import Found, Read, finished
from forest.links import LINKS, Threshold

FIXED: Final = "FixedThresholdClassifier"
TUNED: Final = "TunedThresholdClassifierCV"

_POSITIVE: Final = {
    **dict.fromkeys(("f1_score", "precision_score", "recall_score", "jaccard_score", "fbeta_score"), 1),
    **dict.fromkeys(("accuracy_score", "balanced_accuracy_score", "matthews_corrcoef", "cohen_kappa_score"), None),
}
"""Metrics that a threshold may be tuned for, and which class each takes for the positive one; None if for neither."""

_DEFAULTS: Final = {"probability": 0.5, "sum": 0.0}
"""What the threshold ``"auto"`` is."""


def fixed(value: Any, read: Read) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a FixedThresholdClassifier around a fitted model.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it cannot be answered for; the message says why.
    """
    model = Attributes(value, (FIXED,), "the model")
    # An estimator that was fitted before may stand in it as it is.
    inner = model.get("estimator_") if "estimator_" in model else model.get("estimator")

    def least(score: str) -> float:
        found = model.scalar("threshold")
        return _DEFAULTS[score] if found == "auto" else model.real("threshold")

    return _by_threshold(model, read(inner, f"what the {FIXED} has a threshold for"), model.get("pos_label"), least)


def tuned(value: Any, read: Read) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a fitted TunedThresholdClassifierCV.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it cannot be answered for; the message says why.
    """
    model = Attributes(value, (TUNED,), "the model")
    if "estimator_" not in model or "best_threshold_" not in model:
        raise Unreadable(f"the {TUNED} is not fitted")
    found = read(model.get("estimator_"), f"what the {TUNED} has a threshold for")
    return _by_threshold(model, found, _tuned_for(model), lambda _: model.real("best_threshold_"))


def _tuned_for(model: Attributes) -> Any:  # noqa: ANN401 - a label, or None
    """The class that its metric takes for positive: ``_BaseScorer._get_pos_label`` of sklearn/metrics/_scorer.py."""
    scorer = Attributes(model.get("_curve_scorer"), ("_CurveScorer",), "what the threshold was tuned by")
    options, metric = scorer.get("_kwargs"), scorer.get("_score_func")
    if not isinstance(options, dict):
        raise Unreadable("what the threshold was tuned by is damaged")
    if "pos_label" in options:
        return options["pos_label"]
    if callable(metric):
        metric = known(getattr(metric, "__module__", None), getattr(metric, "__qualname__", None))
    if (name := what(metric)) not in _POSITIVE:
        raise UnsupportedModel(
            "the threshold was tuned for a metric of which it is not known what it takes for positive"
        )
    return _POSITIVE[name]


def _by_threshold(model: Attributes, found: Found, positive: Any, least: Callable[[str], float]) -> Found:  # noqa: ANN401
    """What was read, with labels by a threshold.

    Args:
        model: the estimator with the threshold.
        found: what it is around.
        positive: the label of the positive class; None for the second.
        least: the threshold, for what is held against it.
    """
    version = model.known_version()

    def ensemble() -> Ensemble:
        inner = found.ensemble()
        if inner.classes is None or len(inner.classes) != 2 or inner.kind == "IsolationForest":
            raise UnsupportedModel(f"the {model.kind} is around a {inner.kind}, which has not two classes")
        if inner.library == "scikit-learn" and inner.version != version:
            raise Unreadable(f"the {inner.kind} in it was made by another version of scikit-learn")
        if inner.base.dtype != "float64":
            raise UnsupportedModel(
                f"the {model.kind} holds probabilities of float32 against a threshold, which depends on numpy's version"
            )
        score = _score(model, inner)
        threshold = Threshold(least(score), _place(inner.classes, positive), score)
        return finished(
            replace(
                inner,
                link=replace_in(inner.link, threshold=threshold),
                library="scikit-learn",
                version=version,
                kind=f"{model.kind} of {inner.kind}",
            )
        )

    return Found(found.nbytes, ensemble)


def _score(model: Attributes, inner: Ensemble) -> Literal["probability", "sum"]:
    """What is held against the threshold; every classifier here has probabilities, which ``"auto"`` asks for first."""
    method = model.scalar("response_method")
    if method in ("auto", "predict_proba"):
        return "probability"
    if method == "decision_function" and LINKS[inner.link.name].decides and not inner.link.calibrations:
        return "sum"
    raise UnsupportedModel(f"the {model.kind} asks the {inner.kind} for its {str(method)[:40]!a}, which it has not")


def _place(classes: NDArray[Any], positive: Any) -> Literal[0, 1]:  # noqa: ANN401 - a label, or None
    """Which of two classes is the positive one."""
    if positive is None:
        return 1
    label, (first, second) = plain(positive), classes.tolist()
    if label not in (first, second):
        raise UnsupportedModel(f"the label of the positive class, {str(label)[:40]!a}, is none of the model's")
    return 1 if label == second else 0
