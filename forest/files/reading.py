"""A forest's file, of any known version of scikit-learn → plain arrays. None of the file's code runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.files.pickles import read_pickle
from forest.files.skops_file import read_skops
from forest.files.stored import Stored, Unreadable, array, number, what
from forest.fitted import TREES, FittedForest, FittedTree, minor

_ZIP: Final = b"PK\x03\x04"

METHODS: Final = frozenset(
    {
        *("predict", "predict_proba", "apply", "decision_path", "get_params"),
        *("_validate_X_predict", "_validate_data", "_check_feature_names", "_check_n_features"),
        *("_support_missing_values", "_get_tags", "_more_tags", "_repr_html_", "__sklearn_tags__"),
        *("__sklearn_is_fitted__", "__call__", "__len__", "__iter__", "__getitem__", "__class__"),
    }
)
"""What of an estimator has a part in its predictions. An attribute of that name that is set on it takes its place."""


def read_forest(path: Path) -> FittedForest:
    """Read a forest from a file that pickle, cloudpickle, joblib or skops has written.

    Its version of scikit-learn need not be installed, nor any.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it is no forest, or cannot be read without running the code in it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        read = read_skops if file.read(len(_ZIP)) == _ZIP else read_pickle
    found, size = read(path)
    forest = _forest(found)
    # A file may name one array a million times; a forest's do not.
    if sum(tree.nodes.nbytes + tree.values.nbytes for tree in forest.trees) > size:
        raise Unreadable("its trees are larger than the file")
    return forest.check()


def overridden(attributes: Mapping[str, object]) -> list[str]:
    """Which methods are overridden by attributes that are set on an estimator itself."""
    return sorted(METHODS & attributes.keys())


def _forest(stored: Any) -> FittedForest:  # noqa: ANN401 - whatever a file has in it
    if not isinstance(stored, Stored) or stored.name not in TREES:
        raise Unreadable(f"{what(stored)} is no RandomForestClassifier or ExtraTreesClassifier")
    attributes = _attributes(stored)
    version = number(attributes.get("_sklearn_version"))
    if not isinstance(version, str) or not _is_version(version):
        raise Unreadable("the forest does not say which version of scikit-learn made it")
    if "estimators_" not in attributes:
        raise Unreadable("the forest is not fitted")
    if (outputs := _whole(attributes, "n_outputs_")) != 1:
        raise Unreadable(f"the forest has {outputs} outputs, not one")
    classes, trees = _labels(attributes.get("classes_")), attributes["estimators_"]
    if _whole(attributes, "n_classes_") != len(classes):
        raise Unreadable("the forest has another number of class labels than of classes")
    if not isinstance(trees, list):
        raise Unreadable(f"the forest has {what(trees)} for its trees")
    names, width = attributes.get("feature_names_in_"), _whole(attributes, "n_features_in_")
    return FittedForest(
        kind=stored.name,
        version=version,
        classes=classes,
        columns=None if names is None else tuple(str(number(name)) for name in array(names).ravel().tolist()),
        width=width,
        trees=[_tree(tree, TREES[stored.name], version, len(classes), width) for tree in trees],
    )


def _tree(stored: Any, kind: str, version: str, n_classes: int, width: int) -> FittedTree:  # noqa: ANN401
    if not isinstance(stored, Stored) or stored.name != kind:
        raise Unreadable(f"one of the forest's trees is {what(stored)}, not {kind}")
    attributes = _attributes(stored)
    if number(attributes.get("_sklearn_version")) != version:
        raise Unreadable("one of the forest's trees was made by another version of scikit-learn")
    facts = [_whole(attributes, name) for name in ("n_outputs_", "n_classes_", "n_features_in_")]
    match attributes.get("tree_"):
        case Stored("Tree", (features, counts, outputs), {"nodes": nodes, "values": values, "max_depth": depth}):
            facts += [number(outputs), *_list(counts), number(features)]
        case _:
            raise Unreadable("one of the forest's trees is not fitted")
    if facts != 2 * [1, n_classes, width]:
        raise Unreadable("one of the forest's trees has other outputs, classes or columns than the forest")
    records, shares, depth = array(nodes), array(values), number(depth)
    if shares.ndim != 3 or shares.shape[1] != 1 or type(depth) is not int:
        raise Unreadable("one of the forest's trees is damaged")
    return FittedTree(records, shares[:, 0, :], depth)


def _attributes(stored: Stored) -> dict[str, Any]:
    """What is set on an estimator."""
    if not isinstance(stored.state, dict):
        raise Unreadable(f"{stored.name} has no attributes")
    if names := overridden(stored.state):
        raise Unreadable(f"{stored.name} has {', '.join(names)} of its own")
    return stored.state


def _whole(attributes: Mapping[str, Any], name: str) -> int:
    """A whole number among the attributes."""
    found = number(attributes.get(name))
    if type(found) is not int:
        raise Unreadable(f"{name} is no whole number")
    return found


def _list(stored: Any) -> list[Any]:  # noqa: ANN401
    found: list[Any] = array(stored).ravel().tolist()
    return found


def _labels(stored: Any) -> NDArray[Any]:  # noqa: ANN401
    """The class labels; those that are objects of a file become plain ones."""
    found = array(stored)
    if found.dtype.hasobject and found.ndim == 1:
        plain = np.empty(len(found), dtype=object)
        for place, label in enumerate(found):
            plain[place] = number(label)
        return plain
    return found


def _is_version(text: str) -> bool:
    try:
        minor(text)
    except ValueError:
        return False
    return True
