"""scikit-learn's CalibratedClassifierCV (sklearn/calibration.py) around tree models, as one ensemble of all of them.

It has one model, or one for each fold of its training. The calibrators of each are given what the model's
``decision_function`` answers, or where it has none, ``predict_proba``; ``forest.links.calibration`` computes the rest.
Versions 1.3 to 1.9 do the same, but for models that know two of several classes; temperatures are known since 1.8.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from msgspec.structs import replace as replace_in
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble
from forest.files.stored import Unreadable
from forest.libraries.meta_estimators.beside import beside
from forest.libraries.scikit_learn.attributes import Attributes
from forest.libraries.scikit_learn.found import Found, Read, finished
from forest.links import LINKS, Calibration

KIND: Final = "CalibratedClassifierCV"

_MOST_NUMBERS: Final = 1 << 20
"""Of all calibrators of a model."""

_METHODS: Final = ("sigmoid", "isotonic", "temperature")


def calibrated(value: Any, read: Read) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a fitted CalibratedClassifierCV whose models are tree models.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it is none, or cannot be answered for to the last bit; the message says why.
    """
    model = Attributes(value, (KIND,), "the model")
    version = model.known_version()
    if "calibrated_classifiers_" not in model:
        raise Unreadable(f"the {KIND} is not fitted")
    classes = model.labels()
    items = model.items("calibrated_classifiers_")
    if not items or len(classes) < 2:
        raise Unreadable(f"the {KIND} has no models, or fewer than two classes")
    pairs = [Attributes(each, ("_CalibratedClassifier",), f"a part of the {KIND}") for each in items]
    found = [read(pair.get("estimator"), f"what the {KIND} calibrates") for pair in pairs]

    def ensemble() -> Ensemble:
        models = [_classifier(each.ensemble(), version) for each in found]
        calibrations = [_calibration(pair, own, classes, version) for pair, own in zip(pairs, models, strict=True)]
        if sum(len(curve) for each in calibrations for curve in each.curves) > _MOST_NUMBERS:
            raise UnsupportedModel(f"the calibrators of the {KIND} have more than {_MOST_NUMBERS} numbers")
        whole = beside(models)
        link = replace_in(whole.link, calibrations=tuple(calibrations))
        kind = f"{KIND} of {models[0].kind}"
        return finished(replace(whole, link=link, classes=classes, library="scikit-learn", version=version, kind=kind))

    return Found(sum(each.nbytes for each in found), ensemble)


def _classifier(model: Ensemble, version: str) -> Ensemble:
    """A model that is calibrated, as the calibrators ask it.

    Raises:
        UnsupportedModel: it is no classifier, or one whose calibrated answers cannot be told to the last bit.
    """
    if model.classes is None or model.kind == "IsolationForest":
        raise UnsupportedModel(f"the {KIND} calibrates a {model.kind}, which is no classifier")
    if model.library == "scikit-learn" and model.version != version:
        raise Unreadable(f"the {model.kind} in it was made by another version of scikit-learn")
    if model.link.calibrations:
        raise UnsupportedModel(f"a {KIND} of what is calibrated already is not compiled")
    if model.link.name != "shares" and not LINKS[model.link.name].decides:
        # LGBMClassifier has a decision function since 4.7; numpy 1 computes with XGBClassifier's float32 otherwise.
        raise UnsupportedModel(
            f"what the {KIND} is answered by a {model.kind} depends on which versions of LightGBM, or of XGBoost and "
            "numpy, are installed where it is asked"
        )
    # What it is asked for is no label.
    return replace(model, link=replace_in(model.link, threshold=None))


def _calibration(pair: Attributes, model: Ensemble, classes: NDArray[Any], version: str) -> Calibration:
    """How one of the models is calibrated.

    Raises:
        UnsupportedModel: it is calibrated otherwise; the message says why.
    """
    method = pair.scalar("method")
    if method not in _METHODS:
        raise UnsupportedModel(f"the {KIND} calibrates by {str(method)[:40]!a}, and not by {', '.join(_METHODS)}")
    _check_labels(pair, classes)
    places = _places(model.classes, classes)
    if method == "temperature":
        _check_tempered(model, places, len(classes))
    calibrators = pair.items("calibrators")
    curves = tuple(_CALIBRATORS[method](each, version) for each in calibrators)
    return Calibration(method, places, curves)


def _check_labels(pair: Attributes, classes: NDArray[Any]) -> None:
    own = pair.array("classes")
    if own.shape != classes.shape or own.tolist() != classes.tolist():
        raise Unreadable(f"a part of the {KIND} has other classes than the whole")


def _places(own: NDArray[Any] | None, classes: NDArray[Any]) -> tuple[int, ...]:
    """Where a model's own classes stand among all."""
    known = {label: place for place, label in enumerate(classes.tolist())}
    places = [] if own is None else [known.get(label, -1) for label in own.tolist()]
    if own is None or own.dtype.kind != classes.dtype.kind or min(places) < 0 or places != sorted({*places}):
        raise UnsupportedModel(f"a model in the {KIND} knows classes that the {KIND} does not")
    if len(places) < 2 or (len(places) == 2 and len(classes) > 2):
        raise UnsupportedModel(
            f"a model in the {KIND} has seen {len(places)} of {len(classes)} classes, which versions of scikit-learn "
            "answer for in different ways, or not at all: fit it with folds that have all classes"
        )
    return tuple(places)


def _check_tempered(model: Ensemble, places: tuple[int, ...], classes: int) -> None:
    """Make sure that a row's answer does not depend on the rows beside it: ``_convert_to_logits`` looks at all of them.

    Raises:
        UnsupportedModel: it does.
    """
    if len(places) != classes:
        raise UnsupportedModel(f"a model of the {KIND} has not seen all classes, and a temperature is for all")
    if classes > 2 and LINKS[model.link.name].decides:
        raise UnsupportedModel(
            f"by a temperature of the {model.kind}, scikit-learn's answer for a row depends on the rows beside it: "
            "calibrate by 'sigmoid' or 'isotonic'"
        )


def _sigmoid(value: Any, version: str) -> tuple[float, ...]:  # noqa: ANN401
    calibrator = Attributes(value, ("_SigmoidCalibration",), "a calibrator").same_version(version)
    return (calibrator.real("a_"), calibrator.real("b_"))


def _isotonic(value: Any, version: str) -> tuple[float, ...]:  # noqa: ANN401
    calibrator = Attributes(value, ("IsotonicRegression",), "a calibrator").same_version(version)
    given, probabilities = calibrator.floats("X_thresholds_"), calibrator.floats("y_thresholds_")
    if calibrator.scalar("out_of_bounds") != "clip":
        raise UnsupportedModel("a calibrator does not clip what is beyond its table")
    if given.ndim != 1 or given.shape != probabilities.shape or not len(given):
        raise Unreadable("a calibrator's table is damaged")
    if (calibrator.real("X_min_"), calibrator.real("X_max_")) != (given[0], given[-1]):
        raise Unreadable("a calibrator's table has other ends than it says")
    return (*given.tolist(), *probabilities.tolist())


def _temperature(value: Any, version: str) -> tuple[float, ...]:  # noqa: ANN401
    calibrator = Attributes(value, ("_TemperatureScaling",), "a calibrator").same_version(version)
    return (calibrator.real("beta_"),)


_CALIBRATORS: Final[dict[str, Callable[[Any, str], tuple[float, ...]]]] = {
    "sigmoid": _sigmoid,
    "isotonic": _isotonic,
    "temperature": _temperature,
}
"""The numbers of a calibrator, see ``forest.links.calibration``, by its method."""
