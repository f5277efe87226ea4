"""scikit-learn's GradientBoostingClassifier and GradientBoostingRegressor (sklearn/ensemble/_gb.py) as ensembles.

Stage after stage, ``learning_rate`` times a leaf is added to what the fitted ``init_`` says, which is the same for
every row: ``predict_stages`` of sklearn/ensemble/_gradient_boosting.pyx. Product and sum are rounded each by itself.
"""

import importlib.metadata
import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble, Missing, Tree
from forest.files.installed import is_installed
from forest.files.stored import Stored, Unreadable
from forest.libraries.scikit_learn.attributes import Attributes
from forest.libraries.scikit_learn.forests import FittedTree, minor
from forest.libraries.scikit_learn.found import Expected, Found, checked, each_once, finished, fitted_tree
from forest.links import Link

_Prior = Callable[[NDArray[np.float64], str], NDArray[np.float64]]
"""(n_classes,) shares of the classes, and the version of scikit-learn → (n_outputs,) what the sums begin with."""

_LOGIT_SINCE: Final = (1, 15)
"""The first version of scipy whose ``logit`` is exact around one half (xsf's logit in scipy/special)."""

_FINE_SINCE: Final = (1, 8)
"""Since when ``_init_raw_predictions`` keeps a share from 0 and 1 by the precision of float64; before, of float32."""


class _Loss(NamedTuple):
    """What a loss has to do with predictions.

    Attributes:
        link: what makes answers of the sums.
        prior: what a classifier's sums begin with; None of a regressor.
    """

    link: Link
    prior: _Prior | None = None


def _logit(share: float, version: str) -> float:
    """``scipy.special.logit`` beside a version of scikit-learn.

    Raises:
        UnsupportedModel: it is not known which scipy that is, and it matters.
    """
    simple = math.log(share / (1 - share))
    if share < 0.3 or share > 0.65:
        return simple
    centred = 2 * (share - 0.5)
    exact = math.log1p(centred) - math.log1p(-centred)
    if simple != exact and not is_installed(version):
        raise UnsupportedModel(
            "its first sum depends on the version of scipy, which a file does not tell, if it is not read beside the "
            f"scikit-learn {version} that made it"
        )
    return exact if simple == exact or _scipy() >= _LOGIT_SINCE else simple


def _scipy() -> tuple[int, int]:
    """The version of scipy, which is there if scikit-learn is; it is not imported."""
    try:
        return minor(importlib.metadata.version("scipy"))
    except (importlib.metadata.PackageNotFoundError, ValueError):
        raise UnsupportedModel("its first sum depends on the version of scipy, and there is none") from None


def _log_odds(shares: NDArray[np.float64], version: str) -> NDArray[np.float64]:
    """``LogitLink.link`` (sklearn/_loss/link.py) of the second class's share."""
    return np.array([_logit(float(shares[1]), version)])


def _half_log_odds(shares: NDArray[np.float64], version: str) -> NDArray[np.float64]:
    """``HalfLogitLink.link``."""
    return 0.5 * _log_odds(shares, version)


def _logarithms(shares: NDArray[np.float64], _: str) -> NDArray[np.float64]:
    """``MultinomialLogit.link``: over the geometric mean, for which scipy takes numpy's functions."""
    rows = shares[np.newaxis]
    mean = np.exp(np.log(rows).mean(axis=1))
    found: NDArray[np.float64] = np.log(rows / mean[:, np.newaxis])[0]
    return found


def _old_log_odds(shares: NDArray[np.float64], _: str) -> NDArray[np.float64]:
    """``get_init_raw_predictions`` of sklearn/ensemble/_gb_losses.py before 1.4: numpy's logarithm."""
    found: NDArray[np.float64] = np.log(shares[1:] / (1 - shares[1:]))
    return found


def _old_half_log_odds(shares: NDArray[np.float64], version: str) -> NDArray[np.float64]:
    return 0.5 * _old_log_odds(shares, version)


_VALUE: Final = _Loss(Link("value"))
_LOSSES: Final = {
    "GradientBoostingRegressor": {
        **dict.fromkeys(("HalfSquaredError", "AbsoluteError", "HuberLoss", "PinballLoss"), _VALUE),
        **dict.fromkeys(
            (f"old {name}" for name in ("LeastSquaresError", "LeastAbsoluteError", "HuberLossFunction")), _VALUE
        ),
        "old QuantileLossFunction": _VALUE,
    },
    "GradientBoostingClassifier": {
        "HalfBinomialLoss": _Loss(Link("expit_not_below_zero", (1.0,)), _log_odds),
        "ExponentialLoss": _Loss(Link("expit_not_below_zero", (2.0,)), _half_log_odds),
        "HalfMultinomialLoss": _Loss(Link("softmax_by_row"), _logarithms),
        "old BinomialDeviance": _Loss(Link("expit_most_probable", (1.0,)), _old_log_odds),
        "old ExponentialLoss": _Loss(Link("expit_not_below_zero", (2.0,)), _old_half_log_odds),
    },
}
"""What each kind's losses have to do with predictions, by the class of ``_loss``; "old" ones are of before 1.4."""


