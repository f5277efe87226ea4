"""What a link is, and what it is made of."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

ANY: Final = -1
"""Any number of outputs."""


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the answers of one of a calibrated classifier's models become probabilities.

    Attributes:
        method: of ``forest.links.calibration``, which has what its curves are.
        classes: the places, among all classes, of those that this model tells apart.
        curves: the numbers of each calibrator.
    """

    method: Literal["sigmoid", "isotonic", "temperature"]
    classes: tuple[int, ...]
    curves: tuple[tuple[float, ...], ...]


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on a classifier of two classes answers with the positive one.

    Attributes:
        least: the least score of the positive class that is enough.
        positive: the place of that class.
        score: what is held against it: the probability, or the sum that the probability is made of.
    """

    least: float
    positive: Literal[0, 1]
    score: Literal["probability", "sum"]


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a model's answers come of its sums.

    Attributes:
        name: one of ``LINKS``.
        args: numbers that it takes.
        calibrations: of a calibrated classifier, one for each of its models, whose outputs stand side by side, equally
            many of each; every model has the link of that name, and the answer is the mean of what is made of theirs.
        threshold: what tells the label in place of the link, if anything does.
    """

    name: str
    args: tuple[float, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    threshold: Threshold | None = None


class Answers(NamedTuple):
    """What a model says of n rows.

    Attributes:
        values: (n,) the answers: places in the classes, intp; of a model without classes, the numbers.
        probabilities: (n, n_classes) float64; None if the model has none.
    """

    values: NDArray[Any]
    probabilities: NDArray[np.float64] | None


class LinkFunction(NamedTuple):
    """A link function.

    Attributes:
        apply: (n, n_outputs) sums, and the numbers that it takes → answers.
        outputs: number of classes → number of outputs, ``ANY``, or 0 if it cannot be. Without classes, 0 is given.
        classes: whether it answers with classes.
        args: how many numbers it takes.
        decides: whether the library has the sums themselves for a classifier's ``decision_function``.
    """

    apply: Callable[..., Answers]
    outputs: Callable[[int], int]
    classes: bool
    args: int = 0
    decides: bool = False


def native_links() -> ModuleType:
    """The loops in C; imported late, as the kernel is.

    Raises:
        ImportError: they were not built.
    """
    from forest.native.extensions import links

    return links()
