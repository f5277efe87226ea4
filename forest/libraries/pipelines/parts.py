"""The estimators that stand in another one of scikit-learn's."""

from collections.abc import Iterator
from typing import Any, Final

_MOST: Final = 1 << 12
"""Estimators in one."""

_THRESHOLDS: Final = ("FixedThresholdClassifier", "TunedThresholdClassifierCV")
_WITHIN: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("GridSearchCV", "RandomizedSearchCV"), ("best_estimator_",)),
    **dict.fromkeys(("FrozenEstimator", "_CalibratedClassifier"), ("estimator",)),
    # One that was fitted before may have no copy.
    **dict.fromkeys(_THRESHOLDS, ("estimator_", "estimator")),
}
"""The attributes of some classes that are an estimator which has a part in the answers."""

_SEVERAL_WITHIN: Final[dict[str, tuple[str, ...]]] = {
    "CalibratedClassifierCV": ("calibrated_classifiers_",),
    "_CalibratedClassifier": ("calibrators",),
}
"""Those that are several."""


def served(estimator: Any) -> Any:  # noqa: ANN401 - sklearn is untyped
    """The estimator that answers for one: the best that a search has found, or itself."""
    return getattr(estimator, "best_estimator_", estimator)


def parts_of(estimator: Any) -> list[Any]:  # noqa: ANN401 - sklearn is untyped
    """An estimator and all that stand in it and have a part in its answers, but for the trees of an ensemble."""
    found: list[Any] = []
    left = [estimator]
    while left and len(found) < _MOST:
        found.append(left.pop())
        left += _inner(found[-1])
    return found


def _inner(estimator: Any) -> Iterator[Any]:  # noqa: ANN401
    for name in _WITHIN.get(type(estimator).__name__, ()):
        if (inner := vars(estimator).get(name)) is not None:
            yield inner
    for name in _SEVERAL_WITHIN.get(type(estimator).__name__, ()):
        yield from getattr(estimator, name)
    for step in getattr(estimator, "steps", ()):
        yield from (each for each in step[1:2] if _is_estimator(each))
    for part in getattr(estimator, "transformers_", ()):
        yield from (each for each in part[1:2] if _is_estimator(each))
    if (indicator := getattr(estimator, "indicator_", None)) is not None:
        yield indicator


def _is_estimator(value: Any) -> bool:  # noqa: ANN401
    return value is not None and not isinstance(value, str)
