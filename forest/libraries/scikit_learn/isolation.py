"""scikit-learn's IsolationForest (sklearn/ensemble/_iforest.py) as an ensemble, which tells -1 (an outlier) or 1."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.ensemble import Ensemble, Missing, Tree
from forest.files.stored import Unreadable, array
from forest.libraries.scikit_learn.attributes import Attributes
from forest.libraries.scikit_learn.forests import FittedTree, minor
from forest.libraries.scikit_learn.found import Expected, Found, checked, each_once, finished, fitted_tree
from forest.links import Link

_MISSING_SINCE: Final = (1, 6)
"""Since when missing values are taken, whether the forest saw any or not."""

KIND: Final = "IsolationForest"


def isolation_forest(value: Any) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a fitted IsolationForest.

    A leaf is the length of the path to it and what a longer path would have had on average, less one; the link makes a
    score of their sum, and holds it against ``offset_``: ``_compute_score_samples`` and ``predict``.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it is no such forest; the message says why.
    """
    model = Attributes(value, (KIND,), "the model")
    version = model.known_version()
    if "offset_" not in model:
        raise Unreadable(f"the {KIND} is not fitted")
    width, drawn, samples = model.whole("n_features_in_"), model.whole("_max_features"), model.whole("_max_samples")
    offset = model.real("offset_")
    if not drawn >= 1 or samples < 1:
        raise Unreadable(f"the {KIND} took no columns or rows")
    expected = Expected("ExtraTreeRegressor", version, drawn)
    trees = each_once(lambda each: fitted_tree(each, expected), model.items("estimators_"))
    # With all columns the trees have them in their order, whatever the lists say.
    columns: list[Any] = [None] * len(trees) if drawn == width else model.items("estimators_features_")
    lengths, averages = model.items("_decision_path_lengths"), model.items("_average_path_length_per_tree")
    if not len(trees) == len(columns) == len(lengths) == len(averages):
        raise Unreadable(f"the {KIND} has not one path length a tree")
    denominator = len(trees) * average_path_length(samples)

    def ensemble() -> Ensemble:
        made = Ensemble(
            library="scikit-learn",
            version=version,
            kind=KIND,
            classes=np.array([-1, 1]),
            columns=model.columns(),
            width=width,
            trees=[
                _tree(checked(tree, drawn, version), (_numbers(length), _numbers(average)), _columns(own, drawn, width))
                for tree, length, average, own in zip(trees, lengths, averages, columns, strict=True)
            ],
            link=Link("isolation", (denominator, offset)),
            dtype=np.float32,
            base=np.zeros(1),
            takes_missing=minor(version) >= _MISSING_SINCE,
        )
        return finished(made)

    def _tree(tree: FittedTree, parts: tuple[NDArray[Any], NDArray[Any]], own: NDArray[np.int64] | None) -> Tree:
        length, average = parts
        if not length.shape == average.shape == tree.nodes.shape:
            raise Unreadable("a tree's path lengths do not fit its nodes")
        feature, missing = tree.feature, np.full(len(tree.nodes), Missing.REFUSED, dtype=np.uint8)
        if own is not None:
            feature = np.where(tree.splits, own.take(feature, mode="clip"), feature)
        if minor(version) >= _MISSING_SINCE:
            missing[:] = np.where(tree.nodes["missing_go_to_left"], Missing.LEFT, Missing.RIGHT)
        leaf = ~tree.splits
        return Tree(
            left=tree.left,
            right=tree.right,
            feature=feature,
            threshold=tree.threshold,
            missing=missing,
            visits=tree.samples.astype(np.float64),
            leaves=(length[leaf] + average[leaf] - 1.0).astype(np.float64).reshape(-1, 1),
        )

    arrays = [each for tree in trees for each in (tree.nodes, tree.values)]
    return Found(sum(each.nbytes for each in arrays), ensemble)


def average_path_length(samples: int) -> float:
    """The average length of a path in an isolation tree of so many samples, as ``_average_path_length`` computes it."""
    if samples <= 2:
        return float(samples - 1)
    count = np.array([samples])
    return float((2.0 * (np.log(count - 1.0) + np.euler_gamma) - 2.0 * (count - 1.0) / count)[0])


def _numbers(value: Any) -> NDArray[Any]:  # noqa: ANN401
    found = array(value)
    if found.dtype.kind not in "fi" or found.dtype.itemsize != 8:
        raise Unreadable("a tree's path lengths are no numbers")
    return found


def _columns(value: Any, drawn: int, width: int) -> NDArray[np.int64] | None:  # noqa: ANN401
    """The columns that a tree was given; None if all."""
    if value is None:
        return None
    found = array(value)
    if found.shape != (drawn,) or found.dtype.kind not in "iu" or ((found < 0) | (found >= width)).any():
        raise Unreadable("a tree's columns are not among the model's")
    return found.astype(np.int64)
