"""LightGBM's model texts with trees of every kind, rows to ask them, and how answers are held against each other."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest import Prediction
from forest.checks.reference import ReferenceEngine
from forest.ensemble import Ensemble
from tests.forest.forests import NEXT, shape

ZERO = float(np.float32(1e-35))
"""What is not farther from 0 counts as 0."""

EDGES = np.array(
    [
        *(0.0, -0.0, ZERO, -ZERO, np.nextafter(ZERO, 1), np.nextafter(-ZERO, -1), 1e-36, 5e-324, -5e-324, 2.3e-308),
        *(1.0, -1.0, 0.5, 1e300, -1e300, 1.7e308, np.inf, -np.inf),
    ]
)
"""Thresholds where something ends or begins."""

CODES = np.array(
    [
        *(0, 1, 2, 31, 32, 63, 64, 95, 96, 1000, -1, -2, -0.5, np.nextafter(-1, 0), 0.5, 31.999, 3.7, 2.0**31),
        *(-(2.0**31), 2.0**31 - 1, 2.0**32 + 1, 1e18, -1e18, 1e300, np.inf, -np.inf, np.nan),
    ]
)
"""Values that may be categories, or not."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to make a model text.

    Attributes:
        seed: of all draws.
        objective: its line, without the number of classes.
        classes: how many trees an iteration has.
        iterations: how many it has.
        width: how many columns.
        splits: the most that a tree has.
        grows: how the trees grow, a key of ``NEXT``.
        categories: whether there are splits by category.
        averages: whether it is a random forest.
    """

    seed: int
    objective: str | None
    classes: int = 1
    iterations: int = 5
    width: int = 4
    splits: int = 20
    grows: str = "random"
    categories: bool = True
    averages: bool = False
    columns: list[str] = field(default_factory=list)


NUMBERS = (
    *("regression", "regression sqrt", "huber", "huber sqrt", "quantile sqrt", "poisson", "poisson sqrt", "tweedie"),
    *("mae", "binary sigmoid:1", "binary sigmoid:0.7", "cross_entropy", "cross_entropy_lambda"),
    *("lambdarank", "rank_xendcg", "custom"),
)
"""Objectives that answer with a number."""

PLANS = st.builds(
    Plan,
    seed=st.integers(0, 2**32 - 1),
    objective=st.sampled_from([*NUMBERS, None]),
    iterations=st.integers(1, 40),
    width=st.integers(1, 12),
    splits=st.sampled_from([0, 1, 2, 7, 30]),
    grows=st.sampled_from(list(NEXT)),
    categories=st.booleans(),
    averages=st.booleans(),
)
"""Plans for models of one output."""


def model_text(plan: Plan) -> str:
    """The text of a plan's model, as ``Booster.model_to_string`` writes one."""
    draw = np.random.default_rng(plan.seed)
    blocks = [f"Tree={number}\n{_tree(plan, draw)}\n\n\n" for number in range(plan.iterations * plan.classes)]
    columns = plan.columns or [f"Column_{number}" for number in range(plan.width)]
    objective = None if plan.objective is None else plan.objective.replace("#", str(plan.classes))
    head = [
        *("tree", "version=v4", f"num_class={plan.classes}", f"num_tree_per_iteration={plan.classes}"),
        *("label_index=0", f"max_feature_idx={plan.width - 1}"),
        *([] if objective is None else [f"objective={objective}"]),
        *(["average_output"] if plan.averages else []),
        f"feature_names={' '.join(columns)}",
        f"feature_infos={' '.join(['[-5:5]'] * plan.width)}",
        f"tree_sizes={' '.join(str(len(block)) for block in blocks)}",
    ]
    return "\n".join(head) + "\n\n" + "".join(blocks) + "end of trees\n\npandas_categorical:null\n"


def booster(text: str) -> Any:  # noqa: ANN401 - lightgbm ships no usable types
    """The library's own."""
    import lightgbm

    return lightgbm.Booster(model_str=text)


