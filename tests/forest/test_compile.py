"""What the compiler makes of a forest, what it leaves alone, and what it refuses."""

import copy
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dataset import Covertype
from forest import CompiledEngine, UnsupportedModel, compile_forest
from forest.arrays import LEAF, LINE, PAYLOAD, ForestArrays
from forest.artifact import Origin, Parity, read, write
from forest.keys import round_down
from tests.forest.forests import GREATEST, LEAST, PLANS, Grown, Plan, assert_same, grow

SINGLE = st.floats(width=32, allow_nan=False)


@given(st.lists(st.floats(allow_nan=False) | SINGLE, min_size=1, max_size=20), st.lists(SINGLE, max_size=20))
@example([1e300, -1e300, np.inf, -np.inf, 1e-300, -1e-300, 0.0, -0.0], [0.0, -0.0, np.inf, -np.inf])
@example([float(GREATEST), -float(GREATEST), float(LEAST), float(LEAST) / 2, -float(LEAST) / 2], [1.0])
def test_a_rounded_threshold_parts_the_float32_numbers_as_before(thresholds: list[float], values: list[float]) -> None:
    """Each float32 number is on the same side of a threshold and of what it is rounded to, the nearest ones too."""
    exact = np.array(thresholds)
    rounded = round_down(exact)
    assert rounded.dtype == np.float32
    with np.errstate(all="ignore"):
        near = exact.astype(np.float32)
        beside = [np.nextafter(near, np.float32(sign * np.inf)) for sign in (-1, 1)]
    for value in [near, *beside, *np.array(values, dtype=np.float32)]:
        np.testing.assert_array_equal(value.astype(np.float64) <= exact, value <= rounded)


@given(PLANS, st.integers(0, 2**32 - 1))
def test_the_arrays_mean_what_their_description_says(plan: Plan, seed: int) -> None:
    """A walk in Python, by the letter of the table in ``forest/arrays.py``, ends at scikit-learn's leaves."""
    grown = grow(plan)
    arrays = compile_forest(grown.estimator)
    rows = grown.rows(5, seed)
    leaves = [tree.tree_.apply(rows) for tree in grown.estimator.estimators_]
    for tree, first in enumerate(arrays.trees.tolist()):
        for row, values in enumerate(rows):
            expected = grown.estimator.estimators_[tree].tree_.value[leaves[tree][row], 0]
            np.testing.assert_array_equal(arrays.leaves[walk(arrays, first, values)], expected)


