"""What reads which of scikit-learn's estimators, and those that stand in them."""

from collections.abc import Callable
from typing import Any, Final

from forest.engine import UnsupportedModel
from forest.files.stored import Unreadable, name_of
from forest.libraries.meta_estimators import calibration, searches, thresholds
from forest.libraries.pipelines.boosters import BOOSTERS, booster
from forest.libraries.pipelines.pipelines import KIND, pipeline
from forest.libraries.scikit_learn.found import Found, Read
from forest.libraries.scikit_learn.models import MODELS

_AROUND: Final[dict[str, Callable[[Any, Read], Found]]] = {
    KIND: pipeline,
    **dict.fromkeys(searches.SEARCHES, searches.search),
    searches.FROZEN: searches.frozen,
    calibration.KIND: calibration.calibrated,
    thresholds.FIXED: thresholds.fixed,
    thresholds.TUNED: thresholds.tuned,
}
"""Estimators that have another one in them."""

_MOST: Final = 1 << 10
"""Estimators that one may have in it: a file may have a few that name each other in a million ways."""


def _read(value: Any) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a fitted estimator of ``READERS``.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it is none, or cannot be answered for; the message says why.
    """
    return _Reading().read(value, "the model")


class _Reading:
    """Reads one model, and each estimator in it once."""

    def __init__(self) -> None:
        self._known: dict[int, Found | None] = {}

    def read(self, value: Any, role: str) -> Found:  # noqa: ANN401
        """Read an estimator, see ``Read``."""
        if id(value) in self._known:
            if (found := self._known[id(value)]) is None:
                raise Unreadable(f"{role} stands in itself")
            return found
        if len(self._known) >= _MOST:
            raise Unreadable(f"it has more than {_MOST} estimators in it")
        self._known[id(value)] = None
        found = self._known[id(value)] = self._read(value, role)
        return found

    def _read(self, value: Any, role: str) -> Found:  # noqa: ANN401
        kind = name_of(value)
        if kind in MODELS:
            return MODELS[kind](value)
        if kind in BOOSTERS:
            return booster(value)
        if kind in _AROUND:
            return _AROUND[kind](value, self.read)
        raise UnsupportedModel(f"{role} is {kind}, no model that is compiled")


READERS: Final[dict[str, Callable[[Any], Found]]] = dict.fromkeys((*MODELS, *_AROUND), _read)
"""The estimators that are compiled, by their class."""
