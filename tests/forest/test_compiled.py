"""The compiled engine against scikit-learn, on any forest, any rows, any batch, any thread."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dataset import Covertype
from forest import CompiledEngine, SklearnEngine, compile_forest
from forest.arrays import ForestArrays
from tests.forest.forests import (
    PLANS,
    SHAPES,
    Grown,
    Plan,
    Shape,
    assert_same,
    bits,
    grow,
    quiet_scikit_learn,
    spread,
    transplanted,
)

SEEDS = st.integers(0, 2**32 - 1)

# The kernel walks 128 paths side by side; a batch of so many rows is where it begins to be cut into blocks.
BATCHES = st.integers(1, 300) | st.sampled_from([1, 2, 126, 127, 128, 129, 130, 255, 256, 257, 300])


@given(PLANS, BATCHES, SEEDS)
def test_any_forest_predicts_the_bits_and_labels_of_scikit_learn(plan: Plan, count: int, seed: int) -> None:
    """Whatever the forest and batch, on thresholds and beside them, no bit differs; nor do labels told alone."""
    grown = grow(plan)
    rows = grown.rows(count, seed)
    engine = CompiledEngine(compile_forest(grown.estimator))
    assert_same(prediction := engine.predict(rows), grown.estimator, rows)
    np.testing.assert_array_equal(engine.predict_labels(rows), prediction.labels)


@given(st.lists(SHAPES, min_size=1, max_size=4), st.integers(1, 70), st.integers(1, 5), SEEDS)
def test_trees_of_any_shape_predict_the_bits_and_labels_of_scikit_learn(
    shapes: list[Shape], width: int, classes: int, seed: int
) -> None:
    """Chains, full trees and trees that no training would grow are walked as scikit-learn walks them."""
    estimator = transplanted(shapes, width, classes, seed)
    grown = Grown(estimator, np.random.default_rng(seed).normal(size=(20, width)).astype(np.float32))
    rows = grown.rows(130, seed)
    assert_same(CompiledEngine(compile_forest(estimator)).predict(rows), estimator, rows)


@given(PLANS, SEEDS)
def test_both_engines_honour_an_order_of_columns(plan: Plan, seed: int) -> None:
    """Columns that stand elsewhere in the matrix than in the model are found there."""
    grown = grow(plan)
    order = np.random.default_rng(seed).permutation(plan.width)
    rows = grown.rows(40, seed)
    elsewhere = spread(rows, order)
    engine = CompiledEngine(compile_forest(grown.estimator, order=order))
    assert_same(engine.predict(elsewhere), grown.estimator, rows)
    # This one last, for it changes the estimator.
    with quiet_scikit_learn():
        prediction = SklearnEngine(grown.estimator, order).predict(elsewhere)
    assert_same(prediction, grown.estimator, rows)


@given(st.lists(st.integers(0, 1000), max_size=12), SEEDS)
@example([], 0)
@example(list(range(1000)), 1)
@example([127, 255, 383, 511, 639], 2)
@example([129, 258, 387, 516], 3)
def test_what_else_is_in_a_batch_changes_no_bit(
    compiled: CompiledEngine, matrix: NDArray[np.float32], cuts: list[int], seed: int
) -> None:
    """Rows alone, in other batches or in another order get the bits that they get together."""
    chosen = np.random.default_rng(seed).permutation(len(matrix))[:1000]
    together = bits(compiled.predict(matrix[chosen]))
    batches = np.split(matrix[chosen], sorted(cuts))
    apart = [bits(compiled.predict(batch)) for batch in batches]
    np.testing.assert_array_equal(np.concatenate(apart), together)


@pytest.mark.parametrize(
    ("labels", "options", "winner"),
    [
        pytest.param([3, 1, 2], {"n_estimators": 1, "bootstrap": False}, 1, id="one-leaf"),
        pytest.param(["b", "a"], {"n_estimators": 3, "bootstrap": False}, "a", id="equal-trees"),
        pytest.param([True, False], {"n_estimators": 40, "bootstrap": False}, False, id="bool"),
    ],
)
def test_of_tied_classes_the_first_wins(labels: list[Any], options: dict[str, Any], winner: object) -> None:
    """Where all classes are as probable, the label is scikit-learn's: the first one."""
    from sklearn.ensemble import RandomForestClassifier

    rows = np.ones((len(labels), 2), dtype=np.float32)
    estimator = RandomForestClassifier(**options, random_state=0).fit(rows, np.array(labels))
    prediction = CompiledEngine(compile_forest(estimator)).predict(rows)
    assert prediction.labels.tolist() == [winner] * len(labels)
    assert_same(prediction, estimator, rows)


