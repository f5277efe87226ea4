"""scikit-learn's calibrated classifiers (sklearn/calibration.py): probabilities of what models answer.

A calibrator of the method ``sigmoid`` has two numbers, slope and offset; one of ``isotonic`` has ascending answers and
as many probabilities, between which it interpolates; the only one of ``temperature`` has one number, by which
logarithms of probabilities are multiplied.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.links.link import Answers, Calibration, Link, LinkFunction
from forest.links.scikit_learn import expit, softmax_of_rows

_SLIGHTLY: Final = 1e-5
"""By so much a probability may be above 1, and is 1 then."""

_NOT_ZERO: Final = 1e-12
"""What ``_convert_to_logits`` adds to a probability."""

_Curve = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""(n,) answers, and a calibrator's numbers → (n,) probabilities."""


def _sigmoid(answers: NDArray[np.float64], numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """``_SigmoidCalibration.predict``."""
    slope, offset = numbers
    with np.errstate(over="ignore"):
        return expit(-(slope * answers + offset))


def _isotonic(answers: NDArray[np.float64], numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """``IsotonicRegression.predict`` with ``out_of_bounds="clip"``: scipy's ``interp1d`` asks ``numpy.interp``."""
    given, probabilities = numbers.reshape(2, -1)
    return np.interp(np.clip(answers, given[0], given[-1]), given, probabilities)


_CURVES: Final[dict[str, _Curve]] = {"sigmoid": _sigmoid, "isotonic": _isotonic}
"""How a calibrator tells one class from all others."""


def calibrated(link: Link, known: LinkFunction, classes: int, outputs: int) -> Callable[[NDArray[Any]], Answers]:
    """What turns (n, n_outputs) sums of all models into a calibrated classifier's answers.

    Args:
        link: the classifier's, with calibrations.
        known: the link function of each of its models.
        classes: how many it tells apart.
        outputs: how many sums a row has.

    Raises:
        UnsupportedModel: the calibrations do not fit.
    """
    width = outputs // len(link.calibrations)
    if classes < 2 or width * len(link.calibrations) != outputs:
        raise UnsupportedModel(f"{len(link.calibrations)} calibrations do not fit {outputs} outputs")
    models = [
        _Model(calibration, link, known, classes, slice(place * width, (place + 1) * width))
        for place, calibration in enumerate(link.calibrations)
    ]

    def apply(sums: NDArray[Any]) -> Answers:
        # Operations and order of ``CalibratedClassifierCV.predict_proba``.
        mean = np.zeros((len(sums), classes))
        for model in models:
            mean += model.probabilities(sums)
        mean /= len(models)
        return Answers(mean.argmax(axis=1), mean)

    return apply


class _Model:
    """One of the models, and how it is calibrated: ``_CalibratedClassifier.predict_proba``."""

    def __init__(self, calibration: Calibration, link: Link, known: LinkFunction, classes: int, outputs: slice) -> None:
        own = len(calibration.classes)
        needed = known.outputs(own)
        if not 1 <= needed <= outputs.stop - outputs.start:
            raise UnsupportedModel(f"{own} classes of a calibration do not fit its model's outputs")
        if not list(calibration.classes) == sorted({*calibration.classes}) or not (
            0 <= calibration.classes[0] <= calibration.classes[-1] < classes
        ):
            raise UnsupportedModel("a calibration is of classes that there are not")
        # Of two classes, the answers tell the second.
        answers = 1 if own == 2 else own
        self._is_temperature = calibration.method == "temperature"
        if (own == 2 and classes > 2) or len(calibration.curves) != (1 if self._is_temperature else answers):
            raise UnsupportedModel(f"{len(calibration.curves)} calibrators do not fit {own} of {classes} classes")
        if self._is_temperature and (own != classes or (known.decides and classes > 2)):
            raise UnsupportedModel("a temperature does not fit the answers of a model")
        self._outputs = slice(outputs.start, outputs.start + needed)
        self._known, self._args, self._classes = known, link.args, classes
        self._places = calibration.classes[-answers:]
        self._curves = [_checked(calibration.method, curve) for curve in calibration.curves]
        self._method = calibration.method

    def probabilities(self, sums: NDArray[Any]) -> NDArray[np.float64]:
        """(n, n_classes) what this model says."""
        answers = self._answers(np.ascontiguousarray(sums[:, self._outputs]))
        found = self._tempered(answers) if self._is_temperature else self._one_by_one(answers)
        found[(found > 1.0) & (found <= 1.0 + _SLIGHTLY)] = 1.0
        return found

    def _answers(self, sums: NDArray[Any]) -> NDArray[np.float64]:
        """(n, n_answers) the model's decision function, or if it has none, its probabilities."""
        if self._known.decides:
            return sums
        found: NDArray[np.float64] = np.asarray(self._known.apply(sums, *self._args).probabilities)
        return found[:, 1:] if found.shape[1] == 2 else found

    def _one_by_one(self, answers: NDArray[np.float64]) -> NDArray[np.float64]:
        curve = _CURVES[self._method]
        found = np.zeros((len(answers), self._classes))
        for place, own, numbers in zip(self._places, answers.T, self._curves, strict=True):
            found[:, place] = curve(own, numbers)
        if self._classes == 2:
            found[:, 0] = 1.0 - found[:, 1]
            return found
        total = np.sum(found, axis=1)[:, np.newaxis]
        uniform = np.full_like(found, 1 / self._classes)
        shared: NDArray[np.float64] = np.divide(found, total, out=uniform, where=total != 0)
        return shared

    def _tempered(self, answers: NDArray[np.float64]) -> NDArray[np.float64]:
        """``_TemperatureScaling.predict``."""
        if self._known.decides:
            logits = np.concatenate([-answers, answers], axis=1)
        else:
            both = np.concatenate([1 - answers, answers], axis=1) if self._classes == 2 else answers
            logits = np.log(both + _NOT_ZERO)
        return softmax_of_rows(self._curves[0][0] * logits)


def _checked(method: str, curve: tuple[float, ...]) -> NDArray[np.float64]:
    """A calibrator's numbers, as numpy takes them.

    Raises:
        UnsupportedModel: they are none of a calibrator.
    """
    numbers = np.array(curve, dtype=np.float64)
    if not np.isfinite(numbers).all() or not _FITS[method](numbers):
        raise UnsupportedModel(f"the numbers of a calibrator make no {method} calibration")
    return numbers


def _is_isotonic(numbers: NDArray[np.float64]) -> bool:
    if not len(numbers) or len(numbers) % 2:
        return False
    given, probabilities = numbers.reshape(2, -1)
    ascends = bool((given[:-1] < given[1:]).all() and (probabilities[:-1] <= probabilities[1:]).all())
    return ascends and bool(probabilities[0] >= 0 and probabilities[-1] <= 1)


_FITS: Final[dict[str, Callable[[NDArray[np.float64]], bool]]] = {
    "sigmoid": lambda numbers: len(numbers) == 2,
    "isotonic": _is_isotonic,
    "temperature": lambda numbers: len(numbers) == 1 and bool(numbers[0] > 0),
}
"""Whether numbers are a calibrator's, by its method."""
