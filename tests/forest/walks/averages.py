"""Forests whose labels hang by a bit: the mean of leaves, made by hand."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.ensemble import Ensemble, Missing, Tree
from forest.links import Link

_WIDTH: Final = 4
_DEPTH: Final = 3

Pool = Callable[[np.random.Generator, int], NDArray[Any]]
"""Draws the (n, classes) leaves that trees may have."""


def _near(leaves: NDArray[Any], draw: np.random.Generator) -> NDArray[Any]:
    """Leaves of which about half of the numbers are moved by a bit, up or down, but not below 0."""
    moved = np.nextafter(leaves, draw.choice([0.0, 2.0], size=leaves.shape))
    return np.where(draw.random(leaves.shape) < 0.5, leaves, moved)


POOLS: Final[dict[str, Pool]] = {
    "pure": lambda _draw, classes: np.eye(classes),
    "even": lambda _draw, classes: np.full((1, classes), 1 / classes),
    "even but for a bit": lambda draw, classes: _near(np.full((6, classes), 1 / classes), draw),
    "pure but for a bit": lambda draw, classes: _near(np.eye(classes), draw),
    "tenths": lambda draw, classes: draw.permuted(np.tile([0.1, 0.9, *[0.0] * (classes - 2)], (6, 1)), axis=1),
    "tenths but for a bit": lambda draw, classes: _near(POOLS["tenths"](draw, classes), draw),
    "thirds": lambda draw, classes: draw.integers(0, 4, size=(6, classes)) / 3,
    "no weight": lambda _draw, classes: np.concatenate([np.zeros((3, classes)), np.eye(classes)[:1] * 0.3]),
    "tiny": lambda draw, classes: draw.integers(0, 4, size=(6, classes)) * np.finfo(np.float64).smallest_subnormal,
    "of all sizes": lambda draw, classes: 2.0 ** draw.uniform(-60, 0, size=(6, classes)),
    "drawn": lambda draw, classes: draw.dirichlet(np.ones(classes), size=6),
}
"""Leaves of which ties and near ties are made."""


def forest_of(pool: NDArray[Any], trees: int, draw: np.random.Generator) -> Ensemble:
    """A forest of full trees with leaves of a pool; some of them are the same tree many times over."""
    grown = [_full_tree(pool, draw) for _ in range(max(1, trees if draw.random() < 0.8 else trees // 10))]
    return _forest([grown[number % len(grown)] for number in range(trees)], _WIDTH)


def turned(half: int, share: float, classes: int, draw: np.random.Generator) -> Ensemble:
    """A forest for one row: as many trees give a share to one class, the rest to another, as do it the other way.

    The whole sums are equal, but for rounding. Those that come first say what the label is not, if it is a tie.
    """
    leading, other = draw.permutation(classes)[:2] if draw.random() < 0.3 else (1, 0)
    one, two = np.zeros(classes), np.zeros(classes)
    one[leading], one[other] = max(share, 1 - share), min(share, 1 - share)
    two[leading], two[other] = one[other], one[leading]
    return leaf_of([one] * half + [two] * half)


def leaf_of(leaves: Sequence[NDArray[Any]]) -> Ensemble:
    """A forest of one column whose trees have a leaf each, and nothing else."""
    return _forest([_tree(np.array([-1]), np.zeros(1), leaf[None, :], np.zeros(1)) for leaf in leaves], 1)


def _forest(trees: list[Tree], width: int) -> Ensemble:
    classes = trees[0].leaves.shape[1]
    return Ensemble(
        library="none",
        version="0",
        kind="by hand",
        classes=np.arange(classes),
        columns=None,
        width=width,
        trees=trees,
        link=Link("shares"),
        dtype=np.float32,
        base=np.zeros(classes),
        divisor=float(len(trees)),
        takes_missing=False,
    ).check()


def _full_tree(pool: NDArray[Any], draw: np.random.Generator) -> Tree:
    """A tree whose leaves are equally deep."""
    splits = 2**_DEPTH - 1
    left = np.concatenate([2 * np.arange(splits) + 1, np.full(splits + 1, -1)])
    feature = draw.integers(_WIDTH, size=len(left))
    return _tree(left, feature, pool[draw.integers(len(pool), size=splits + 1)], draw.choice([-0.5, 0.5], len(left)))


def _tree(left: NDArray[Any], feature: NDArray[Any], leaves: NDArray[Any], threshold: NDArray[Any]) -> Tree:
    return Tree(
        left=left.astype(np.int64),
        right=np.where(left < 0, -1, left + 1).astype(np.int64),
        feature=feature.astype(np.int64),
        threshold=threshold,
        missing=np.full(len(left), Missing.REFUSED, dtype=np.uint8),
        visits=np.ones(len(left)),
        leaves=np.ascontiguousarray(leaves, dtype=np.float64),
    )