def gradient_boosting(value: Any) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a fitted GradientBoostingClassifier or GradientBoostingRegressor.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it is no such model, or begins with another model; the message says why.
    """
    model = Attributes(value, tuple(_LOSSES), "the model")
    version = model.known_version()
    if "estimators_" not in model:
        raise Unreadable(f"the {model.kind} is not fitted")
    classes = model.labels() if model.kind == "GradientBoostingClassifier" else None
    width, rate = model.whole("n_features_in_"), model.real("learning_rate")
    outputs = 1 if classes is None or len(classes) == 2 else len(classes)
    stages = model.array("estimators_")
    if stages.ndim != 2 or stages.shape[1] != outputs or not len(stages):
        raise Unreadable(f"the {model.kind} has no trees, or not one a stage for each of {outputs} outputs")
    expected = Expected("DecisionTreeRegressor", version, width)
    trees = each_once(lambda each: fitted_tree(each, expected), stages.ravel())  # stage by stage
    loss = _loss(model)
    base = _first_sums(model, loss, version, outputs, classes)

    def ensemble() -> Ensemble:
        made = Ensemble(
            library="scikit-learn",
            version=version,
            kind=model.kind,
            classes=classes,
            columns=model.columns(),
            width=width,
            trees=[_tree(checked(tree, width, version), rate, place % outputs) for place, tree in enumerate(trees)],
            link=loss.link,
            dtype=np.float32,
            base=base,
        )
        return finished(made)

    return Found(sum(tree.nodes.nbytes + tree.values.nbytes for tree in trees), ensemble)


def _loss(model: Attributes) -> _Loss:
    losses = _LOSSES[model.kind]
    if "_loss" in model and isinstance(found := model.get("_loss"), Stored) and found.name == "old MultinomialDeviance":
        raise UnsupportedModel(
            "before scikit-learn 1.4 the probabilities of more than two classes depend on the version of scipy, which "
            "a file does not tell"
        )
    return losses[Attributes(model.get("_loss"), tuple(losses), "its loss").kind]


def _first_sums(
    model: Attributes, loss: _Loss, version: str, outputs: int, classes: NDArray[Any] | None
) -> NDArray[np.float64]:
    """(n_outputs,) what ``_raw_predict_init`` gives for every row.

    Raises:
        UnsupportedModel: it differs from row to row, or its bits cannot be known.
    """
    init = model.get("init_")
    if isinstance(init, str | np.str_) and init == "zero":
        return np.zeros(outputs)
    kind = "DummyRegressor" if classes is None else "DummyClassifier"
    try:
        first = Attributes(init, (kind,), "what the model begins with").same_version(version)
    except Unreadable as error:
        raise UnsupportedModel(f"the {model.kind} begins with another model, which is not compiled: {error}") from None
    if first.whole("n_outputs_") != 1:
        raise Unreadable("what the model begins with has several outputs")
    if classes is None:
        constant = first.array("constant_")
        if constant.size != 1 or constant.dtype.kind not in "fiu" or not np.isfinite(constant).all():
            raise Unreadable("what the model begins with is no finite number")
        return constant.astype(np.float64).ravel()
    if loss.prior is None or first.scalar("strategy") != "prior":
        raise UnsupportedModel(f"the {model.kind} does not begin with the shares of the classes")
    shares = first.floats("class_prior_")
    if shares.shape != (len(classes),):
        raise Unreadable("the model begins with shares of other classes than its own")
    least = np.finfo(np.float64 if minor(version) >= _FINE_SINCE else np.float32).eps
    return loss.prior(np.clip(shares, float(least), 1 - float(least)), version)


def _tree(tree: FittedTree, rate: float, output: int) -> Tree:
    with np.errstate(over="ignore", under="ignore"):
        leaves = rate * np.ascontiguousarray(tree.values[~tree.splits], dtype=np.float64)
    return Tree(
        left=tree.left,
        right=tree.right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing=np.full(len(tree.nodes), Missing.REFUSED, dtype=np.uint8),
        visits=tree.samples.astype(np.float64),
        leaves=leaves,
        output=output,
    )
