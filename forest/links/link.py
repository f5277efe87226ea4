"""What a link is, and what it is made of."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

ANY: Final = -1
"""Any number of outputs."""


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a model's answers come of its sums.

    Attributes:
        name: one of ``LINKS``.
        args: numbers that it takes.
    """

    name: str
    args: tuple[float, ...] = ()


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
    """

    apply: Callable[..., Answers]
    outputs: Callable[[int], int]
    classes: bool
    args: int = 0


def native_links() -> ModuleType:
    """The loops in C; imported late, as the kernel is.

    Raises:
        ImportError: they were not built.
    """
    from forest.native.extensions import links

    return links()