def classifier(text: str, labels: Any, objective: str) -> Any:  # noqa: ANN401
    """A wrapper with a given model in it."""
    import lightgbm
    from sklearn.preprocessing import LabelEncoder

    several = {"num_class": len(labels)} if objective.startswith("multiclass") else {}
    model = lightgbm.LGBMClassifier(verbose=-1, **several)
    model._Booster, model._le, model._objective = booster(text), LabelEncoder().fit(labels), objective
    model._classes = model._le.classes_
    model._n_classes, model._n_features_in = len(model._classes), model._Booster.num_feature()
    model.fitted_ = True
    return model


def _tree(plan: Plan, draw: np.random.Generator) -> str:
    grown = shape(int(draw.integers(plan.splits + 1)), plan.grows, "none", int(draw.integers(2**32)))
    split = grown.left >= 0
    count = int(split.sum())
    # Splits keep their order, and leaves are counted in theirs.
    names = np.where(split, np.cumsum(split) - 1, -1 * np.cumsum(~split))
    columns = draw.integers(plan.width, size=count)
    kinds = draw.choice([0, 2, 4, 6, 8, 10], size=count)
    thresholds = np.where(draw.random(count) < 0.5, draw.choice(EDGES[:-2], size=count), draw.normal(size=count))
    words: list[int] = []
    bounds = [0]
    if plan.categories:
        for place in np.flatnonzero(draw.random(count) < 0.4):
            kinds[place], thresholds[place] = draw.choice([1, 5, 9]), len(bounds) - 1
            words += draw.integers(2**32, size=draw.integers(1, 4)).tolist()
            bounds.append(len(words))
    leaves = draw.normal(size=count + 1) * 2.0 ** draw.integers(-30, 2, size=count + 1)
    return "\n".join(
        [
            f"num_leaves={count + 1}",
            f"num_cat={len(bounds) - 1}",
            f"split_feature={_line(columns)}",
            f"threshold={_line(thresholds)}",
            f"decision_type={_line(kinds)}",
            f"left_child={_line(names[grown.left[split]])}",
            f"right_child={_line(names[grown.right[split]])}",
            f"leaf_value={_line(leaves)}",
            f"leaf_count={_line(draw.integers(100, size=count + 1))}",
            *([f"cat_boundaries={_line(bounds)}", f"cat_threshold={_line(words)}"] if words else []),
            "is_linear=0",
            "shrinkage=1",
        ]
    )


def _line(numbers: Any) -> str:  # noqa: ANN401 - an array, or a list
    return " ".join(f"{number:.17g}" for number in numbers)


def rows_of(ensemble: Ensemble, count: int, seed: int) -> NDArray[np.float64]:
    """Rows that stand on the ensemble's thresholds, one float64 beside them, on edges, and on categories."""
    draw = np.random.default_rng(seed)
    out = np.empty((count, ensemble.width))
    for column in range(ensemble.width):
        known = [each.threshold[each.splits & (each.feature == column)] for each in ensemble.trees]
        known = [*known, EDGES, CODES, draw.normal(size=20), draw.integers(100, size=20).astype(float)]
        values = draw.choice(np.concatenate(known), size=count)
        out[:, column] = np.where(draw.random(count) < 0.3, np.nextafter(values, draw.choice([-9e9, 9e9])), values)
    return out


def assert_answers(ensemble: Ensemble, matrix: NDArray[Any], values: Any, probabilities: Any = None) -> None:  # noqa: ANN401
    """The ensemble gives the values, of their type, and the bits of the probabilities."""
    got: Prediction = ReferenceEngine(ensemble).predict(matrix)
    assert got.labels.dtype == values.dtype
    if probabilities is None:
        assert got.probabilities is None
        np.testing.assert_array_equal(got.labels.view(np.uint64), values.view(np.uint64))
        return
    assert got.probabilities is not None
    np.testing.assert_array_equal(got.labels, values)
    expected = np.ascontiguousarray(probabilities).view(np.uint64)
    np.testing.assert_array_equal(np.ascontiguousarray(got.probabilities).view(np.uint64), expected)
