"""scikit-learn's forests and trees, of any known version, as plain arrays; and what that version makes of them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel, check_distributions
from forest.ensemble import Ensemble, Missing, Tree, check_nodes
from forest.links import Link


class Kind(NamedTuple):
    """A class of scikit-learn.

    Attributes:
        tree: the class of its trees.
        missing_since: the first version whose ``predict`` takes missing values.
        classifies: whether it answers with classes.
    """

    tree: str
    missing_since: tuple[int, int]
    classifies: bool


KINDS: Final = {
    "RandomForestClassifier": Kind("DecisionTreeClassifier", (1, 4), classifies=True),
    "RandomForestRegressor": Kind("DecisionTreeRegressor", (1, 4), classifies=False),
    "ExtraTreesClassifier": Kind("ExtraTreeClassifier", (1, 6), classifies=True),
    "ExtraTreesRegressor": Kind("ExtraTreeRegressor", (1, 6), classifies=False),
    "DecisionTreeClassifier": Kind("DecisionTreeClassifier", (1, 3), classifies=True),
    "DecisionTreeRegressor": Kind("DecisionTreeRegressor", (1, 3), classifies=False),
    "ExtraTreeClassifier": Kind("ExtraTreeClassifier", (1, 6), classifies=True),
    "ExtraTreeRegressor": Kind("ExtraTreeRegressor", (1, 6), classifies=False),
}
"""The estimators that are the mean of their trees, or one tree."""

OLDEST: Final = (1, 1)
NEWEST: Final = (1, 9)
"""The versions of scikit-learn whose forests are known; tests hold each of them against its own answers."""

_SHARES_SINCE: Final = (1, 4)
"""Before, a tree's ``value`` had weighted counts, and ``predict_proba`` made shares of them."""

_FLAGS_SINCE: Final = (1, 3)
"""Since when a node says where missing values go."""

_FIELDS: Final = {"left_child": "i", "right_child": "i", "feature": "i", "threshold": "f", "n_node_samples": "i"}


class UnknownVersion(UnsupportedModel):
    """The forest was made by a version of scikit-learn that is not known."""


def minor(version: str) -> tuple[int, int]:
    """The first two numbers of a version.

    Raises:
        ValueError: it has none.
    """
    if (found := re.match(r"(\d{1,4})\.(\d{1,4})(?!\d)", version)) is None:
        raise ValueError(f"{version[:40]!a} is no version")
    return int(found[1]), int(found[2])


@dataclass(frozen=True, eq=False)
class FittedTree:
    """One tree, checked to be one.

    Attributes:
        nodes: (n,) scikit-learn's node records.
        values: (n, n_classes) float64, weighted counts or shares of the classes in each node; of a regressor (n, 1),
            its answer there.
        depth: of the tree.
    """

    nodes: NDArray[Any]
    values: NDArray[np.float64]
    depth: int

    @cached_property
    def splits(self) -> NDArray[np.bool_]:
        """(n,) whether each node is a split."""
        return self.left >= 0

    @property
    def left(self) -> NDArray[np.int64]:
        """(n,) the left child of each node; -1 for leaves."""
        return np.ascontiguousarray(self.nodes["left_child"], dtype=np.int64)

    @property
    def right(self) -> NDArray[np.int64]:
        """(n,) likewise."""
        return np.ascontiguousarray(self.nodes["right_child"], dtype=np.int64)

    @property
    def feature(self) -> NDArray[np.int64]:
        """(n,) the feature of each split."""
        return np.ascontiguousarray(self.nodes["feature"], dtype=np.int64)

    @property
    def threshold(self) -> NDArray[np.float64]:
        """(n,) the threshold of each split."""
        return np.ascontiguousarray(self.nodes["threshold"], dtype=np.float64)

    @property
    def samples(self) -> NDArray[np.int64]:
        """(n,) how many training samples came to each node."""
        return np.ascontiguousarray(self.nodes["n_node_samples"], dtype=np.int64)

    def check(self, width: int, outputs: int) -> None:
        """Make sure that these are a tree's nodes, with so many values each.

        Raises:
            UnsupportedModel: they may not.
        """
        nodes = self.nodes
        if (
            nodes.ndim != 1
            or not len(nodes)
            or any(
                name not in (nodes.dtype.names or ()) or nodes.dtype[name].kind != kind
                for name, kind in _FIELDS.items()
            )
        ):
            raise UnsupportedModel("a tree's nodes are not scikit-learn's")
        if self.values.shape != (len(nodes), outputs) or self.values.dtype.kind != "f":
            raise UnsupportedModel("a tree's values do not fit its nodes and classes")
        if (self.right[~self.splits] >= 0).any() or not 0 <= self.depth < len(nodes):
            raise UnsupportedModel("a tree's nodes are damaged")
        check_nodes(self.left, self.right, self.feature, width)
        if (self.samples < 0).any() or np.isnan(self.threshold[self.splits]).any():
            raise UnsupportedModel("a tree's splits are damaged")


