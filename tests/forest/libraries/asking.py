"""Training data and rows that are made to find a difference, and how answers are held against a library's own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.checks.reference import ReferenceEngine
from forest.ensemble import Ensemble
from forest.libraries.scikit_learn.estimator import ensemble_of

SMALLEST = float(np.finfo(np.float32).smallest_subnormal)


def table(draw: np.random.Generator, rows: int, width: int) -> NDArray[np.float64]:
    """(rows, width) numbers: smooth ones, few ones with ties, and ones beside each other or next to nothing."""
    kinds = (
        lambda: draw.normal(size=rows),
        lambda: draw.integers(-2, 3, size=rows).astype(float),
        lambda: (np.float32(4).view(np.uint32) + draw.integers(6, size=rows).astype(np.uint32)).view(np.float32),
        lambda: draw.choice([-SMALLEST, 0.0, SMALLEST, 5 * SMALLEST, 1e-38], size=rows),
        lambda: draw.uniform(-1e30, 1e30, size=rows),
    )
    return np.stack([kinds[draw.integers(len(kinds))]() for _ in range(width)], axis=1).astype(np.float64)


def rows_of(
    ensemble: Ensemble, seen: NDArray[np.float64], draw: np.random.Generator, *, infinite: bool = False
) -> NDArray[Any]:
    """Rows of those seen, many of whose values stand on a threshold or are the next float below or above one.

    Args:
        ensemble: whose thresholds.
        seen: (n, width) in the model's order.
        draw: what is drawn with.
        infinite: whether the model takes infinities.

    Returns:
        (n, width) of the ensemble's dtype, with missing values where it takes them.
    """
    rows = seen[draw.integers(len(seen), size=120)].astype(ensemble.dtype)
    splits = [(tree, node) for tree in ensemble.trees for node in np.flatnonzero(tree.splits)]
    for row in rows:
        for _ in range(min(3, len(splits))):
            tree, node = splits[draw.integers(len(splits))]
            if tree.category is None or tree.category[node] < 0:
                threshold = ensemble.dtype(np.clip(tree.threshold[node], -3e38, 3e38))
                towards = (ensemble.dtype(-np.inf), threshold, ensemble.dtype(np.inf))[draw.integers(3)]
                row[tree.feature[node]] = np.nextafter(threshold, towards)
    if infinite:
        free = [column for column in range(ensemble.width) if column not in ensemble.categorical]
        rows[::9, free[0] if free else 0] = draw.choice([np.inf, -np.inf]) if free else 0
    if ensemble.takes_missing:
        rows[draw.uniform(size=rows.shape) < 0.1] = np.nan
    return rows


def bits(numbers: NDArray[Any]) -> NDArray[Any]:
    """Numbers as their bits; anything else as it is."""
    return np.ascontiguousarray(numbers).view(np.uint64) if numbers.dtype == np.float64 else numbers


def assert_equal(ensemble: Ensemble, estimator: Any, rows: NDArray[Any]) -> None:  # noqa: ANN401
    """The ensemble has all bits of what the estimator says, of all rows together and of one alone."""
    engine = ReferenceEngine(ensemble)
    for asked in (rows, rows[:1], rows[:2]):
        found = engine.predict(asked)
        np.testing.assert_array_equal(bits(found.labels), bits(estimator.predict(asked)))
        if hasattr(estimator, "predict_proba"):
            assert found.probabilities is not None
            np.testing.assert_array_equal(bits(found.probabilities), bits(estimator.predict_proba(asked)))
        else:
            assert found.probabilities is None


def assert_answers(estimator: Any, seen: NDArray[np.float64], draw: np.random.Generator, *, infinite: bool) -> Ensemble:  # noqa: ANN401
    """The estimator's ensemble answers as it does; returns the ensemble."""
    ensemble = ensemble_of(estimator)
    assert_equal(ensemble, estimator, rows_of(ensemble, seen, draw, infinite=infinite))
    return ensemble
