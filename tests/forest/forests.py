"""Random forests of every kind, trees of every shape, and rows to ask them."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest import Prediction
from forest.checks.parity import threshold_rows

GREATEST = np.finfo(np.float32).max
LEAST = np.finfo(np.float32).smallest_subnormal

EDGES = np.array(
    [GREATEST, -GREATEST, np.nextafter(GREATEST, np.float32(0)), LEAST, -LEAST, 1e-38, 0.0, -0.0, 1.0, -1.0],
    dtype=np.float32,
)
"""Numbers where float32 ends or begins."""

NEIGHBOURS = (np.float32(4).view(np.uint32) + np.arange(6, dtype=np.uint32)).view(np.float32)
"""Float32 numbers one after the other."""

COLUMNS: dict[str, Callable[[np.random.Generator, int], NDArray[Any]]] = {
    "continuous": lambda draw, rows: draw.normal(size=rows),
    "few": lambda draw, rows: draw.integers(-2, 3, size=rows),
    "constant": lambda draw, rows: np.full(rows, draw.choice(EDGES)),
    "edges": lambda draw, rows: draw.choice(EDGES, size=rows),
    # A threshold between two of these is no float32 itself.
    "neighbours": lambda draw, rows: draw.choice(NEIGHBOURS, size=rows),
    "all sizes": lambda draw, rows: draw.choice([-1, 1], size=rows) * 2.0 ** draw.uniform(-149, 127.9, size=rows),
    # scikit-learn takes numbers for equal that differ by less than 1e-7.
    "tiny steps": lambda draw, rows: draw.uniform(-1e-6, 1e-6, size=rows),
}
"""What the columns of a training matrix may be like."""

LABELS: dict[str, Callable[[NDArray[np.int64]], NDArray[Any]]] = {
    "int": lambda codes: codes * 7 - 20,
    "uint8": lambda codes: codes.astype(np.uint8),
    "bool": lambda codes: codes % 2 == 0,
    "float": lambda codes: codes.astype(np.float32) - 3,
    "string": lambda codes: np.array([f"class {code}" for code in codes]),
    "object": lambda codes: np.array([f"class {code}" for code in codes], dtype=object),
}
"""What class labels may be, made of codes 0, 1, …."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to make the training data and grow a forest; what it does not say follows from the seed.

    Attributes:
        seed: of all draws.
        rows: of the training data.
        width: of the training data.
        columns: kinds of columns, dealt out in turn.
        values: numbers strewn into the training data.
        classes: the most that there may be.
        labels: their kind.
        contradictory: whether equal rows have different labels.
        weighted: whether the rows have weights.
        uneven: whether the classes have weights of their own.
        extra: whether it is an ExtraTreesClassifier.
        options: of the estimator.
    """

    seed: int
    rows: int
    width: int
    columns: list[str]
    values: list[float]
    classes: int
    labels: str
    contradictory: bool
    weighted: bool
    uneven: bool
    extra: bool
    options: dict[str, Any]


PLANS = st.builds(
    Plan,
    seed=st.integers(0, 2**32 - 1),
    rows=st.sampled_from([2, 5, 30, 100, 200]),
    width=st.integers(1, 70) | st.sampled_from([1, 2, 64, 65]),
    columns=st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=5),
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=5),
    classes=st.integers(2, 30) | st.just(2),
    labels=st.sampled_from(list(LABELS)),
    contradictory=st.booleans(),
    weighted=st.booleans(),
    uneven=st.booleans(),
    extra=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "n_estimators": st.integers(1, 40),
            "max_depth": st.none() | st.integers(1, 30),
            "min_samples_leaf": st.sampled_from([1, 1, 3]),
            "max_leaf_nodes": st.none() | st.integers(2, 40),
            "max_features": st.sampled_from(["sqrt", None]),
            "criterion": st.sampled_from(["gini", "entropy"]),
            "bootstrap": st.booleans(),
        }
    ),
)
"""Plans for forests of every kind."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A fitted forest.

    Attributes:
        estimator: the forest.
        matrix: what it was trained on.
    """

    estimator: Any
    matrix: NDArray[np.float32]

    def rows(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw rows that stand on thresholds, on training values, and one float32 beside either."""
        draw = np.random.default_rng(seed)
        mixed = np.take_along_axis(self.matrix, draw.integers(len(self.matrix), size=(count, self.matrix.shape[1])), 0)
        beside = np.nextafter(mixed, draw.choice(np.array([-GREATEST, GREATEST]), size=mixed.shape))
        rows = np.concatenate([threshold_rows(self.estimator, count, seed=seed), mixed, beside])
        return draw.permutation(rows)[:count]


