"""XGBoost's models: what ``Booster.save_model`` writes, and its objects in pickles, as ``forest.ensemble`` has them.

The answers are those of the Python package's public calls (python-package/xgboost/core.py and sklearn.py): of a
``Booster``, ``predict(DMatrix(X))``; of an estimator, ``predict(X)`` and ``predict_proba(X)``.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.ensemble import Ensemble
from forest.files.stored import Stored, Unreadable, number, what
from forest.libraries.xgboost.booster import StoredBooster
from forest.libraries.xgboost.document import read_document
from forest.libraries.xgboost.objectives import Version
from forest.links import Link

KINDS: Final[dict[str, str | None]] = {
    "Booster": None,
    "XGBClassifier": "classifier",
    "XGBRFClassifier": "classifier",
    "XGBRegressor": "regressor",
    "XGBRFRegressor": "regressor",
    "XGBRanker": "ranker",
}
"""The classes whose answers are known, and what scikit-learn calls such an estimator."""

_FROM_MODEL_SINCE: Final[Version] = (2, 0)
"""Since when an estimator that loads a file takes all that it needs from the model; before, from what another wrote."""

_METHODS: Final = frozenset(
    {
        *("predict", "predict_proba", "inplace_predict", "get_booster", "attr", "get_params", "get_xgb_params"),
        *("_can_use_inplace_predict", "_get_iteration_range", "_validate_features", "__sklearn_is_fitted__"),
    }
)
"""What of an object has a part in its predictions. An attribute of that name that is set on it takes its place."""


def read_xgboost(content: bytes | bytearray | memoryview, *, answers: str) -> Ensemble:
    """Read a model file.

    Args:
        content: what ``save_model`` of a ``Booster`` or an estimator wrote, as JSON or UBJSON.
        answers: the class that it is loaded by, a key of ``KINDS``, which has a say in what the answers are.

    Raises:
        UnsupportedModel: it is none, or answers what an ensemble cannot.
    """
    if answers not in KINDS:
        raise Unreadable(f"{answers[:60]!a} is no class of XGBoost's that is known")
    booster, type_ = StoredBooster(read_document(content)), KINDS[answers]
    if type_ is None:
        return _ensemble(booster, answers, {})
    stated = booster.stated()
    if stated.get("_estimator_type", type_) != type_:
        raise Unreadable(f"it was saved by a {str(stated['_estimator_type'])[:40]}, which no {answers} loads")
    if booster.version >= _FROM_MODEL_SINCE:
        return _ensemble(booster, answers, {})
    if not stated and type_ == "classifier":
        raise Unreadable(
            f"it was saved as a Booster by XGBoost {booster.made_by}, whose {answers} finds no classes in it"
        )
    return _ensemble(booster, answers, stated)


def read_xgboost_object(stored: Any) -> Ensemble:  # noqa: ANN401 - whatever a pickle has in it
    """Read an estimator or a ``Booster`` of a pickle.

    Args:
        stored: what ``forest.files.pickles`` read.

    Raises:
        UnsupportedModel: it is none, or answers what an ensemble cannot.
    """
    attributes = _attributes(stored)
    kind: str = stored.name
    handle = attributes.get("handle") if KINDS[kind] is None else _attributes(attributes.get("_Booster")).get("handle")
    if isinstance(handle, Stored) and handle.name == "bytearray" and len(handle.args) == 1:
        (handle,) = handle.args
    if not isinstance(handle, bytes | bytearray | memoryview):
        raise Unreadable("its Booster has no model")
    booster = StoredBooster(read_document(handle).part("Model"))
    return _ensemble(booster, kind, {} if KINDS[kind] is None else attributes)


def _attributes(stored: Any) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(stored, Stored) or stored.name not in KINDS or not isinstance(stored.state, dict):
        raise Unreadable(f"it has {what(stored)} where a fitted model of XGBoost's should be")
    if names := sorted(_METHODS & stored.state.keys()):
        raise Unreadable(f"the {stored.name} has {', '.join(names)} of its own")
    return stored.state


def _ensemble(booster: StoredBooster, kind: str, attributes: Mapping[str, Any]) -> Ensemble:
    """A model as it answers.

    Args:
        booster: the model.
        kind: a key of ``KINDS``.
        attributes: what is set on the estimator, where its class's own values do not hold.
    """
    estimator = KINDS[kind] is not None
    link, classes = _classes(booster, kind, attributes) if KINDS[kind] == "classifier" else (_number(booster), None)
    trees = booster.trees(
        booster.best_rounds() if estimator else None,
        zero_is_missing=_zero_is_missing(attributes),
        # XGBoost 1.7 took the longer way if an estimator had a predictor by name.
        in_place=estimator and _word(attributes, "predictor") in (None, "auto"),
    )
    if _word(attributes, "booster") not in (None, "gbtree", "dart"):
        raise Unreadable("its booster is not the one that it was fitted with")
    return Ensemble(
        library="xgboost",
        version=booster.made_by,
        kind=kind,
        classes=classes,
        columns=booster.columns,
        width=booster.width,
        trees=trees,
        link=link,
        dtype=np.float32,
        base=booster.base,
        takes_missing=True,
        categorical=booster.categorical(trees),
    ).check()


def _number(booster: StoredBooster) -> Link:
    """What makes a row's number."""
    if booster.rule.link is None or (booster.outputs > 1 and booster.objective != "multi:softmax"):
        raise Unreadable(
            f"it answers with {booster.outputs} numbers a row ({booster.objective}): only an XGBClassifier makes one "
            "class of them"
        )
    return booster.rule.link


def _classes(booster: StoredBooster, kind: str, attributes: Mapping[str, Any]) -> tuple[Link, NDArray[Any]]:
    """What makes labels and probabilities, and the labels, which are numbers from 0 on."""
    link, name = booster.rule.classes, booster.objective
    if link is None:
        raise Unreadable(f"an {kind} of {name} has no probabilities")
    multiclass = name.startswith("multi:")
    if multiclass and booster.classes < (2 if name == "multi:softmax" else 3):
        raise Unreadable(f"an {kind} of {name} for {booster.classes} classes answers with several labels a row")
    if booster.outputs != (booster.classes if multiclass else 1):
        raise Unreadable(f"an {kind} of {name} for {booster.outputs} outputs answers with several labels a row")
    count = booster.classes if multiclass else 2
    if "_le" in attributes:
        raise Unreadable("it encodes its labels, as XGBoost 1.5 did: fit it anew")
    if "n_classes_" in attributes and number(attributes["n_classes_"]) != count:
        raise Unreadable(f"the {kind} has another number of classes than its model, which has {count}")
    if ((_word(attributes, "objective") or name) == "multi:softmax") != (name == "multi:softmax"):
        raise Unreadable(f"the {kind} has another objective than its model, which has {name}")
    return link, np.arange(count, dtype=booster.rule.labels)


def _word(attributes: Mapping[str, Any], name: str) -> str | None:
    """A text among the attributes; None if there is none."""
    found = attributes.get(name)
    if found is not None and type(found) is not str:
        raise Unreadable(f"the estimator has {what(found)} for its {name}")
    return found


def _zero_is_missing(attributes: Mapping[str, Any]) -> bool:
    """Whether 0 counts as missing, as NaN always does."""
    missing = number(attributes.get("missing", math.nan))
    if type(missing) not in (int, float) or not (missing == 0 or math.isnan(missing)):
        raise Unreadable(f"it takes {str(missing)[:40]!a} for missing: fit it with NaN or 0")
    return bool(missing == 0)