@dataclass(frozen=True, eq=False)
class FittedForest:
    """A fitted estimator of ``KINDS`` with one output, whatever version made it.

    Attributes:
        kind: its class, a key of ``KINDS``.
        version: of scikit-learn, which decides what the trees' values mean.
        classes: (n_classes,) the class labels; None of a regressor.
        columns: names of its columns; None if it was fitted without.
        width: how many columns it takes.
        trees: its trees.
    """

    kind: str
    version: str
    classes: NDArray[Any] | None
    columns: tuple[str, ...] | None
    width: int
    trees: Sequence[FittedTree]

    def ensemble(self) -> Ensemble:
        """The same as an ensemble, whose trees are made when they are asked for: they take as much memory again.

        Raises:
            UnknownVersion: the version is not known.
            UnsupportedModel: something does not fit.
        """
        if not OLDEST <= minor(self.version) <= NEWEST:
            known = ".".join(map(str, OLDEST)) + " to " + ".".join(map(str, NEWEST))
            raise UnknownVersion(f"the forest was made by scikit-learn {self.version}, known are {known}")
        if (self.classes is not None and (self.classes.ndim != 1 or not len(self.classes))) or not self.trees:
            raise UnsupportedModel("the forest has no classes, or no trees")
        outputs = 1 if self.classes is None else len(self.classes)
        for tree in self.trees:
            tree.check(self.width, outputs)
            if minor(self.version) >= _FLAGS_SINCE and "missing_go_to_left" not in (tree.nodes.dtype.names or ()):
                raise UnsupportedModel(f"a tree's nodes are not those of scikit-learn {self.version}")
        alone = KINDS[self.kind].tree == self.kind
        return Ensemble(
            library="scikit-learn",
            version=self.version,
            kind=self.kind,
            classes=self.classes,
            columns=self.columns,
            width=self.width,
            trees=_Trees(self),
            link=Link("value" if self.classes is None else "shares"),
            dtype=np.float32,
            # A tree alone answers with its leaf, and -0.0 is the number that changes no other, -0.0 included.
            base=np.full(outputs, -0.0 if alone else 0.0),
            divisor=float(len(self.trees)),
            takes_missing=self.saw_missing_values,
        ).check_table()

    def leaves(self, tree: FittedTree) -> NDArray[np.float64]:
        """(n_leaves, n_outputs) what the forest's version answers at each leaf of a tree.

        Raises:
            UnsupportedModel: of a classifier, those are no distributions.
        """
        found = np.ascontiguousarray(tree.values[~tree.splits], dtype=np.float64)
        if self.classes is None:
            if not np.isfinite(found).all():
                raise UnsupportedModel("a leaf has a number that is not finite")
            return found
        if minor(self.version) < _SHARES_SINCE:
            # sklearn/tree/_classes.py of 1.3: the same operations on rows of the same layout give the same bits.
            normalizer = found.sum(axis=1)[:, np.newaxis]
            normalizer[normalizer == 0.0] = 1.0
            found = found / normalizer
        try:
            check_distributions(found)
        except ValueError as error:
            raise UnsupportedModel(
                f"at a leaf {error}; a forest that was fitted by scikit-learn 1.3 or before and saved again by "
                "another version is such: save it by the version that fitted it"
            ) from None
        return found

    @cached_property
    def saw_missing_values(self) -> bool:
        """Whether it was fitted on missing values: else none is to be asked.

        A tree that has seen none sends them to the child with more samples
        (https://scikit-learn.org/stable/modules/tree.html#missing-values-support).
        """
        return any(map(self._saw_missing_values, self.trees))

    def _saw_missing_values(self, tree: FittedTree) -> bool:
        split = tree.splits
        if minor(self.version) < KINDS[self.kind].missing_since:
            return False
        if not np.isfinite(tree.threshold[split]).all():
            return True
        samples = tree.samples
        larger = samples[tree.left[split]] > samples[tree.right[split]]
        return bool((tree.nodes["missing_go_to_left"][split] != larger).any())

    def tree(self, tree: FittedTree) -> Tree:
        """One tree, as an ensemble has it."""
        missing = np.full(len(tree.nodes), Missing.REFUSED, dtype=np.uint8)
        if self.saw_missing_values:
            missing[:] = np.where(tree.nodes["missing_go_to_left"], Missing.LEFT, Missing.RIGHT)
        return Tree(
            left=tree.left,
            right=tree.right,
            feature=tree.feature,
            threshold=tree.threshold,
            missing=missing,
            visits=tree.samples.astype(np.float64),
            leaves=self.leaves(tree),
        )


class _Trees(Sequence[Tree]):
    """A forest's trees, each made when it is asked for."""

    def __init__(self, forest: FittedForest) -> None:
        self._forest = forest

    def __len__(self) -> int:
        return len(self._forest.trees)

    def __iter__(self) -> Iterator[Tree]:
        return map(self._forest.tree, self._forest.trees)

    def __getitem__(self, number: Any) -> Any:  # noqa: ANN401 - a Tree, for a number; no slices are asked for
        return self._forest.tree(self._forest.trees[number])