def grow(plan: Plan) -> Grown:
    """Grow the forest of a plan."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    draw = np.random.default_rng(plan.seed)
    kinds = [plan.columns[number % len(plan.columns)] for number in range(plan.width)]
    matrix = np.stack([COLUMNS[kind](draw, plan.rows) for kind in kinds], axis=1).astype(np.float32)
    for value in plan.values:
        matrix[draw.random(matrix.shape) < 0.1] = value
    if plan.contradictory:
        matrix = matrix[draw.integers(plan.rows, size=plan.rows)]
    labels = LABELS[plan.labels](draw.integers(plan.classes, size=plan.rows))
    # Rows without any weight are none to scikit-learn; one must be left.
    weights = np.concatenate([[1.0], draw.choice([0.0, 0.3, 1.0, 2.0], size=plan.rows - 1)]) if plan.weighted else None
    class_weight = {label: 0.1 + number % 3 for number, label in enumerate(np.unique(labels))} if plan.uneven else None
    kind = ExtraTreesClassifier if plan.extra else RandomForestClassifier
    estimator = kind(**plan.options, class_weight=class_weight, random_state=plan.seed)
    with quiet_scikit_learn():
        return Grown(estimator.fit(matrix, labels, sample_weight=weights), matrix)


@contextmanager
def quiet_scikit_learn() -> Iterator[None]:
    """Pass over what scikit-learn says of such data as these."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
        # Whether a matrix is finite is first asked of its sum, which may overflow.
        warnings.filterwarnings("ignore", "(overflow|invalid value) encountered in reduce", RuntimeWarning)
        yield


def assert_same(prediction: Prediction, estimator: Any, matrix: NDArray[np.float32]) -> None:  # noqa: ANN401
    """The prediction has the bits of the estimator's probabilities, and its labels, of its type."""
    with quiet_scikit_learn():
        probabilities, labels = estimator.predict_proba(matrix), estimator.predict(matrix)
    np.testing.assert_array_equal(bits(prediction), probabilities.view(np.uint64))
    np.testing.assert_array_equal(prediction.labels, labels)
    assert prediction.labels.dtype == labels.dtype


def bits(prediction: Prediction) -> NDArray[np.uint64]:
    """The bits of the probabilities."""
    assert prediction.probabilities is not None
    return prediction.probabilities.view(np.uint64)


def spread(matrix: NDArray[np.float32], order: NDArray[np.intp]) -> NDArray[np.float32]:
    """The matrix with each of the model's columns where ``order`` says that it stands."""
    out = np.empty_like(matrix)
    out[:, order] = matrix
    return out


