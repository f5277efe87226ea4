"""LightGBM's models: a model text, or a Booster or wrapper that a file stores, as an ensemble.

What the answers are: ``GBDT::Predict`` of src/boosting/gbdt_prediction.cpp adds the leaves' values in the order of the
trees, from 0, in double; takes the mean for ``boosting=rf``; and has the objective convert the sums. The values are
those of ``LGBM_BoosterPredictForMat`` of src/c_api.cpp, which leaves out whatever is not farther from 0 than
``kZeroThreshold``. The wrappers are python-package/lightgbm/sklearn.py.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble
from forest.files.stored import Stored, Unreadable, array, number, what
from forest.libraries.lightgbm.categories import categorical
from forest.libraries.lightgbm.objectives import link_of
from forest.libraries.lightgbm.text import ModelText, read_text
from forest.libraries.scikit_learn.attributes import overridden

_ZERO: Final = float(np.float32(1e-35))
"""``kZeroThreshold`` of include/LightGBM/meta.h."""

_LEAST_CODE: Final = math.nextafter(-1.0, 0.0)
"""A category's code is a value without its fraction, and what is negative then is none: so -0.5 is the category 0."""

KINDS: Final = ("lightgbm.Booster", "LGBMClassifier", "LGBMRegressor", "LGBMRanker")
"""The classes whose answers are known, as ``forest.files.stored`` calls them."""

_WRAPPERS: Final = {"LGBMClassifier": True, "LGBMRegressor": False, "LGBMRanker": False}
"""The wrappers, and whether they answer with classes."""

_METHODS: Final = frozenset({"_process_params", "_process_n_jobs"})
"""What of a wrapper has a part in its predictions, beyond what scikit-learn's estimators have."""

_DEFAULT_NAME: Final = "Column_{}"


class _Form(NamedTuple):
    """What is known of a model beyond its text.

    Attributes:
        kind: see ``Ensemble``.
        classes: (n_classes,) its labels; None if it answers with a number.
        best_iteration: how many iterations it answers with; all of them if that is not above 0.
        version: of LightGBM; None if not known.
        named: which columns are of pandas' category type; None if not known.
    """

    kind: str = "Booster"
    classes: NDArray[Any] | None = None
    best_iteration: int = -1
    version: str | None = None
    named: Sequence[int] | None = None


def read_lightgbm(text: bytes, *, version: str | None = None, named: Sequence[int] | None = None) -> Ensemble:
    """Read a model text, as ``Booster.save_model`` and ``mlflow.lightgbm.log_model`` of a Booster write it.

    The ensemble answers as ``Booster(model_file=…).predict(matrix)`` does for a matrix of float64.

    Args:
        text: the file.
        version: of LightGBM, if it is known: the text tells that of its format only.
        named: which columns are of pandas' category type, in order, if that is known: the text has their categories,
            but does not always tell whose they are.

    Raises:
        UnsupportedModel: it is damaged, or does not answer with one number a row by arithmetic that is known.
    """
    return _ensemble(read_text(bytes(text)), _Form(version=version, named=named))


def read_stored(stored: Any, *, version: str | None = None, named: Sequence[int] | None = None) -> Ensemble:  # noqa: ANN401 - whatever a file has in it
    """Read a Booster, LGBMClassifier, LGBMRegressor or LGBMRanker that a pickle or skops file stores.

    The ensemble answers as its ``predict(matrix)`` does for a matrix of float64, and its ``predict_proba``.

    Args:
        stored: what ``read_pickle`` or ``read_skops`` has found.
        version: see ``read_lightgbm``.
        named: likewise.

    Raises:
        UnsupportedModel: it is something else, damaged, or does not answer by arithmetic that is known.
    """
    if not isinstance(stored, Stored) or stored.name not in KINDS:
        raise Unreadable(f"{what(stored)} is no model of LightGBM")
    if stored.name not in _WRAPPERS:
        return _booster(stored, _Form(version=version, named=named))
    state = _state(stored)
    if names := sorted({*overridden(state), *(_METHODS & state.keys())}):
        raise Unreadable(f"{stored.name} has {', '.join(names)} of its own")
    # The wrappers of 4.x hand all their parameters to the prediction.
    if state.get("pred_early_stop") not in (None, False):
        raise Unreadable("it stops predicting early: pred_early_stop is set")
    if not isinstance(booster := state.get("_Booster"), Stored) or booster.name != "lightgbm.Booster":
        raise Unreadable(f"the {stored.name} is not fitted")
    classes = _labels(state) if _WRAPPERS[stored.name] else None
    return _booster(booster, _Form(stored.name, classes, version=version, named=named))


def _booster(stored: Stored, form: _Form) -> Ensemble:
    state = _state(stored)
    text = state.get("_handle", state.get("handle"))
    best, categories = number(state.get("best_iteration", -1)), state.get("pandas_categorical")
    if not isinstance(text, str) or type(best) is not int:
        raise Unreadable("the Booster has no model in it")
    if not (categories is None or (isinstance(categories, list) and all(type(each) is list for each in categories))):
        raise Unreadable("the names of its categories are damaged")
    try:
        found = read_text(text.encode())
    except UnicodeEncodeError:
        raise Unreadable("the Booster's model is no text") from None
    plain = None if categories is None else [[number(each) for each in names] for names in categories]
    return _ensemble(found, form._replace(best_iteration=best), plain)


def _state(stored: Stored) -> dict[str, Any]:
    if not isinstance(stored.state, dict):
        raise Unreadable(f"{stored.name} has no attributes")
    return stored.state


def _labels(state: Mapping[str, Any]) -> NDArray[Any]:
    """The class labels, as ``LGBMClassifier.predict`` looks them up."""
    encoder, objective = state.get("_le"), state.get("_objective")
    if not isinstance(encoder, Stored) or encoder.name != "LabelEncoder" or not isinstance(encoder.state, dict):
        raise Unreadable("the LGBMClassifier has no class labels")
    if not isinstance(objective, str):
        raise Unreadable(f"the LGBMClassifier was fitted with an objective of its own, {what(objective)}")
    labels = array(encoder.state.get("classes_"))
    if labels.ndim != 1 or number(state.get("_n_classes")) != len(labels):
        raise Unreadable("the LGBMClassifier has another number of class labels than of classes")
    if labels.dtype.hasobject:
        plain = np.empty(len(labels), dtype=object)
        for place, label in enumerate(labels):
            plain[place] = number(label)
        return plain
    return labels


def _ensemble(text: ModelText, form: _Form, categories: list[list[Any]] | None = None) -> Ensemble:
    trees, outputs, columns = text.trees, text.outputs, text.columns
    if not trees or len(trees) % outputs:
        raise UnsupportedModel(f"the model has {len(trees)} trees for {outputs} outputs")
    if form.best_iteration > 0:
        trees = trees[: form.best_iteration * outputs]
    has_names = columns != tuple(map(_DEFAULT_NAME.format, range(len(columns))))
    return Ensemble(
        library="lightgbm",
        version=form.version or f"(model format {text.version})",
        kind=form.kind,
        # It writes other names than it was given, without blanks for one, and goes by places.
        by_name=False,
        classes=form.classes,
        columns=columns if has_names else None,
        width=len(columns),
        trees=trees,
        link=link_of(text.objective, outputs, 0 if form.classes is None else len(form.classes)),
        dtype=np.float64,
        base=np.zeros(outputs),
        divisor=float(len(trees) // outputs) if text.averages else 1.0,
        takes_missing=True,
        zero=_ZERO,
        least_code=_LEAST_CODE,
        categorical=categorical(text, text.pandas_categories if categories is None else categories, form.named),
    ).check()
