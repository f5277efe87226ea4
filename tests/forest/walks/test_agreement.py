"""Walks by vectors, those that this processor has, against the portable one on the same inputs."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest import CompiledEngine, compile_forest
from forest.checks.parity import threshold_rows
from forest.native._kernel import WALKS, Walk
from forest.walks import available
from tests.forest.ensembles import draw_ensemble, draw_rows
from tests.forest.forests import Grown
from tests.forest.walks import hostile
from tests.forest.walks.agreement import differing

SEEDS = st.integers(0, 2**32 - 1)
BEYOND = 2 << 20
"""Bytes of nodes, see NEAR in avx512.c."""

TYPES = st.sampled_from([np.float32, np.float64])


@given(SEEDS, TYPES, TYPES, st.sampled_from([6, 12, 30, 60]))
def test_any_ensemble_has_the_same_sums_by_every_walk(
    seed: int, dtype: type[np.floating], sums: type[np.floating], most_columns: int
) -> None:
    """In batches of any size, with missing values, on thresholds and beside them, no bit differs."""
    ensemble = draw_ensemble(seed, dtype, sums, most_columns=most_columns, categories=False)
    rows = np.concatenate([draw_rows(ensemble, 100, seed), threshold_rows(ensemble, 60)])
    walk = Walk(compile_forest(ensemble))
    assert differing(walk, rows, available(walk)) == []


def test_a_model_beyond_the_second_level_cache_has_the_same_sums_by_every_walk() -> None:
    """Lines are asked for ahead of time there."""
    small = draw_ensemble(5, np.float32, np.float64, most_columns=12, categories=False)
    times = 500_000 // sum(len(tree.feature) for tree in small.trees)
    ensemble = dataclasses.replace(small, trees=list(small.trees) * times)
    arrays = compile_forest(ensemble)
    assert arrays.words.nbytes > BEYOND
    walk = Walk(arrays)
    rows = np.concatenate([draw_rows(small, 100, 0), threshold_rows(small, 60)])
    assert differing(walk, rows, available(walk)) == []


@given(SEEDS, TYPES)
def test_arrays_that_nobody_compiled_have_the_same_sums_by_every_walk(seed: int, dtype: type[np.floating]) -> None:
    """Ranks of any size and thresholds in no order lead all walks to the same leaves."""
    arrays = hostile.draw_arrays(seed, dtype)
    walk = Walk(arrays)
    assert differing(walk, hostile.draw_rows(arrays, 129, seed), available(walk)) == []


@pytest.mark.parametrize("rows", [1, 7, 8, 129, 300])
def test_every_walk_names_the_same_missing_value(rows: int, tiny: Grown) -> None:
    """Where none may be missing, the first that is, by rows and then by keys, is told."""
    walk = Walk(compile_forest(tiny.estimator))
    matrix = np.zeros((rows, 3), dtype=np.float32)
    matrix[rows // 2, 1] = matrix[rows // 2, 2] = matrix[rows - 1, 0] = np.nan
    told = {_told(walk, name, matrix) for name in available(walk)}
    assert len(told) == 1
    assert next(iter(told)).endswith("is NaN, or no category")


def _told(walk: Any, name: str, matrix: NDArray[np.float32]) -> str:  # noqa: ANN401 - a Walk
    walk.use(name)
    with pytest.raises(ValueError, match="is NaN") as caught:
        walk.sums(matrix)
    return str(caught.value)


def test_a_walk_is_named_and_can_be_changed(tiny: Grown) -> None:
    """The portable one is in use until another is named."""
    walk = Walk(compile_forest(tiny.estimator))
    assert walk.name == "portable"
    for name in reversed(available(walk)):
        walk.use(name)
        assert walk.name == name


def test_an_engine_takes_the_walk_that_it_is_told(tiny: Grown) -> None:
    """The switch forces any that can be used."""
    arrays = compile_forest(tiny.estimator)
    engine = CompiledEngine(arrays)
    assert "portable" in engine.walks
    assert {CompiledEngine(arrays, name).walk for name in ("portable",)} == {"portable"}
    assert engine.walk in engine.walks


def test_categories_are_walked_portably_only() -> None:
    """Walks by vectors say why they cannot take a model."""
    ensemble = next(
        drawn
        for drawn in (draw_ensemble(seed, np.float32, np.float64) for seed in range(99))
        if any(tree.category is not None and len(tree.sets) for tree in drawn.trees)
    )
    walk = Walk(compile_forest(ensemble))
    assert available(walk) == ["portable"]
    for name in WALKS[1:]:
        with pytest.raises(ValueError, match=f"^the walk {name} cannot be used: .*; the portable one always can$"):
            walk.use(name)
    assert walk.name == "portable"


def test_a_walk_of_another_name_is_refused(tiny: Grown) -> None:
    """The message has the names of all."""
    with pytest.raises(ValueError, match="there is no walk 'avx3', but portable, avx2, avx512"):
        Walk(compile_forest(tiny.estimator)).use("avx3")