@dataclass(frozen=True, slots=True)
class Shape:
    """The nodes of a binary tree; a child's number is above its parent's.

    Attributes:
        left: (n,) the left child; -1 for leaves.
        right: (n,) likewise.
        visits: (n,) how often a walk comes by.
        depth: of the deepest leaf.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    visits: NDArray[np.float64]
    depth: int

    def __repr__(self) -> str:
        return f"<{len(self.left)} nodes, {self.depth} deep>"


NEXT: dict[str, Callable[[np.random.Generator, int], int]] = {
    "left chain": lambda _draw, leaves: leaves - 2,
    "right chain": lambda _draw, leaves: leaves - 1,
    "balanced": lambda _draw, _leaves: 0,
    "random": lambda draw, leaves: int(draw.integers(leaves)),
    "ragged": lambda draw, leaves: max(0, leaves - 1 - int(draw.geometric(0.5))),
}
"""Which leaf a growing tree splits next, of the leaves in the order in which they came to be."""

VISITS = ("equal", "random", "none")
"""How often walks end in each leaf."""


def shape(splits: int, grows: str, visits: str, seed: int, *, shuffled: bool = False) -> Shape:
    """Grow a tree split by split.

    Args:
        splits: how many it has.
        grows: key of ``NEXT``.
        visits: one of ``VISITS``.
        seed: of all draws.
        shuffled: whether to number the nodes anew, in a random order that has parents before their children.
    """
    draw = np.random.default_rng(seed)
    nodes = 2 * splits + 1
    left, right = (np.full(nodes, -1, dtype=np.int64) for _ in range(2))
    level, rank = np.zeros(nodes, dtype=np.int64), np.zeros(nodes)
    leaves = [0]
    for child in range(1, nodes, 2):
        node = leaves.pop(NEXT[grows](draw, len(leaves)) if len(leaves) > 1 else 0)
        left[node], right[node] = child, child + 1
        level[child : child + 2] = level[node] + 1
        rank[child : child + 2] = rank[node] + draw.random(2) + 1e-9
        leaves += [child, child + 1]
    counts = np.zeros(nodes)
    counts[left < 0] = draw.integers(1000, size=splits + 1) if visits == "random" else visits == "equal"
    for node in range(nodes - 1, -1, -1):
        if left[node] >= 0:
            counts[node] = counts[left[node]] + counts[right[node]]
    if shuffled:
        by_rank = np.argsort(rank, kind="stable")
        number = np.empty(nodes + 1, dtype=np.int64)
        number[by_rank], number[-1] = np.arange(nodes), -1
        left, right, counts = number[left][by_rank], number[right][by_rank], counts[by_rank]
    return Shape(left, right, counts, int(level.max()))


SHAPES = st.builds(
    shape,
    st.integers(0, 400),
    st.sampled_from(list(NEXT)),
    st.sampled_from(VISITS),
    st.integers(0, 2**32 - 1),
    shuffled=st.booleans(),
)
"""Trees of every shape."""


def transplanted(shapes: list[Shape], width: int, classes: int, seed: int) -> Any:  # noqa: ANN401 - sklearn is untyped
    """A forest with trees of given shapes in it, and random splits and leaves."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree._tree import Tree

    draw = np.random.default_rng(seed)
    estimator = RandomForestClassifier(len(shapes), random_state=seed)
    estimator.fit(np.zeros((2 * classes, width), dtype=np.float32), np.arange(2 * classes) % classes)
    some = np.concatenate([draw.normal(size=10), draw.choice([-1, 1], 10) * 2.0 ** draw.uniform(-149, 127.9, 10)])
    few = draw.dirichlet(np.ones(classes), size=5)
    for grown, form in zip(estimator.estimators_, shapes, strict=True):
        nodes = np.zeros(len(form.left), dtype=grown.tree_.__getstate__()["nodes"].dtype)
        split = form.left >= 0
        nodes["left_child"], nodes["right_child"], nodes["n_node_samples"] = form.left, form.right, form.visits
        nodes["feature"] = np.where(split, draw.integers(width, size=len(nodes)), -2)
        nodes["threshold"] = np.where(split, draw.choice(some, size=len(nodes)), -2)
        nodes["missing_go_to_left"][split] = form.visits[form.left[split]] > form.visits[form.right[split]]
        values = draw.dirichlet(np.ones(classes), size=(len(nodes), 1))
        common = draw.random(len(nodes)) < 0.8
        values[common, 0] = few[draw.integers(len(few), size=common.sum())]
        tree = Tree(width, np.array([classes], dtype=np.intp), 1)
        tree.__setstate__({"max_depth": form.depth, "node_count": len(nodes), "nodes": nodes, "values": values})
        grown.tree_ = tree
    return estimator
