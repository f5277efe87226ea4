"""The comparison with scikit-learn, and the rows that are drawn for it."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dataset import Covertype
from forest import CompiledEngine, Prediction, SklearnEngine, compile_forest
from forest.artifact import Parity
from forest.checks.parity import compare, threshold_rows
from forest.keys import round_down
from tests.forest.forests import GREATEST, PLANS, Grown, Plan, bits, grow, quiet_scikit_learn, spread


class Altered:
    """An engine whose predictions are altered; implements ``Engine``."""

    name = "altered"
    bounded = True
    dtype = np.float32

    def __init__(self, engine: CompiledEngine, alter: Callable[[NDArray[Any], NDArray[np.float64], int], None]) -> None:
        self.classes = engine.classes
        self._engine, self._alter, self._rows = engine, alter, 0

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """Predict, then let ``alter`` have the labels, the probabilities and the number of rows before these."""
        prediction = self._engine.predict(matrix)
        assert prediction.probabilities is not None
        self._alter(prediction.labels, prediction.probabilities, self._rows)
        self._rows += len(matrix)
        return prediction


def in_rows(change: Callable[[NDArray[Any], NDArray[np.float64], int], None], *rows: int) -> Any:  # noqa: ANN401
    """A function for ``Altered`` that changes some rows, numbered from the first that was asked."""

    def alter(labels: NDArray[Any], probabilities: NDArray[np.float64], before: int) -> None:
        for row in rows:
            if 0 <= row - before < len(labels):
                change(labels, probabilities, row - before)

    return alter


def one_bit(_: NDArray[Any], probabilities: NDArray[np.float64], row: int) -> None:
    """Change the last bit of a row's last probability."""
    probabilities[row, -1:].view(np.uint64)[0] ^= 1


def all_bits(_: NDArray[Any], probabilities: NDArray[np.float64], row: int) -> None:
    """Change every probability of a row."""
    probabilities[row] += 1


def label(labels: NDArray[Any], _: NDArray[np.float64], row: int) -> None:
    """Change a row's label only."""
    labels[row] = labels[row] % 7 + 1


def not_a_number(_: NDArray[Any], probabilities: NDArray[np.float64], row: int) -> None:
    """Make a row's probabilities NaN."""
    probabilities[row] = np.nan


@pytest.fixture
def reference(forest: Any) -> SklearnEngine:  # noqa: ANN401 - sklearn is untyped
    """scikit-learn on the small forest."""
    return SklearnEngine(copy.deepcopy(forest))


@pytest.mark.parametrize("change", [one_bit, all_bits, label, not_a_number])
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param((), id="none"),
        pytest.param((0,), id="first"),
        pytest.param((2499,), id="last"),
        pytest.param((0, 999, 1000, 1001, 1999, 2000), id="between-chunks"),
        pytest.param(tuple(range(2500)), id="all"),
    ],
)
def test_every_row_that_differs_is_counted_once(
    compiled: CompiledEngine,
    reference: SklearnEngine,
    matrix: NDArray[np.float32],
    change: Callable[[NDArray[Any], NDArray[np.float64], int], None],
    rows: tuple[int, ...],
) -> None:
    """One bit of one probability, or the label alone, makes a row differ; many in a row make no more of it."""
    parity = compare(Altered(compiled, in_rows(change, *rows)), reference, matrix[:2500])
    assert parity == Parity(rows=2500, different=len(rows))
    assert parity.passed is (not rows)


def test_a_zero_of_the_other_sign_is_a_difference(
    compiled: CompiledEngine, reference: SklearnEngine, matrix: NDArray[np.float32]
) -> None:
    """Bits are compared, not numbers: minus zero equals zero, and differs."""

    def negate(_: NDArray[Any], probabilities: NDArray[np.float64], _before: int) -> None:
        probabilities[probabilities == 0] = -0.0

    with_zero = (bits(compiled.predict(matrix[:500])) == 0).any(axis=1).sum()
    assert with_zero > 100
    assert compare(Altered(compiled, negate), reference, matrix[:500]).different == with_zero


def test_a_comparison_of_no_rows_has_not_passed(
    compiled: CompiledEngine, reference: SklearnEngine, matrix: NDArray[np.float32]
) -> None:
    """Nothing was compared, so nothing was shown."""
    parity = compare(compiled, reference, matrix[:0])
    assert parity == Parity(rows=0, different=0)
    assert not parity.passed


def test_an_engine_without_probabilities_cannot_be_compared(
    compiled: CompiledEngine, reference: SklearnEngine, matrix: NDArray[np.float32]
) -> None:
    """Labels alone prove too little."""

    class Silent:
        name = "silent"
        bounded = True
        dtype = np.float32
        classes = compiled.classes

        def predict(self, matrix: NDArray[np.float32]) -> Prediction:
            return Prediction(compiled.predict(matrix).labels, None)

    with pytest.raises(ValueError, match="has no probabilities"):
        compare(Silent(), reference, matrix[:5])


def test_rows_of_any_layout_are_compared(
    compiled: CompiledEngine, reference: SklearnEngine, matrix: NDArray[np.float32]
) -> None:
    """A part of a greater matrix is handed to the engines as they need it."""
    assert compare(compiled, reference, np.asfortranarray(matrix[:3000:2])) == Parity(rows=1500, different=0)


