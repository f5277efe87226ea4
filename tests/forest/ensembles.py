"""Ensembles drawn at random, of everything that ``forest.ensemble`` has: no library need be able to fit them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.ensemble import NUMERIC, Categories, Ensemble, Missing, Tree
from forest.links import Link

THRESHOLDS = np.array([-np.inf, -3.5, -1.0, -1e-36, -0.0, 0.0, 1e-45, 1e-36, 0.1, 1.0, 2.0, 3.4e38, np.inf])


def draw_ensemble(
    seed: int, dtype: type[np.floating], sums: type[np.floating], *, most_columns: int = 6, categories: bool = True
) -> Ensemble:
    """An ensemble of some trees, columns, ways of missing values and, where it may have them, sets of categories."""
    draw = np.random.default_rng(seed)
    width, outputs = int(draw.integers(1, most_columns + 1)), int(draw.integers(1, 5))
    whole = bool(draw.random() < 0.5)  # whether a leaf has a number for each output
    takes_missing = bool(draw.random() < 0.7)
    ways = [Missing(way) for way in draw.permutation(len(Missing))[:3]] if takes_missing else [Missing.REFUSED]
    categorical = set(draw.permutation(width)[: draw.integers(0, width + 1)].tolist()) if draw.random() < 0.6 else set()
    if not categories:
        categorical = set()
    shape = outputs if whole else 1
    classes = np.arange(outputs)
    return Ensemble(
        library="none",
        version="0",
        kind="drawn",
        classes=classes,
        columns=None,
        width=width,
        trees=[
            _tree(draw, width, ways, categorical, draw.normal(size=(1, shape)).astype(sums), outputs - shape)
            for _ in range(int(draw.choice([1, 2, 5, 40])))
        ],
        link=Link("shares"),
        dtype=dtype,
        base=draw.normal(size=outputs).astype(sums),
        divisor=float(draw.choice([1, 3, 7.5])),
        takes_missing=takes_missing,
        zero=float(draw.choice([0, 1e-35])),
        least_code=float(draw.choice([0, np.nextafter(-1, 0)])),
    ).check()


def _tree(
    draw: np.random.Generator,
    width: int,
    ways: list[Missing],
    categorical: set[int],
    scale: NDArray[Any],
    most_output: int,
) -> Tree:
    """A tree of some shape; ``scale`` is a leaf."""
    left, right, depth = [-1], [-1], [0]
    for node in range(10_000):
        if node >= len(left):
            break
        if depth[node] < 30 and draw.random() < (0.9 if len(left) < 12 else 0.35) and len(left) < 400:
            left[node], right[node] = len(left), len(left) + 1
            for _ in range(2):
                left.append(-1)
                right.append(-1)
                depth.append(depth[node] + 1)
    size = len(left)
    feature = draw.integers(width, size=size)
    threshold = np.where(draw.random(size) < 0.5, draw.choice(THRESHOLDS, size=size), draw.normal(size=size))
    by_category = np.isin(feature, list(categorical)) & (draw.random(size) < 0.8) & (np.array(left) >= 0)
    category = np.full(size, NUMERIC)
    category[by_category] = np.arange(by_category.sum())
    sets = [
        Categories(draw.random(int(draw.choice([1, 5, 31, 32, 63, 64]))) < 0.5, bool(draw.random() < 0.5))
        for _ in range(int(by_category.sum()))
    ]
    leaves = int((np.array(left) < 0).sum())
    return Tree(
        left=np.array(left),
        right=np.array(right),
        feature=feature,
        threshold=threshold,
        missing=draw.choice(np.array(ways, dtype=np.uint8), size=size),
        visits=draw.random(size),
        leaves=(scale * draw.normal(size=(leaves, scale.shape[1]))).astype(scale.dtype),
        output=int(draw.integers(most_output + 1)),
        category=category if by_category.any() or draw.random() < 0.5 else None,
        sets=sets,
    )


def draw_rows(ensemble: Ensemble, count: int, seed: int) -> NDArray[Any]:
    """Rows for an ensemble, with all that its columns may have."""
    draw = np.random.default_rng(seed)
    size = (count, ensemble.width)
    drawn = draw.choice(THRESHOLDS, size=size)
    drawn = np.where(draw.random(size) < 0.3, draw.normal(size=size), drawn)
    drawn = np.where(
        draw.random(size) < 0.4, draw.integers(-2, 70, size=size) + draw.choice([0, 0.5], size=size), drawn
    )
    with np.errstate(over="ignore"):
        rows: NDArray[Any] = drawn.astype(ensemble.dtype)
        rows = np.nextafter(rows, draw.choice([-np.inf, np.inf], size=size).astype(ensemble.dtype))
        rows = np.where(draw.random(size) < 0.5, drawn.astype(ensemble.dtype), rows)
    if ensemble.takes_missing and not any(
        (tree.missing[tree.splits] == Missing.REFUSED).any() for tree in ensemble.trees
    ):
        rows[draw.random(size) < 0.2] = np.nan
    return rows
