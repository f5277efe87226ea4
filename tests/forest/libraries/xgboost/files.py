"""Model files of XGBoost with any trees in them, written without it."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.forest.forests import NEXT, VISITS, Shape, shape

SOME: list[float] = [0.0, -0.0, 1.0, -1.0, 0.1, 1e-45, -1e-45, 1e-38, 3e38, -3e38, 16777217.0, float("inf")]
"""Thresholds; a split below which there is no number is refused."""


SHAPES = st.builds(
    shape, st.integers(0, 80), st.sampled_from(list(NEXT)), st.sampled_from(VISITS), st.integers(0, 2**32 - 1)
)
"""Trees of every shape, whose children are side by side."""


@dataclass(frozen=True)
class Plan:
    """What a model is to be.

    Attributes:
        shapes: of its trees, of which each output has every so manieth.
        width: how many columns it takes.
        classes: how many classes; 0 for a number.
        objective: of XGBoost's.
        base_score: as XGBoost stores it.
        weighted: whether it is a dart.
        seed: of all draws.
    """

    shapes: list[Shape]
    width: int
    classes: int
    objective: str
    base_score: str
    weighted: bool
    seed: int


PLANS = st.builds(
    Plan,
    st.lists(SHAPES, min_size=1, max_size=12),
    st.integers(1, 5),
    st.just(0),
    st.sampled_from(["reg:squarederror", "binary:logistic", "binary:hinge", "count:poisson"]),
    st.sampled_from(["5E-1", "[1.2345678E-1]", "[9.9999994E-1]", "[3E-5]"]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
"""Models with one output."""

CLASSES = st.builds(
    Plan,
    st.lists(SHAPES, min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(3, 30),
    st.sampled_from(["multi:softprob", "multi:softmax"]),
    st.just("[5E-1]"),
    st.just(False),
    st.integers(0, 2**32 - 1),
)
"""Models with many."""


def written(plan: Plan) -> bytes:
    """The model as JSON."""
    draw = np.random.default_rng(plan.seed)
    outputs = max(plan.classes, 1)
    trees = [_tree(shape, place, plan.width, draw) for place, shape in enumerate(plan.shapes)]
    groups = [place % outputs for place in range(len(trees))]
    model: dict[str, Any] = {
        "name": "gbtree",
        "model": {
            "gbtree_model_param": {"num_trees": str(len(trees)), "num_parallel_tree": "1"},
            "trees": trees,
            "tree_info": groups,
            "iteration_indptr": [0, len(trees)],
            "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
        },
    }
    if plan.weighted:
        weights = draw.random(len(trees)).astype(np.float32)
        model = {"name": "dart", "gbtree": model, "weight_drop": [float(each) for each in weights]}
    objective: dict[str, Any] = {"name": plan.objective}
    if plan.classes:
        objective["softmax_multiclass_param"] = {"num_class": str(plan.classes)}
    if plan.objective == "count:poisson":
        objective["poisson_regression_param"] = {"max_delta_step": "0.7"}
    parameters = {"base_score": plan.base_score, "boost_from_average": "1", "num_target": "1"}
    parameters |= {"num_class": str(plan.classes), "num_feature": str(plan.width)}
    learner = {
        "learner_model_param": parameters,
        "objective": objective,
        "gradient_booster": model,
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
    }
    return json.dumps({"version": [3, 2, 0], "learner": learner}).encode()


def rows(plan: Plan, content: bytes, count: int = 70) -> NDArray[np.float32]:
    """(count, width) rows that stand on thresholds and beside them, or have no number or an infinite one."""
    draw = np.random.default_rng(plan.seed + 1)
    booster = json.loads(content)["learner"]["gradient_booster"]
    trees = booster.get("gbtree", booster)["model"]["trees"]
    on = np.concatenate([np.array(tree["split_conditions"], dtype=np.float32) for tree in trees])
    with np.errstate(over="ignore"):
        beside = [np.nextafter(on, np.float32(way)) for way in (np.inf, -np.inf)]
    others = np.array([np.nan, np.inf, -np.inf, *SOME], dtype=np.float32)
    return draw.choice(np.concatenate([on, *beside, others, others]), size=(count, plan.width))


def _tree(shape: Shape, place: int, width: int, draw: np.random.Generator) -> dict[str, Any]:
    size = len(shape.left)
    split = shape.left >= 0
    wide = draw.choice([-1, 1], size) * 2.0 ** draw.uniform(-149, 127.9, size)
    thresholds = np.where(draw.random(size) < 0.5, draw.choice(SOME, size), wide)
    leaves = draw.normal(size=size) * draw.choice([1, 1e-3, 1e-20])
    types = np.where(split & (draw.random(size) < 0.2), 1, 0)
    nodes = np.flatnonzero(types)
    sets = [np.unique(draw.integers(0, draw.choice([4, 70]), size=draw.integers(1, 6))) for _ in nodes]
    sizes = [len(each) for each in sets]
    parents = np.full(size, 2147483647)
    for child in (shape.left, shape.right):
        parents[child[split]] = np.flatnonzero(split)
    return {
        "id": place,
        "tree_param": {
            "num_nodes": str(size),
            "size_leaf_vector": "1",
            "num_feature": str(width),
            "num_deleted": "0",
        },
        "left_children": shape.left.tolist(),
        "right_children": shape.right.tolist(),
        "parents": parents.tolist(),
        "split_indices": np.where(split, draw.integers(width, size=size), 0).tolist(),
        "split_conditions": [float(each) for each in np.where(split, thresholds, leaves).astype(np.float32)],
        "default_left": draw.integers(2, size=size).tolist(),
        "split_type": types.tolist(),
        "categories_nodes": nodes.tolist(),
        "categories_segments": np.cumsum([0, *sizes])[: len(sizes)].tolist(),
        "categories_sizes": sizes,
        "categories": [int(code) for each in sets for code in each],
        "sum_hessian": [float(each) for each in shape.visits],
        "loss_changes": [0.0] * size,
        "base_weights": [0.0] * size,
    }