def test_trees_that_outvote_each_other_tie_as_in_scikit_learn() -> None:
    """A tie between pure leaves of different trees falls as in scikit-learn."""
    from sklearn.ensemble import RandomForestClassifier

    draw = np.random.default_rng(0)
    rows = draw.integers(3, size=(200, 4)).astype(np.float32)
    estimator = RandomForestClassifier(2, random_state=0).fit(rows[:100], draw.integers(2, size=100))
    prediction = CompiledEngine(compile_forest(estimator)).predict(rows)
    assert prediction.probabilities is not None
    assert (prediction.probabilities == 0.5).any()
    assert_same(prediction, estimator, rows)


def ways_to_grow() -> Iterator[Any]:
    """Functions that fit a forest in an unusual way."""
    from scipy.sparse import csc_array  # comes with scikit-learn
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    def option(**options: object) -> Callable[[NDArray[np.float32], NDArray[Any]], Any]:
        return lambda rows, labels: RandomForestClassifier(5, random_state=0, **options).fit(rows, labels)

    def in_steps(rows: NDArray[np.float32], labels: NDArray[Any]) -> Any:  # noqa: ANN401 - sklearn is untyped
        estimator = RandomForestClassifier(2, warm_start=True, random_state=0).fit(rows, labels)
        return estimator.set_params(n_estimators=6).fit(rows, labels)

    def sparse(rows: NDArray[np.float32], labels: NDArray[Any]) -> Any:  # noqa: ANN401 - sklearn is untyped
        return ExtraTreesClassifier(5, random_state=0).fit(csc_array(np.where(rows > 2600, rows, 0)), labels)

    def alone(rows: NDArray[np.float32], labels: NDArray[Any]) -> Any:  # noqa: ANN401 - sklearn is untyped
        return RandomForestClassifier(5, random_state=0).fit(rows, np.full_like(labels, 4))

    yield pytest.param(option(ccp_alpha=0.01), id="pruned")
    yield pytest.param(option(monotonic_cst=[1, -1] + [0] * 52), id="monotonic")
    yield pytest.param(option(max_samples=0.1), id="small-samples")
    yield pytest.param(option(min_impurity_decrease=0.02), id="stopped-early")
    yield pytest.param(option(min_weight_fraction_leaf=0.05), id="heavy-leaves")
    yield pytest.param(option(class_weight="balanced"), id="balanced")
    yield pytest.param(option(class_weight="balanced_subsample"), id="balanced-anew")
    yield pytest.param(option(class_weight={1: 1.0, 2: 1.0}), id="idle-class-weights")
    yield pytest.param(option(n_jobs=2), id="parallel")
    yield pytest.param(in_steps, id="in-steps")
    yield pytest.param(sparse, id="sparse")
    yield pytest.param(alone, id="one-class")


@pytest.mark.parametrize("fit", list(ways_to_grow()))
def test_however_a_forest_was_grown_it_compiles_and_predicts_the_same_bits(
    fit: Callable[[NDArray[np.float32], NDArray[Any]], Any], matrix: NDArray[np.float32], sample: Covertype
) -> None:
    """No forest without missing values is refused, and none predicts anything else."""
    # Two classes, for monotonic constraints take no more.
    estimator = fit(matrix[:1500], 1 + sample.labels[:1500] % 2)
    estimator.n_jobs = 1
    rows = Grown(estimator, matrix[:1500]).rows(600, 0)
    assert_same(CompiledEngine(compile_forest(estimator)).predict(rows), estimator, rows)


def test_as_many_columns_as_the_kernel_takes_are_right() -> None:
    """A forest of the greatest width predicts the same bits, in batches of more than one block."""
    from sklearn.ensemble import ExtraTreesClassifier

    from forest.native._kernel import MAX_KEYS

    draw = np.random.default_rng(0)
    rows = draw.normal(size=(30, MAX_KEYS)).astype(np.float32)
    estimator = ExtraTreesClassifier(5, random_state=0).fit(rows, draw.integers(3, size=30))
    assert_same(CompiledEngine(compile_forest(estimator)).predict(rows), estimator, rows)