def walk(arrays: ForestArrays, line: int, values: NDArray[np.float32]) -> int:
    """The number of the leaf that a row comes to in the tree that begins at a line."""
    place, below = 2, 0
    while not (word := int(arrays.words[line, place])) & LEAF:
        feature = word >> PAYLOAD & ((1 << arrays.key_bits) - 1)
        known = arrays.thresholds[arrays.offsets[feature] : arrays.offsets[feature + 1]]
        right = int((known < values[feature]).sum()) > word >> PAYLOAD + arrays.key_bits
        if below := word >> 4 & 15:
            line = (int(arrays.words[line, 0]) // LINE + below) % (2**32 // LINE)
        pair = word >> 1 & 7
        assert pair
        place = 2 * pair + right
    return word >> PAYLOAD


@given(PLANS)
def test_the_tables_are_as_described(plan: Plan) -> None:
    """Thresholds ascend within a feature, leaves differ, facts are scikit-learn's, and words begin at a cache line."""
    estimator = grow(plan).estimator
    arrays = compile_forest(estimator)
    assert [getattr(arrays, name).dtype for name in ("words", "trees", "thresholds", "offsets", "leaves")] == [
        np.uint32,
        np.uint32,
        np.float32,
        np.uint32,
        np.float64,
    ]
    assert len(arrays.trees) == len(estimator.estimators_)
    assert len(arrays.offsets) == plan.width + 1
    assert arrays.offsets[-1] == len(arrays.thresholds)
    for feature in range(plan.width):
        known = arrays.thresholds[arrays.offsets[feature] : arrays.offsets[feature + 1]]
        assert (known[:-1] < known[1:]).all()
    assert len({leaf.tobytes() for leaf in arrays.leaves}) == len(arrays.leaves)
    assert arrays.nodes == sum(tree.tree_.node_count for tree in estimator.estimators_)
    assert arrays.depth == max(tree.get_depth() for tree in estimator.estimators_)
    np.testing.assert_array_equal(arrays.classes, estimator.classes_)


def test_frequent_leaves_come_first(arrays: ForestArrays, forest: Any) -> None:  # noqa: ANN401
    """The distribution that most training samples came to is the first one."""
    visits: dict[bytes, int] = {}
    for tree in (each.tree_ for each in forest.estimators_):
        for node in np.flatnonzero(tree.children_left < 0):
            key = tree.value[node, 0].tobytes()
            visits[key] = visits.get(key, 0) + int(tree.n_node_samples[node])
    counts = [visits[leaf.tobytes()] for leaf in arrays.leaves]
    assert len(counts) == len(visits)
    assert counts == sorted(counts, reverse=True)


def test_most_places_in_the_lines_are_taken(arrays: ForestArrays) -> None:
    """A forest of some depth fills nearly nine tenths of the places for nodes."""
    assert arrays.nodes / (len(arrays.words) * (LINE - 2)) > 0.85


def test_the_estimator_is_not_changed(forest: Any) -> None:  # noqa: ANN401
    """Compiling leaves the estimator as it was, and the result shares no memory with it."""
    estimator = copy.deepcopy(forest).set_params(n_jobs=2)
    before = pickle.dumps(estimator)
    arrays = compile_forest(estimator)
    assert pickle.dumps(estimator) == before
    assert not np.shares_memory(arrays.classes, estimator.classes_)
    for tree in estimator.estimators_:
        assert not np.shares_memory(arrays.leaves, tree.tree_.value)


def test_compiling_twice_gives_the_same_arrays(arrays: ForestArrays, forest: Any) -> None:  # noqa: ANN401
    """Nothing in the result is left to chance."""
    again = compile_forest(forest)
    for name in ("words", "trees", "thresholds", "offsets", "leaves", "classes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(arrays, name))


@pytest.mark.parametrize(
    ("named", "order", "columns", "expected"),
    [
        pytest.param(True, None, None, ("a", "b", "c"), id="of-the-model"),
        pytest.param(True, [2, 0, 1], None, None, id="unknown-with-an-order"),
        pytest.param(True, [2, 0, 1], ["b", "c", "a"], ("b", "c", "a"), id="given-with-an-order"),
        pytest.param(True, None, ["x", "y", "z"], ("x", "y", "z"), id="given"),
        pytest.param(False, None, None, None, id="of-nobody"),
    ],
)
def test_columns_are_named_by_whoever_knows_them(
    tiny: Grown,
    named: bool,
    order: Sequence[int] | None,
    columns: Sequence[str] | None,
    expected: tuple[str, ...] | None,
) -> None:
    """The names given come first, then the model's own, unless its columns stand in another order."""
    estimator = copy.deepcopy(tiny.estimator)
    if named:
        estimator.feature_names_in_ = np.array(["a", "b", "c"], dtype=object)
    order_ = None if order is None else np.array(order)
    assert compile_forest(estimator, order=order_, columns=columns).columns == expected


def test_progress_is_told_of_each_tree(tiny: Grown) -> None:
    """The count goes up by one a tree, from none to all."""
    told: list[tuple[int, int]] = []
    compile_forest(tiny.estimator, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "ExtraTreesClassifier"])
@pytest.mark.parametrize(
    "missing", [pytest.param(0.3, id="many"), pytest.param(0.02, id="few"), pytest.param(1.0, id="a-whole-column")]
)
def test_a_forest_trained_on_missing_values_answers_as_scikit_learn_does(kind: str, missing: float) -> None:
    """Missing values go where each split sends them, in whatever column."""
    import sklearn.ensemble

    draw = np.random.default_rng(0)
    rows = draw.normal(size=(300, 4)).astype(np.float32)
    labels = (rows.sum(axis=1) > 0).astype(int)
    rows[draw.random(300) < missing, 1] = np.nan
    # A column of which all is missing parts no rows; one of which half is, does.
    rows[::2, 2] = np.nan if missing == 1 else rows[::2, 2]
    estimator = getattr(sklearn.ensemble, kind)(20, random_state=0).fit(rows, labels)
    asked = np.where(draw.random((300, 4)) < 0.3, np.nan, rows).astype(np.float32)
    found = CompiledEngine(compile_forest(estimator)).predict(asked).probabilities
    assert found is not None
    assert found.tobytes() == estimator.predict_proba(asked).tobytes()


def test_more_features_than_the_kernel_takes_are_refused() -> None:
    """The message has both numbers."""
    from sklearn.ensemble import RandomForestClassifier

    from forest.native._kernel import MAX_KEYS

    estimator = RandomForestClassifier(1).fit(np.zeros((2, MAX_KEYS + 1), dtype=np.float32), [0, 1])
    with pytest.raises(UnsupportedModel, match=f"{MAX_KEYS + 1} features, more than {MAX_KEYS}"):
        compile_forest(estimator)


def comb(teeth: int, width: int) -> Any:  # noqa: ANN401 - sklearn is untyped
    """One tree that parts ``teeth`` values of a column by a threshold between each two; other columns are constant."""
    from sklearn.ensemble import RandomForestClassifier

    rows = np.zeros((teeth, width), dtype=np.float32)
    rows[:, 1] = np.arange(teeth)
    estimator = RandomForestClassifier(1, bootstrap=False, max_features=None, random_state=0)
    return estimator.fit(rows, np.arange(teeth) % 2)


def test_as_many_thresholds_as_a_word_can_number_are_right() -> None:
    """With 13 bits for the feature, 11 are left: 2048 thresholds are told apart."""
    estimator = comb(2049, 4097)
    arrays = compile_forest(estimator)
    assert len(arrays.thresholds) == 2048
    rows = np.zeros((2 * 2049, 4097), dtype=np.float32)
    rows[:, 1] = np.arange(len(rows)) / 2
    assert_same(CompiledEngine(arrays).predict(rows), estimator, rows)


def test_one_threshold_more_than_a_word_can_number_is_refused() -> None:
    """The message has the numbers of thresholds and features."""
    with pytest.raises(
        UnsupportedModel, match="a feature has 2049 distinct thresholds; with 4097 features, 2048 can be told apart"
    ):
        compile_forest(comb(2050, 4097))


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        pytest.param("S8", "|S8", id="bytes"),
        pytest.param("M8[s]", "datetime64", id="times"),
        pytest.param("m8[s]", "timedelta64", id="durations"),
    ],
)
def test_labels_that_are_neither_numbers_nor_strings_are_refused(tiny: Grown, dtype: str, name: str) -> None:
    """The message has their type."""
    estimator = copy.deepcopy(tiny.estimator)
    estimator.classes_ = np.array([1, 2, 3]).astype(dtype)
    with pytest.raises(UnsupportedModel, match=rf"of type {re.escape(name)}.* are neither plain numbers nor strings"):
        compile_forest(estimator)


