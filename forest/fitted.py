"""A fitted forest as plain arrays, and what its version of scikit-learn makes of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel, check_distributions

TREES: Final = {"RandomForestClassifier": "DecisionTreeClassifier", "ExtraTreesClassifier": "ExtraTreeClassifier"}
"""The classes of forests, and of their trees."""

OLDEST: Final = (1, 1)
NEWEST: Final = (1, 9)
"""The versions of scikit-learn whose forests are known; tests hold each of them against its own answers."""

_SHARES_SINCE: Final = (1, 4)
"""Before, a tree's ``value`` had weighted counts, and ``predict_proba`` made shares of them."""

_MISSING_SINCE: Final = {"RandomForestClassifier": (1, 4), "ExtraTreesClassifier": (1, 6)}
"""Since when a forest can be fitted on missing values."""

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
        values: (n, n_classes) float64, weighted counts or shares of the classes in each node.
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

    def check(self, width: int, n_classes: int) -> None:
        """Make sure that walks end, at distributions over the classes.

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
        if self.values.shape != (len(nodes), n_classes) or self.values.dtype.kind != "f":
            raise UnsupportedModel("a tree's distributions do not fit its nodes and classes")
        left, right, split = self.left, self.right, self.splits
        places = np.flatnonzero(split)
        children = np.concatenate([left[split], right[split]])
        if (right[~split] >= 0).any() or not 0 <= self.depth < max(len(nodes), 1):
            raise UnsupportedModel("a tree's nodes are damaged")
        # Each node but the first is the child of one that stands before it: so there is no way round.
        if (children <= np.concatenate([places, places])).any() or not np.array_equal(
            np.sort(children), np.arange(1, len(nodes))
        ):
            raise UnsupportedModel("a tree's nodes do not make a tree")
        feature = self.feature[split]
        if ((feature < 0) | (feature >= width)).any() or (self.samples < 0).any():
            raise UnsupportedModel("a tree's splits are damaged")


@dataclass(frozen=True, eq=False)
class FittedForest:
    """A fitted RandomForestClassifier or ExtraTreesClassifier with one output, whatever version made it.

    Attributes:
        kind: its class, a key of ``TREES``.
        version: of scikit-learn, which decides what the trees' values mean.
        classes: (n_classes,) the class labels.
        columns: names of its columns; None if it was fitted without.
        width: how many columns it takes.
        trees: its trees.
    """

    kind: str
    version: str
    classes: NDArray[Any]
    columns: tuple[str, ...] | None
    width: int
    trees: Sequence[FittedTree]

    def check(self) -> "FittedForest":
        """Make sure that a forest of a known version can be walked; returns it.

        Raises:
            UnknownVersion: the version is not known.
            UnsupportedModel: something does not fit.
        """
        if not OLDEST <= minor(self.version) <= NEWEST:
            known = ".".join(map(str, OLDEST)) + " to " + ".".join(map(str, NEWEST))
            raise UnknownVersion(f"the forest was made by scikit-learn {self.version}, known are {known}")
        if self.classes.ndim != 1 or not len(self.classes) or not self.trees or self.width < 1:
            raise UnsupportedModel("the forest has no classes, trees or columns")
        if self.columns is not None and len(self.columns) != self.width:
            raise UnsupportedModel(f"the forest names {len(self.columns)} of {self.width} columns")
        for tree in self.trees:
            tree.check(self.width, len(self.classes))
            if minor(self.version) >= _FLAGS_SINCE and "missing_go_to_left" not in (tree.nodes.dtype.names or ()):
                raise UnsupportedModel(f"a tree's nodes are not those of scikit-learn {self.version}")
        return self

    def distributions(self, tree: FittedTree) -> NDArray[np.float64]:
        """(n_leaves, n_classes) what ``predict_proba`` of the forest's version says at each leaf of a tree.

        Raises:
            UnsupportedModel: those are no distributions.
        """
        found = np.ascontiguousarray(tree.values[~tree.splits], dtype=np.float64)
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

    def saw_missing_values(self, tree: FittedTree) -> bool:
        """Whether the walk of a tree would send missing values elsewhere than it was fitted on.

        A tree that has seen none sends them to the child with more samples
        (https://scikit-learn.org/stable/modules/tree.html#missing-values-support).
        """
        split = tree.splits
        if not np.isfinite(tree.threshold[split]).all():
            return True
        if minor(self.version) < _MISSING_SINCE[self.kind]:
            return False
        samples = tree.samples
        larger = samples[tree.left[split]] > samples[tree.right[split]]
        return bool((tree.nodes["missing_go_to_left"][split] != larger).any())
