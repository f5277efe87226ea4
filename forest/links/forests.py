"""Forests and regressors: the sum is the answer."""

from typing import Any, Final

from numpy.typing import NDArray

from forest.links.link import Answers, LinkFunction


def _shares(sums: NDArray[Any]) -> Answers:
    """A forest's classifier: the mean of the trees' shares of the classes, and the class with the largest."""
    return Answers(sums.argmax(axis=1), sums)


def _value(sums: NDArray[Any]) -> Answers:
    """A regressor: the sum itself."""
    return Answers(sums[:, 0], None)


FORESTS: Final[dict[str, LinkFunction]] = {
    "shares": LinkFunction(_shares, lambda classes: classes, classes=True),
    "value": LinkFunction(_value, lambda _: 1, classes=False),
}
