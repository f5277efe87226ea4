"""XGBoost's objectives: what their answers are made of, and what the sums of the trees begin with.

Sources are XGBoost's: ``src/objective/*``; ``src/learner.cc`` and ``src/common/param_array.cc`` for the intercept.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.files.stored import Unreadable
from forest.libraries.xgboost.document import nearest_float32
from forest.links import Link
from forest.links.link import native_links

Floats = NDArray[np.float32]
Version = tuple[int, int]

_CLAMPED_SINCE: Final[Version] = (3, 2)
"""Since when a probability of 0 or 1 may be given."""

_LEAST: Final = np.float32(1e-6)
"""What a probability is kept away from 0 and 1."""

_DECIMAL: Final = re.compile(r"-?(\d{1,9})(?:\.(\d{1,9}))?(?:[eE][+-]?\d{1,2})?")
_MOST_DIGITS: Final = 9
"""Of what XGBoost writes; it reads more in other ways in other versions."""


def _same(margins: Floats, _version: Version) -> Floats:
    return margins


def _log(means: Floats, _version: Version) -> Floats:
    found: Floats = native_links().log_float32(means)
    return found


def _logit(probabilities: Floats, version: Version) -> Floats:
    if version >= _CLAMPED_SINCE:
        probabilities = np.clip(probabilities, _LEAST, np.float32(1) - _LEAST)
    return -_log(np.float32(1) / probabilities - np.float32(1), version)


class Objective(NamedTuple):
    """What XGBoost does for an objective.

    Attributes:
        margin: the intercept as it is stored, (n_outputs,) float32, and the version → what the sums begin with.
        link: what makes a row's number of its sums; None if that is no number.
        classes: likewise, what makes labels and probabilities of them by the rules of ``XGBClassifier``; None if its
            ``predict_proba`` has no distributions.
        labels: the type of those labels.
    """

    margin: Callable[[Floats, Version], Floats]
    link: Link | None
    classes: Link | None = None
    labels: type[np.signedinteger[Any]] = np.int64


_IDENTITY: Final = Objective(_same, Link("value"))
_EXPONENTIAL: Final = Objective(_log, Link("xgboost_exp"))
_LOGISTIC: Final = Objective(_logit, Link("xgboost_logistic"), Link("xgboost_logistic_classes"))

OBJECTIVES: Final[dict[str, Objective]] = {
    **dict.fromkeys(("reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror"), _IDENTITY),
    **dict.fromkeys(("reg:absoluteerror", "reg:quantileerror", "binary:logitraw"), _IDENTITY),
    **dict.fromkeys(("rank:pairwise", "rank:ndcg", "rank:map"), _IDENTITY),
    **dict.fromkeys(("reg:logistic", "binary:logistic"), _LOGISTIC),
    **dict.fromkeys(("reg:gamma", "reg:tweedie", "count:poisson", "survival:cox"), _EXPONENTIAL),
    "binary:hinge": Objective(_same, Link("xgboost_hinge"), Link("xgboost_hinge_classes")),
    "multi:softmax": Objective(_same, Link("xgboost_argmax"), Link("xgboost_argmax_classes"), np.int32),
    "multi:softprob": Objective(_same, None, Link("xgboost_softmax")),
}
"""All that are known, by name. A function that somebody trained with is not stored: the one that is named answers."""


REFUSED: Final = {
    # ``exp`` in src/objective/aft_obj.cu is the one for float32 or for float64, depending on the compiler.
    "survival:aft": "the last bits of its answers depend on which build of XGBoost gives them",
}
"""Objectives whose answers cannot be told from the file, and why."""


def intercept(text: str, objective: Objective, version: Version, outputs: int) -> Floats:
    """What the sums begin with.

    Args:
        text: ``base_score`` as it is stored.
        objective: the model's.
        version: that wrote it.
        outputs: how many numbers a row has.

    Returns:
        (outputs,) float32.

    Raises:
        Unreadable: the text is no such numbers, or XGBoost would not take them.
    """
    stored = _numbers(text)
    if len(stored) not in (1, outputs):
        raise Unreadable(f"it has {len(stored)} numbers in base_score for {outputs} outputs")
    with np.errstate(divide="ignore", invalid="ignore"):
        found = objective.margin(stored, version)
    if not np.isfinite(found).all():
        raise Unreadable(f"its base_score {text[:40]!a} is none that its objective can have")
    return np.array(np.broadcast_to(found, outputs), dtype=np.float32)


def _numbers(text: str) -> Floats:
    """The numbers in brackets, or one without; each is rounded as C's ``strtof`` does."""
    parts = text[1:-1].split(",") if text[:1] == "[" and text[-1:] == "]" else [text]
    for part in parts:
        if (found := re.fullmatch(_DECIMAL, part)) is None or len(found[1]) + len(found[2] or "") > _MOST_DIGITS:
            raise Unreadable(f"it has {text[:40]!a} for its base_score")
    return np.array([nearest_float32(part) for part in parts], dtype=np.float32)
