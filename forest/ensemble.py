"""A fitted tree ensemble as plain arrays: whatever library fitted it, and nothing that is one library's own.

Its meaning is this. Each row is walked down each tree. A split looks at one value: a number goes to the left child if
it is not above the threshold, a category if it is in the split's set, a missing value (NaN) as the split says. The
leaf's numbers are added to the outputs, from ``base`` on, tree after tree, in the dtype of ``base``; the sums are
divided by ``divisor``; and ``link`` makes the answer of them. ``forest.checks.reference`` is the same in numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.links import Link


class Missing(IntEnum):
    """Where a split sends a missing value."""

    REFUSED = 0
    """There is none: the model takes no missing value in this column."""
    LEFT = 1
    RIGHT = 2
    ZERO = 3
    """It counts as 0."""
    ZERO_LEFT = 4
    """0 is missing as well, and both go left."""
    ZERO_RIGHT = 5


MOST_COLUMNS: Final = 1 << 16
"""Of an ensemble: more than any table of numbers has, and few enough to go through one by one."""

UNKNOWN: Final = -1.0
"""In place of a number that is no category: no code is negative."""

NUMERIC: Final = -1
"""In ``Tree.category``: the split compares numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """What a split by category sends left.

    Attributes:
        left: (n_codes,) bool, whether each code goes left.
        unknown_left: whether any other value goes left.
    """

    left: NDArray[np.bool_]
    unknown_left: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree of n nodes, the root first; a child's number is above its parent's.

    Attributes:
        left: (n,) int64, the left child of each node; -1 for leaves.
        right: (n,) int64, likewise.
        feature: (n,) int64, the column that each split looks at; of leaves, anything.
        threshold: (n,) float64, the greatest number that goes left; of other nodes, anything.
        missing: (n,) uint8, a ``Missing`` for each split.
        visits: (n,) float64, how many training rows, or how much of their weight, came to each node: likely paths are
            laid out side by side.
        leaves: (n_leaves, width) the leaves' numbers, leaf by leaf in the order of the nodes; of the dtype of the
            ensemble's ``base``.
        output: the first of the outputs that they are added to.
        category: (n,) int64, for each split by category its place in ``sets``; ``NUMERIC`` for others. None if there is
            no such split.
        sets: what those splits send left.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing: NDArray[np.uint8]
    visits: NDArray[np.float64]
    leaves: NDArray[Any]
    output: int = 0
    category: NDArray[np.int64] | None = None
    sets: Sequence[Categories] = ()

    @property
    def splits(self) -> NDArray[np.bool_]:
        """(n,) whether each node is a split."""
        return self.left >= 0

    @property
    def depth(self) -> int:
        """How many splits the longest way has."""
        depth, level = 0, np.zeros(1, dtype=np.int64)
        while len(level := level[self.left[level] >= 0]):
            level = np.concatenate([self.left[level], self.right[level]])
            depth += 1
        return depth


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """A fitted tree ensemble.

    Attributes:
        library: what fitted it, as its distribution is called: ``scikit-learn``, ``xgboost``, ``lightgbm``,
            ``catboost``.
        version: of the library.
        kind: what it is to the library, for people.
        classes: (n_classes,) the class labels; None if its answer is a number.
        columns: the names of its columns; None if it was fitted without.
        width: how many columns it takes.
        trees: its trees, which may be made anew whenever they are asked for.
        link: what makes answers of the sums.
        dtype: float32 or float64: values are rounded to it before they are compared.
        base: (n_outputs,) float32 or float64, what the sums begin with.
        divisor: what they are divided by.
        takes_missing: whether a value may be missing; else no split says more than ``Missing.REFUSED``.
        zero: numbers whose magnitude is not above this count as 0.
        least_code: the least number that may be a category, whose code is its whole part; what is below is no code.
        categorical: column → how its categories are called, in the order of their codes; () if they are numbers only.
        codes: column → the numbers that are its categories, ascending: the code of one is its place here, and any other
            number is none; where no value may be missing, it is refused. A column that is not here has codes as they
            are.
        needed: columns in which no value may be missing, whether a split looks at them or not; all, if none may be.
        limits: column → the least and the greatest number that it takes; any other is refused.
        by_name: whether the library looks columns up by their names, which are as they were given to it.
        computed: whether values go through steps of a pipeline first, which compute in the type that they are given.
    """

    library: str
    version: str
    kind: str
    classes: NDArray[Any] | None
    columns: tuple[str, ...] | None
    width: int
    trees: Sequence[Tree]
    link: Link
    dtype: type[np.floating]
    base: NDArray[Any]
    divisor: float = 1.0
    takes_missing: bool = False
    zero: float = 0.0
    least_code: float = 0.0
    categorical: dict[int, tuple[str, ...]] = field(default_factory=dict)
    codes: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    needed: tuple[int, ...] = ()
    limits: dict[int, tuple[float, float]] = field(default_factory=dict)
    by_name: bool = True
    computed: bool = False

    @property
    def made_by(self) -> str:
        """The library and its version, for people."""
        return f"{self.library} {self.version}"

    @property
    def may_miss(self) -> frozenset[int]:
        """The columns in which a value may be missing."""
        return frozenset(range(self.width)) - frozenset(self.needed) if self.takes_missing else frozenset()

    @property
    def exact(self) -> frozenset[int]:
        """The columns of categories in which any number that is none is refused."""
        return frozenset(column for column in self.codes if column not in self.may_miss)

    @property
    def whole(self) -> frozenset[int]:
        """Those in which only whole numbers are taken, all between the least and the greatest."""
        return frozenset(
            column
            for column in self.exact
            if len(codes := self.codes[column]) and np.array_equal(codes, codes[0].round() + np.arange(len(codes)))
        )

    @property
    def given_limits(self) -> dict[int, tuple[float, float]]:
        """Column → the least and the greatest number that is not refused, as far as it is known."""
        found = {
            column: (float(codes[0]), float(codes[-1])) for column in self.exact if len(codes := self.codes[column])
        }
        return self.limits | found

    def check(self) -> "Ensemble":
        """Make sure that every walk ends at a leaf that has numbers for its outputs; returns the ensemble.

        Raises:
            UnsupportedModel: one may not.
        """
        self.check_table()
        for tree in self.trees:
            _check(tree, self)
        return self

    def check_table(self) -> "Ensemble":
        """Make sure that its columns and outputs make sense; returns the ensemble.

        Raises:
            UnsupportedModel: they do not.
        """
        if self.width < 1 or not len(self.trees) or not len(self.base) or self.base.ndim != 1:
            raise UnsupportedModel("the model has no columns, trees or outputs")
        if self.width > MOST_COLUMNS:
            raise UnsupportedModel(f"the model takes {self.width} columns, more than {MOST_COLUMNS}")
        if self.columns is not None and len(self.columns) != self.width:
            raise UnsupportedModel(f"the model names {len(self.columns)} of {self.width} columns")
        for column, codes in self.codes.items():
            if not 0 <= column < self.width or codes.ndim != 1 or not (codes[:-1] < codes[1:]).all():
                raise UnsupportedModel(f"the categories of column {column} are no ascending numbers of a column")
        if any(not 0 <= column < self.width for column in self.needed):
            raise UnsupportedModel("the model needs values of a column that there is not")
        if any(not 0 <= column < self.width or not low <= high for column, (low, high) in self.limits.items()):
            raise UnsupportedModel("the model has limits of a column that there is not, or that no number is within")
        return self

    def encode(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put codes in place of the numbers that are categories, see ``codes``.

        Args:
            matrix: (n, width) in the model's order of columns.

        Returns:
            (n, width) a copy, or the matrix itself if there are no such columns.
        """
        if not self.codes:
            return matrix
        matrix = matrix.copy()
        for column, codes in self.codes.items():
            values = matrix[:, column]
            places = np.searchsorted(codes, values).clip(max=max(len(codes) - 1, 0))
            known = codes[places] == values if len(codes) else np.zeros(len(values), dtype=bool)
            matrix[:, column] = np.where(known, places, np.where(np.isnan(values), np.nan, UNKNOWN))
        return matrix


def check_nodes(left: NDArray[np.int64], right: NDArray[np.int64], feature: NDArray[np.int64], width: int) -> None:
    """Make sure that nodes make a tree whose splits look at columns that there are.

    Args:
        left: (n,) see ``Tree``.
        right: (n,) likewise.
        feature: (n,) likewise.
        width: how many columns there are.

    Raises:
        UnsupportedModel: they do not.
    """
    places = np.flatnonzero(left >= 0)
    children = np.concatenate([left[places], right[places]])
    # Each node but the first is the child of one that stands before it: so there is no way round.
    if (children <= np.concatenate([places, places])).any() or not np.array_equal(
        np.sort(children), np.arange(1, len(left))
    ):
        raise UnsupportedModel("a tree's nodes do not make a tree")
    if ((feature[places] < 0) | (feature[places] >= width)).any():
        raise UnsupportedModel("a tree's splits are damaged")


def _check(tree: Tree, ensemble: Ensemble) -> None:
    size, split = len(tree.left), tree.splits
    others = (tree.right, tree.feature, tree.threshold, tree.missing, tree.visits)
    if not size or any(each.shape != (size,) for each in (tree.left, *others)):
        raise UnsupportedModel("a tree's nodes do not fit each other")
    check_nodes(tree.left, tree.right, tree.feature, ensemble.width)
    if np.isnan(tree.threshold[split]).any() or not (tree.missing[split] <= max(Missing)).all():
        raise UnsupportedModel("a tree's splits are damaged")
    leaves, outputs = tree.leaves, len(ensemble.base)
    if leaves.ndim != 2 or len(leaves) != size - int(split.sum()) or leaves.dtype != ensemble.base.dtype:
        raise UnsupportedModel("a tree's leaves do not fit its nodes")
    if tree.output < 0 or leaves.shape[1] < 1 or tree.output + leaves.shape[1] > outputs:
        raise UnsupportedModel(f"a tree's leaves do not fit the model's {outputs} outputs")
    if not np.isfinite(leaves).all():
        raise UnsupportedModel("a leaf has a number that is not finite")
    if tree.category is not None and (
        tree.category.shape != (size,) or not ((tree.category >= NUMERIC) & (tree.category < len(tree.sets))).all()
    ):
        raise UnsupportedModel("a tree's splits by category are damaged")
