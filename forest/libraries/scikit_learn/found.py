"""What a reader finds in one of scikit-learn's models: its trees, checked to be such, and how to make the ensemble."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble
from forest.files.stored import Stored, Unreadable, array
from forest.libraries.scikit_learn.attributes import Attributes, plain, stored
from forest.libraries.scikit_learn.forests import FittedTree
from forest.links import link_function

_T = TypeVar("_T")


@dataclass(frozen=True)
class Found:
    """A model that was read, but not yet made.

    Attributes:
        nbytes: of the arrays of its trees, which a file must have in it.
        ensemble: makes the ensemble.
    """

    nbytes: int
    ensemble: Callable[[], Ensemble]


Read = Callable[[Any, str], Found]
"""Reads an estimator that stands in another one, which says what it is to that one, for messages."""


@dataclass(frozen=True)
class Expected:
    """What each tree of a model is to be.

    Attributes:
        kind: its class.
        version: of scikit-learn.
        width: how many columns it takes.
        n_classes: how many classes it tells; None of a regressor.
    """

    kind: str
    version: str
    width: int
    n_classes: int | None = None


def fitted_tree(value: Any, expected: Expected) -> FittedTree:  # noqa: ANN401
    """One of scikit-learn's trees, not yet checked to be one.

    Raises:
        Unreadable: it is something else.
    """
    attributes = Attributes(value, (expected.kind,), "one of the model's trees").same_version(expected.version)
    names, wanted = ["n_outputs_", "n_features_in_"], [1, expected.width]
    if expected.n_classes is not None:
        names.append("n_classes_")
        wanted.append(expected.n_classes)
    facts = [attributes.whole(name) for name in names]
    tree = attributes.get("tree_")
    match stored(tree) if tree is not None else None:
        case Stored("Tree", (features, counts, outputs), {"nodes": nodes, "values": values, "max_depth": depth}):
            facts += [plain(outputs), plain(features), *array(counts).ravel().tolist()]
            wanted += [1, expected.width, expected.n_classes or 1]
        case _:
            raise Unreadable("one of the model's trees is not fitted")
    if facts != wanted:
        raise Unreadable("one of the model's trees has other outputs, classes or columns than the model")
    records, shares, depth = array(nodes), array(values), plain(depth)
    if shares.ndim != 3 or shares.shape[1] != 1 or type(depth) is not int:
        raise Unreadable("one of the model's trees is damaged")
    return FittedTree(records, shares[:, 0, :], depth)


def each_once(read: Callable[[Any], _T], values: Iterable[Any]) -> list[_T]:
    """What is read of each value; one that is there many times, as a file may name a tree, is read once."""
    known: dict[int, _T] = {}
    found = []
    for value in values:
        if id(value) not in known:
            known[id(value)] = read(value)
        found.append(known[id(value)])
    return found


def finished(ensemble: Ensemble) -> Ensemble:
    """Make sure that an ensemble's trees, outputs and link fit each other; returns it.

    Raises:
        UnsupportedModel: they do not.
    """
    classes = 0 if ensemble.classes is None else len(ensemble.classes)
    link_function(ensemble.link, classes, len(ensemble.base))
    return ensemble.check()


def checked(tree: FittedTree, width: int, version: str) -> FittedTree:
    """Make sure that a regressor's nodes are a tree's and those of the version; returns the tree.

    Raises:
        UnsupportedModel: they are not.
    """
    tree.check(width, 1)
    if "missing_go_to_left" not in (tree.nodes.dtype.names or ()):
        raise UnsupportedModel(f"a tree's nodes are not those of scikit-learn {version}")
    return tree
