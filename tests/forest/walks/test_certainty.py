"""Labels that are told before the last tree: always those of the whole sums."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dataset import Covertype
from forest import CompiledEngine, LabelsEngine, SklearnEngine, compile_forest, labels_of
from forest.arrays import ForestArrays
from forest.certainty import certainty_of
from forest.links import Link
from forest.links.link import Threshold
from forest.native._kernel import Walk
from forest.walks import WALKS, WalkName, available
from tests.forest.ensembles import draw_ensemble, draw_rows
from tests.forest.forests import Grown
from tests.forest.walks.averages import POOLS, forest_of, leaf_of, turned

SEEDS = st.integers(0, 2**32 - 1)
SIZES = (1, 2, 5, 60, 129, 300)


def agree(arrays: ForestArrays, rows: NDArray[Any]) -> None:
    """Hold labels against those of ``predict``, by each walk, in batches of several sizes.

    Args:
        arrays: a compiled forest.
        rows: (n, n_features), 300 at least.
    """
    for name in WALKS[1:]:
        if Walk(arrays).unfit(name):
            continue
        engine = CompiledEngine(arrays, name)
        for size in SIZES:
            batch = np.ascontiguousarray(rows[-size:])
            expected, found = engine.predict(batch).labels, engine.predict_labels(batch)
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype


@given(st.sampled_from(list(POOLS)), st.integers(2, 5), st.integers(1, 70), SEEDS)
def test_ties_and_near_ties_are_decided_as_by_the_whole_sums(pool: str, classes: int, trees: int, seed: int) -> None:
    """Of leaves that differ by a bit, that cancel each other, that are all alike, or that have no weight."""
    draw = np.random.default_rng(seed)
    ensemble = forest_of(POOLS[pool](draw, classes), trees, draw)
    arrays = compile_forest(ensemble)
    agree(arrays, draw.choice([-1.0, 0.0, 1.0], size=(300, ensemble.width)).astype(np.float32))


@given(st.integers(1, 45), st.floats(0.001, 0.999), st.integers(2, 4), SEEDS)
def test_trees_that_turn_a_lead_round_at_the_last_are_waited_for(
    half: int, share: float, classes: int, seed: int
) -> None:
    """One half of them says one class, the other says another: a tie, but for what rounding makes of it."""
    draw = np.random.default_rng(seed)
    agree(compile_forest(turned(half, share, classes, draw)), np.zeros((300, 1), dtype=np.float32))


@given(SEEDS, st.sampled_from([np.float32, np.float64]), st.sampled_from([np.float32, np.float64]))
def test_leaves_of_any_numbers_have_the_labels_of_their_sums(
    seed: int, dtype: type[np.floating], sums: type[np.floating]
) -> None:
    """Also negative ones, or for single outputs, with bases and divisors, and missing values."""
    ensemble = draw_ensemble(seed, dtype, sums)
    agree(compile_forest(ensemble), draw_rows(ensemble, 300, seed))


def leaders(walk: Walk, matrix: NDArray[Any], enough: NDArray[np.float64], first: int) -> NDArray[np.intp]:
    """What leads, if such leads are enough."""
    walk.use_leads(enough, first)
    return walk.leaders(matrix)


def test_the_margin_for_rounding_is_needed() -> None:
    """Without it there are forests, of ties that rounding hides, whose label would be wrong."""
    draw, row, wrong = np.random.default_rng(0), np.zeros((1, 1), dtype=np.float32), 0
    for half in range(2, 30):
        for share in (0.1, 0.2, 0.3, 0.7, 0.9):
            arrays = compile_forest(turned(half, share, 2, draw))
            engine, spread = CompiledEngine(arrays), np.ptp(arrays.leaves, axis=1).max()
            (expected,) = engine.predict(row).labels
            assert engine.predict_labels(row).tolist() == [expected]
            wrong += leaders(Walk(arrays), row, np.arange(2 * half, 0, -1) * spread, 1)[0] != expected
    assert wrong > 0


def test_a_lead_that_division_levels_is_no_lead() -> None:
    """Sums that differ by a bit, but whose means are equal, have the label of the first of them."""
    sums = next(
        sums
        for sums in (np.array([value, np.nextafter(value, 9)]) for value in np.linspace(1, 2, 999))
        if sums[0] / 3 == sums[1] / 3
    )
    arrays = compile_forest(leaf_of([sums, np.zeros(2), np.zeros(2)]))
    engine = CompiledEngine(arrays)
    assert engine.predict_labels(np.zeros((1, 1), dtype=np.float32)).tolist() == [0]


def test_a_row_walks_no_further_than_its_class_is_certain() -> None:
    """Of trees that all say the same, half and one are enough; who trees left could still contradict walks on."""
    says = np.eye(2)
    certain = certainty_of(compile_forest(leaf_of([says[0]] * 99)))
    assert certain is not None
    assert certain.first == 50
    np.testing.assert_allclose(certain.enough, np.arange(99, 0, -1), rtol=1e-9)
    assert (certain.enough > np.arange(99, 0, -1)).all()
    # What comes later has no say once the lead is called enough.
    arrays = compile_forest(leaf_of([says[1]] * 16 + [says[0]] * 83))  # all walks look after whole vectors of trees
    row = np.zeros((1, 1), dtype=np.float32)
    for name in available(Walk(arrays)):
        walk = Walk(arrays)
        walk.use(name)
        assert leaders(walk, row, np.full(99, 15.5), 16).tolist() == [1]
        assert leaders(walk, row, np.full(99, 99.0), 16).tolist() == [0]


@pytest.mark.parametrize("walk", ["portable", "auto"])
def test_the_sample_has_the_labels_of_scikit_learn(
    arrays: ForestArrays,
    forest: Any,  # noqa: ANN401
    matrix: NDArray[np.float32],
    sample: Covertype,
    walk: WalkName,
) -> None:
    """Each row of the bundled sample, in one call and in batches, by the forest that was trained on it."""
    engine = CompiledEngine(arrays, walk)
    expected = forest.predict(matrix)
    assert len(expected) == len(sample.labels)
    np.testing.assert_array_equal(engine.predict_labels(matrix), expected)
    for size in (1, 16, 100):
        found = [engine.predict_labels(matrix[at : at + size]) for at in range(0, 600, size)]
        np.testing.assert_array_equal(np.concatenate(found)[:600], expected[:600])


def test_only_means_of_leaves_are_decided_by_a_lead(tiny: Grown) -> None:
    """Whatever else a label comes of, and whatever may overflow, is asked of all trees."""
    arrays = compile_forest(tiny.estimator)
    assert certainty_of(arrays) is not None
    for other in (
        replace(arrays, link=Link("value")),
        replace(arrays, link=Link("shares", threshold=Threshold(0.7, 1, "probability"))),
        replace(arrays, leaves=arrays.leaves.astype(np.float32), base=arrays.base.astype(np.float32)),
        replace(arrays, leaves=arrays.leaves[:, :1].copy()),
        replace(arrays, divisor=0.5),
        replace(arrays, leaves=arrays.leaves * 1e308),
        replace(arrays, leaves=np.where(arrays.leaves == arrays.leaves[0, 0], np.nan, arrays.leaves)),
        replace(arrays, base=np.full(3, np.inf)),
    ):
        assert certainty_of(other) is None


def test_what_is_no_matrix_for_the_model_is_refused_alike(compiled: CompiledEngine) -> None:
    """A value that may not be missing is named, another number of columns is told; no rows have no labels."""
    spoilt = np.zeros((500, 54), dtype=np.float32)
    spoilt[[400, 300, 300], [0, 50, 9]] = np.nan
    with pytest.raises(ValueError, match="row 300, column 9 is NaN"):
        compiled.predict_labels(spoilt)
    with pytest.raises(ValueError, match="53 columns"):
        compiled.predict_labels(spoilt[:, 1:].copy())
    assert compiled.predict_labels(spoilt[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("enough", "first"),
    [
        pytest.param(np.zeros(3), 1, id="a-tree-too-few"),
        pytest.param(np.zeros(4), 0, id="before-the-first-tree"),
        pytest.param(np.zeros(4, dtype=np.float32), 1, id="float32"),
    ],
)
def test_leads_that_do_not_fit_the_trees_are_refused(tiny: Grown, enough: NDArray[Any], first: int) -> None:
    """The kernel reads a number for each tree."""
    with pytest.raises(ValueError, match=r"trees|mismatch"):
        Walk(compile_forest(tiny.estimator)).use_leads(enough, first)


def test_without_leads_in_use_none_is_told(tiny: Grown) -> None:
    """For nothing says then when a class is certain."""
    with pytest.raises(ValueError, match="no leads"):
        Walk(compile_forest(tiny.estimator)).leaders(tiny.matrix[:1])


def test_a_kernel_of_float32_sums_tells_no_leaders() -> None:
    """It would add them up as what they are not."""
    arrays = compile_forest(draw_ensemble(0, np.float32, np.float32, categories=False))
    with pytest.raises(ValueError, match="of float32"):
        Walk(arrays).use_leads(np.zeros(len(arrays.trees)), 1)


def test_sums_that_are_no_numbers_end_a_walk_like_others(tiny: Grown) -> None:
    """Whatever the kernel is given, it comes to an end."""
    arrays = compile_forest(tiny.estimator)
    spoilt = replace(arrays, leaves=np.full_like(arrays.leaves, np.nan))
    assert leaders(Walk(spoilt), tiny.matrix, np.arange(4, 0, -1.0), 3).shape == (len(tiny.matrix),)
    assert CompiledEngine(spoilt).predict_labels(tiny.matrix).shape == (len(tiny.matrix),)


def test_an_engine_that_has_a_way_of_its_own_is_asked_for_labels_by_it(tiny: Grown) -> None:
    """Another is asked for its predictions."""
    compiled, other = CompiledEngine(compile_forest(tiny.estimator)), SklearnEngine(tiny.estimator)
    assert isinstance(compiled, LabelsEngine)
    assert labels_of(compiled) == compiled.predict_labels
    assert not isinstance(other, LabelsEngine)
    assert labels_of(other) is None


def test_an_ensemble_without_classes_tells_its_numbers() -> None:
    """A regressor's label is its number."""
    from sklearn.ensemble import RandomForestRegressor

    draw = np.random.default_rng(0)
    matrix = draw.normal(size=(200, 3)).astype(np.float32)
    model = RandomForestRegressor(5, random_state=0).fit(matrix, matrix.sum(axis=1))
    found = CompiledEngine(compile_forest(model)).predict_labels(matrix)
    np.testing.assert_array_equal(found, model.predict(matrix))