def test_calls_from_several_threads_do_not_disturb_each_other(
    compiled: CompiledEngine,
    forest: Any,  # noqa: ANN401
    matrix: NDArray[np.float32],
) -> None:
    """Threads that ask one engine at the same time each get the answers to their own rows."""
    threads, turns = 8, 20
    parts = np.array_split(matrix[: threads * 700], threads)
    start = threading.Barrier(threads)

    def ask(part: NDArray[np.float32]) -> list[NDArray[np.uint64]]:
        start.wait(60)
        return [bits(compiled.predict(part)) for _ in range(turns)]

    with ThreadPoolExecutor(threads) as pool:
        for part, found in zip(parts, pool.map(ask, parts), strict=True):
            expected = forest.predict_proba(part).view(np.uint64)
            for each in found:
                np.testing.assert_array_equal(each, expected)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(np.asfortranarray, id="fortran-order"),
        pytest.param(lambda rows: rows[::2], id="every-other-row"),
        pytest.param(lambda rows: np.concatenate([rows, rows], axis=1)[:, ::2], id="every-other-column"),
        pytest.param(lambda rows: rows[:, ::-1], id="backwards"),
        pytest.param(lambda rows: rows.astype(np.float64), id="float64"),
        pytest.param(lambda rows: rows.astype(np.float16), id="float16"),
        pytest.param(lambda rows: rows.view(np.int32), id="integers"),
        pytest.param(lambda rows: rows.astype(">f4"), id="other-byte-order"),
        pytest.param(lambda rows: rows[0], id="one-dimension"),
        pytest.param(lambda rows: rows[None], id="three-dimensions"),
        pytest.param(lambda rows: rows[:, :53], id="a-column-less"),
        pytest.param(lambda rows: rows[:, :0], id="no-columns"),
    ],
)
def test_a_matrix_of_another_layout_is_refused(
    compiled: CompiledEngine, matrix: NDArray[np.float32], spoil: Callable[[NDArray[np.float32]], Any]
) -> None:
    """What is no C-contiguous float32 matrix raises; it is never read as if it were."""
    with pytest.raises(ValueError, match=r"buffer|Buffer|contiguous|columns"):
        compiled.predict(spoil(matrix[:10]))


@pytest.mark.parametrize("width", [0, 1, 53, 55, 108])
def test_another_number_of_columns_is_named(compiled: CompiledEngine, width: int) -> None:
    """The message has both numbers."""
    with pytest.raises(ValueError, match=f"the matrix has {width} columns, the model takes 54"):
        compiled.predict(np.zeros((3, width), dtype=np.float32))


@pytest.mark.parametrize(
    ("rows", "row", "column"),
    [
        pytest.param(1, 0, 0, id="alone"),
        pytest.param(1, 0, 53, id="last-column"),
        pytest.param(128, 127, 7, id="end-of-a-block"),
        pytest.param(129, 128, 0, id="second-block"),
        pytest.param(1000, 999, 53, id="last-of-many"),
    ],
)
def test_a_nan_is_named(
    compiled: CompiledEngine, matrix: NDArray[np.float32], rows: int, row: int, column: int
) -> None:
    """The message has the row and the column of a NaN."""
    spoilt = matrix[:rows].copy()
    spoilt[row, column] = np.nan
    with pytest.raises(ValueError, match=f"row {row}, column {column} is NaN"):
        compiled.predict(spoilt)


def test_of_several_nans_the_first_is_named(compiled: CompiledEngine, matrix: NDArray[np.float32]) -> None:
    """The message is about the first row that has one, and its first column."""
    spoilt = matrix[:500].copy()
    spoilt[[400, 300, 300], [0, 50, 9]] = np.nan
    with pytest.raises(ValueError, match="row 300, column 9 is NaN"):
        compiled.predict(spoilt)


def test_an_engine_works_on_after_it_refused_a_matrix(
    compiled: CompiledEngine,
    forest: Any,  # noqa: ANN401
    matrix: NDArray[np.float32],
) -> None:
    """A fault is the fault of its call alone."""
    with pytest.raises(ValueError, match="NaN"):
        compiled.predict(np.full((1, 54), np.nan, dtype=np.float32))
    assert_same(compiled.predict(matrix[:5]), forest, matrix[:5])


def test_infinite_values_are_walked_like_very_great_ones(compiled: CompiledEngine) -> None:
    """Infinity is above every threshold, and minus infinity below."""
    infinite = np.full((2, 54), np.inf, dtype=np.float32)
    infinite[1] *= -1
    great = np.clip(infinite, -np.finfo(np.float32).max, np.finfo(np.float32).max)
    np.testing.assert_array_equal(bits(compiled.predict(infinite)), bits(compiled.predict(great)))


def test_no_rows_have_no_labels(compiled: CompiledEngine) -> None:
    """An empty matrix is answered with an empty prediction."""
    prediction = compiled.predict(np.empty((0, 54), dtype=np.float32))
    assert prediction.probabilities is not None
    assert prediction.probabilities.shape == (0, 7)
    assert prediction.labels.shape == (0,)
    assert compiled.classes is not None
    assert prediction.labels.dtype == compiled.classes.dtype


def test_a_matrix_that_may_not_be_written_is_read(
    compiled: CompiledEngine,
    forest: Any,  # noqa: ANN401
    matrix: NDArray[np.float32],
) -> None:
    """Predicting needs no right to change the rows, and does not change them."""
    rows = matrix[:300].copy()
    rows.flags.writeable = False
    assert_same(compiled.predict(rows), forest, rows)
    np.testing.assert_array_equal(rows, matrix[:300])


def test_classes_that_the_leaves_do_not_have_are_refused(arrays: ForestArrays) -> None:
    """There must be a label for each probability."""
    assert arrays.classes is not None
    with pytest.raises(ValueError, match="does not fit 7 outputs and 6 classes"):
        CompiledEngine(replace(arrays, classes=arrays.classes[:6]))
