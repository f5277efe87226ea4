"""scikit-learn's HistGradientBoostingClassifier and -Regressor (sklearn/ensemble/_hist_gradient_boosting) as ensembles.

Values are compared in float64 by ``_predict_one_from_raw_data`` of _predictor.pyx; the leaves are added to the baseline
tree after tree (``_raw_predict`` of gradient_boosting.py).
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import NUMERIC, Categories, Ensemble, Missing, Tree
from forest.files.stored import Unreadable
from forest.libraries.scikit_learn.attributes import Attributes
from forest.libraries.scikit_learn.forests import minor
from forest.libraries.scikit_learn.found import Found, each_once, finished
from forest.libraries.scikit_learn.hist_categories import FittedCategories, fitted_categories
from forest.links import Link

_LABELS_OF_SUMS_SINCE: Final = (1, 5)
"""Since when the label is told from the sums; before, from the probabilities."""

_SET_BITS: Final = 256

_VALUE: Final = Link("value")
_LOGARITHM: Final = Link("exponential")
_LOSSES: Final[dict[str, dict[str, tuple[Link, Link]]]] = {
    "HistGradientBoostingRegressor": {
        **dict.fromkeys(("HalfSquaredError", "AbsoluteError", "PinballLoss"), (_VALUE, _VALUE)),
        **dict.fromkeys(("HalfPoissonLoss", "HalfGammaLoss"), (_LOGARITHM, _LOGARITHM)),
    },
    "HistGradientBoostingClassifier": {
        "HalfBinomialLoss": (Link("expit_most_probable", (1.0,)), Link("expit_above_zero", (1.0,))),
        "HalfMultinomialLoss": (Link("softmax_by_column_most_probable"), Link("softmax_by_column")),
    },
}
"""What makes answers of the sums before 1.5 and since, by the class of ``_loss``."""

_FIELDS: Final = {
    "value": "f",
    "num_threshold": "f",
    "count": "u",
    "feature_idx": "iu",
    "left": "u",
    "right": "u",
    "missing_go_to_left": "u",
    "is_leaf": "u",
    "is_categorical": "u",
    "bitset_idx": "u",
}
"""Of a node (common.pyx), and the kinds of numbers that they are."""


def hist_gradient_boosting(value: Any) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a fitted HistGradientBoostingClassifier or HistGradientBoostingRegressor.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it is no such model, or one that cannot be answered for; the message says why.
    """
    model = Attributes(value, tuple(_LOSSES), "the model")
    version = model.known_version()
    if "_predictors" not in model:
        raise Unreadable(f"the {model.kind} is not fitted")
    if model.get("_in_fit"):
        raise Unreadable(f"the {model.kind} was left in the middle of its fitting")
    classes = model.labels() if model.kind == "HistGradientBoostingClassifier" else None
    if classes is not None and len(classes) < 2:
        raise UnsupportedModel(f"the {model.kind} has one class, and probabilities of two")
    width = model.whole("n_features_in_")
    losses = _LOSSES[model.kind]
    links = losses[Attributes(model.get("_loss"), tuple(losses), "its loss").kind]
    baseline = model.floats("_baseline_prediction").ravel()
    outputs = 1 if classes is None or len(classes) == 2 else len(classes)
    if baseline.shape != (outputs,):
        raise Unreadable(f"the {model.kind} has {len(baseline)} outputs, not {outputs}")
    iterations = model.items("_predictors")
    if any(not isinstance(each, list | tuple) or len(each) != outputs for each in iterations):
        raise Unreadable(f"the {model.kind} has not one tree an iteration for each of {outputs} outputs")
    predictors = each_once(_predictor, (each for iteration in iterations for each in iteration))

    def ensemble() -> Ensemble:
        fitted = fitted_categories(model, version, width)
        made = Ensemble(
            library="scikit-learn",
            version=version,
            kind=model.kind,
            classes=classes,
            columns=model.columns(),
            width=width,
            trees=[_tree(each, place % outputs, fitted, width) for place, each in enumerate(predictors)],
            link=links[minor(version) >= _LABELS_OF_SUMS_SINCE],
            dtype=np.float64,
            base=0.0 + baseline,
            takes_missing=True,
            categorical=fitted.names,
            codes=fitted.codes,
        )
        return finished(made)

    return Found(sum(each.nodes.nbytes + each.sets.nbytes for each in predictors), ensemble)


class _Predictor(NamedTuple):
    """A ``TreePredictor``.

    Attributes:
        nodes: (n,) its node records.
        sets: (n_sets, 8) uint32, the codes that each split by category sends left, a bit each.
    """

    nodes: NDArray[Any]
    sets: NDArray[np.uint32]


def _predictor(value: Any) -> _Predictor:  # noqa: ANN401
    attributes = Attributes(value, ("TreePredictor",), "one of the model's trees")
    nodes, sets = attributes.array("nodes"), attributes.array("raw_left_cat_bitsets")
    types = {name: nodes.dtype[name].kind for name in nodes.dtype.names or ()}
    if nodes.ndim != 1 or not len(nodes) or any(types.get(name, "?") not in kinds for name, kinds in _FIELDS.items()):
        raise Unreadable("a tree's nodes are not scikit-learn's")
    if sets.ndim != 2 or sets.shape[1] * 32 != _SET_BITS or sets.dtype.kind != "u" or sets.dtype.itemsize != 4:
        raise Unreadable("a tree's sets of categories are damaged")
    return _Predictor(nodes, sets)


def _tree(predictor: _Predictor, output: int, fitted: FittedCategories, width: int) -> Tree:
    nodes = predictor.nodes
    leaf, by_category = nodes["is_leaf"] != 0, nodes["is_categorical"] != 0
    feature = nodes["feature_idx"].astype(np.int64)
    if ((feature < 0) | (feature >= width))[~leaf].any():
        raise Unreadable("a tree's splits are damaged")
    feature = np.where(leaf, 0, fitted.order.take(np.where(leaf, 0, feature)))
    split = ~leaf & by_category
    counts = np.zeros(width, dtype=np.int64)
    is_category = np.zeros(width, dtype=bool)
    for column, count in fitted.counts.items():
        counts[column], is_category[column] = count, True
    if (is_category[feature] != by_category)[~leaf].any():
        raise Unreadable("a tree splits numbers by category, or categories as numbers")
    if np.isnan(nodes["num_threshold"][~leaf & ~by_category]).any():
        raise UnsupportedModel("a threshold, between infinities that it was fitted on, is no number")
    places = nodes["bitset_idx"].astype(np.int64)[split]
    if (places >= len(predictor.sets)).any():
        raise Unreadable("a tree's sets of categories are damaged")
    goes_left = nodes["missing_go_to_left"] != 0
    bits = np.unpackbits(predictor.sets[places].astype("<u4").view(np.uint8), axis=1, bitorder="little").astype(bool)
    sets = [
        Categories(row[:count], bool(unknown))
        for row, count, unknown in zip(bits, counts[feature[split]], goes_left[split], strict=True)
    ]
    category = np.full(len(nodes), NUMERIC, dtype=np.int64)
    category[split] = np.arange(len(sets))
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=feature,
        threshold=np.where(split, 0.0, nodes["num_threshold"].astype(np.float64)),
        missing=np.where(goes_left, Missing.LEFT, Missing.RIGHT).astype(np.uint8),
        visits=nodes["count"].astype(np.float64),
        leaves=nodes["value"][leaf].astype(np.float64).reshape(-1, 1),
        output=output,
        category=category if sets else None,
        sets=sets,
    )