@pytest.mark.parametrize(
    "label",
    [
        pytest.param(7, id="number"),
        pytest.param(None, id="nothing"),
        pytest.param(b"a", id="bytes"),
        pytest.param(("a",), id="tuple"),
    ],
)
def test_objects_that_are_no_strings_are_no_labels(tiny: Grown, label: object) -> None:
    """Of labels that are Python objects, all must be strings."""
    estimator = copy.deepcopy(tiny.estimator)
    estimator.classes_ = np.array(["x", "y", None], dtype=object)
    estimator.classes_[2] = label
    with pytest.raises(UnsupportedModel, match=r"neither plain numbers nor strings|where a number should be"):
        compile_forest(estimator)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(np.array([0, 1, 2], dtype=np.int8), id="int8"),
        pytest.param(np.array([0, 1, 2**64 - 1], dtype=np.uint64), id="uint64"),
        pytest.param(np.array([-(2**63), 0, 2**63 - 1]), id="int64"),
        pytest.param(np.array([1, 2, 3], dtype=">i4"), id="other-byte-order"),
        pytest.param(np.array([-1, 0, 1], dtype=np.float16), id="float16"),
        pytest.param(np.array([-1, 0, 1], dtype=np.longdouble), id="longdouble"),
        pytest.param(np.array([-(2.0**60), 0.0, 2.0**60]), id="float64"),
        pytest.param(np.array(["", "Grün", "\N{DECIDUOUS TREE}"]), id="not-ascii"),
        pytest.param(np.array(["a", "b\0b", 'c"\\'], dtype=object), id="objects"),
        pytest.param(np.array([np.str_("a"), np.str_("b"), "c"], dtype=object), id="objects-of-numpy"),
        pytest.param(np.array(["a", "b", "c" * 1500]), id="long"),
        pytest.param(np.array(["a", "b", "\ud800"]), id="no-unicode"),
    ],
)
def test_labels_are_refused_or_kept_in_a_file(
    tiny: Grown,
    scratch: Path,
    labels: NDArray[Any],
) -> None:
    """What the compiler takes as labels, an artifact gives back: the same labels, of the same type."""
    from sklearn.ensemble import RandomForestClassifier

    codes = tiny.estimator.predict(tiny.matrix)
    estimator = RandomForestClassifier(2, max_depth=2, random_state=0).fit(tiny.matrix, labels[codes])
    try:
        arrays = compile_forest(estimator)
    except UnsupportedModel:
        return
    write(scratch / "labels.forest", arrays, Origin("labels"), Parity(1, 0))
    kept = read(scratch / "labels.forest").arrays
    assert kept.classes is not None
    assert kept.classes.dtype == estimator.classes_.dtype
    assert_same(CompiledEngine(kept).predict(tiny.matrix), estimator, tiny.matrix)


def test_a_forest_on_the_sample_compiles_with_its_names(matrix: NDArray[np.float32], sample: Covertype) -> None:
    """The names of a frame that a forest was fitted on become those of the compiled forest."""
    import pandas as pd
    from sklearn.ensemble import ExtraTreesClassifier

    from preprocessing import covertype

    frame = pd.DataFrame(matrix[:300], columns=list(covertype.COLUMNS))
    arrays = compile_forest(ExtraTreesClassifier(3, random_state=0).fit(frame, sample.labels[:300]))
    assert arrays.columns == covertype.COLUMNS