def test_progress_is_told_of_rows(
    compiled: CompiledEngine, reference: SklearnEngine, matrix: NDArray[np.float32]
) -> None:
    """The count goes up to all of the rows."""
    told: list[tuple[int, int]] = []
    compare(compiled, reference, matrix[:2500], lambda done, total: told.append((done, total)))
    assert told[0] == (0, 2500)
    assert told[-1] == (2500, 2500)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@given(PLANS, st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_rows_are_drawn_for_any_forest(plan: Plan, count: int, seed: int) -> None:
    """There are as many as asked for, or a few more, all finite float32, unless no tree has a split."""
    estimator = grow(plan).estimator
    rows = threshold_rows(estimator, count, seed=seed)
    splits = sum(tree.tree_.node_count > 1 for tree in estimator.estimators_)
    assert rows.dtype == np.float32
    assert rows.shape[1] == plan.width
    assert (count <= len(rows) <= count + 2) if splits else len(rows) == 1
    assert np.isfinite(rows).all()


def test_no_rows_are_drawn_if_none_are_asked_for(tiny: Grown) -> None:
    """An empty matrix still has its columns."""
    assert threshold_rows(tiny.estimator, 0).shape == (0, 3)


def test_the_same_seed_draws_the_same_rows(tiny: Grown) -> None:
    """Another seed draws others."""
    first, again, other = (threshold_rows(tiny.estimator, 99, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_are_drawn_in_the_order_of_the_columns(tiny: Grown) -> None:
    """An order puts each column where it says, and changes nothing else."""
    order = np.array([2, 0, 1])
    plain, ordered = (threshold_rows(tiny.estimator, 99, order=given) for given in (None, order))
    np.testing.assert_array_equal(ordered, spread(plain, order))


def shares(estimator: Any, rows: NDArray[np.float32]) -> tuple[float, float, float]:  # noqa: ANN401
    """Which shares of the rows are one float32 below, exactly on, and above a threshold that their own way tests."""
    met = np.zeros((3, len(rows)), dtype=bool)
    for tree in (each.tree_ for each in estimator.estimators_):
        path = tree.decision_path(rows).tocoo()
        split = tree.children_left[path.col] >= 0
        row, node = path.row[split], path.col[split]
        value, threshold = rows[row, tree.feature[node]], round_down(tree.threshold[node])
        places = np.nextafter(threshold, -GREATEST), threshold, np.nextafter(threshold, GREATEST)
        for which, beside in enumerate(places):
            met[which, row[value == beside]] = True
    below, on, above = met.mean(axis=1)
    return float(below), float(on), float(above)


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "ExtraTreesClassifier"])
def test_most_rows_stand_on_a_threshold_or_beside_it(matrix: NDArray[np.float32], sample: Covertype, kind: str) -> None:
    """Rows come by thresholds that they are exactly on, and by others that they just miss on either side."""
    import sklearn.ensemble

    estimator = getattr(sklearn.ensemble, kind)(3, max_depth=15, random_state=0)
    estimator.fit(matrix[:3000], sample.labels[:3000])
    below, on, above = shares(estimator, threshold_rows(estimator, 900))
    assert below > 0.3
    assert on > 0.8
    assert above > 0.8
    # The rows that the forest was trained on hardly ever do: the check can fail.
    assert max(shares(estimator, matrix[:900])) < 0.6


def test_every_split_of_a_small_forest_is_come_by(tiny: Grown) -> None:
    """Enough rows test each threshold of the forest exactly."""
    rows = threshold_rows(tiny.estimator, 6000)
    for tree in (each.tree_ for each in tiny.estimator.estimators_):
        path = tree.decision_path(rows).tocoo()
        split = tree.children_left[path.col] >= 0
        row, node = path.row[split], path.col[split]
        exactly = rows[row, tree.feature[node]] == round_down(tree.threshold[node])
        assert set(node[exactly]) == set(np.flatnonzero(tree.children_left >= 0))


def test_a_wrong_rounding_of_thresholds_is_noticed(tiny: Grown) -> None:
    """The drawn rows tell a forest from one whose thresholds are one float32 higher, which other rows do not."""
    arrays = compile_forest(tiny.estimator)
    arrays.thresholds[:] = np.nextafter(arrays.thresholds, GREATEST)
    engine, reference = CompiledEngine(arrays), SklearnEngine(copy.deepcopy(tiny.estimator))
    assert compare(engine, reference, tiny.matrix).passed
    assert compare(engine, reference, threshold_rows(tiny.estimator, 300)).different > 30


def test_thresholds_at_the_end_of_float32_give_no_warning() -> None:
    """A forest that parts the least number from the next is compiled, and rows are drawn for it, without overflow."""
    from sklearn.ensemble import ExtraTreesClassifier

    rows = np.tile([[-GREATEST], [np.nextafter(-GREATEST, np.float32(0))]], (5, 2))
    with quiet_scikit_learn():
        estimator = ExtraTreesClassifier(10, random_state=0).fit(rows, np.arange(len(rows)) % 2)
    assert min(tree.tree_.threshold.min() for tree in estimator.estimators_).astype(np.float32) == -GREATEST
    assert (compile_forest(estimator).thresholds == -GREATEST).all()
    assert np.isfinite(threshold_rows(estimator, 300)).all()
