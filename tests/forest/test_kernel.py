"""The kernel's own checks: what it refuses to walk, and what it refuses to be asked."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest._kernel import MAX_FEATURES, Walk

Tables = dict[str, Any]

LEAF = 1


def split(pair: int, *, below: int = 0, feature: int = 0, rank: int = 0) -> int:
    """The word of a split whose children are in a pair of its own line or of one that the header leads to."""
    return rank << 10 | feature << 8 | below << 4 | pair << 1


def leaf(number: int) -> int:
    """The word of a leaf."""
    return number << 8 | LEAF


def tables() -> Tables:
    """Two trees of three features, with two feature bits: one of two lines, one that is a leaf.

    The first tree: feature 0 above 1.0 is leaf 2; else feature 2 above 5.0 is leaf 1; else leaf 0.
    """
    words = np.full((3, 16), LEAF, dtype=np.uint32)
    words[:, :2] = 0
    words[0, 2], words[0, 4], words[0, 5] = split(2), split(1, below=1, feature=2, rank=1), leaf(2)
    words[1, 2], words[1, 3] = leaf(0), leaf(1)
    words[2, 2] = leaf(1)
    return {
        "words": words,
        "trees": np.array([0, 2], dtype=np.uint32),
        "thresholds": np.array([1.0, 4.0, 5.0], dtype=np.float32),
        "offsets": np.array([0, 1, 1, 3], dtype=np.uint32),
        "leaves": np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]),
        "feature_bits": 2,
    }


def put(name: str, at: Any, value: object) -> Callable[[Tables], None]:  # noqa: ANN401 - what numpy takes as an index
    """A change of one number of a table."""

    def change(given: Tables) -> None:
        given[name][at] = value

    return change


def make(name: str, value: object) -> Callable[[Tables], None]:
    """A change of a whole table."""

    def change(given: Tables) -> None:
        given[name] = value

    return change


def both(*changes: Callable[[Tables], None]) -> Callable[[Tables], None]:
    """Some changes, one after the other."""

    def change(given: Tables) -> None:
        for each in changes:
            each(given)

    return change


def walked(given: Tables, rows: list[list[float]]) -> list[list[float]]:
    """What a walk says of some rows."""
    matrix = np.array(rows, dtype=np.float32)
    out = np.empty((len(matrix), given["leaves"].shape[1]))
    Walk(**given).predict(matrix, out)
    found: list[list[float]] = out.tolist()
    return found


def test_a_forest_made_by_hand_is_walked_as_drawn() -> None:
    """Values on a threshold go left, values above it go right, and the trees' leaves are averaged."""
    above = np.nextafter(np.float32(1), np.float32(2))
    rows = [[1, 0, 5], [1, 9, 6], [above, 0, 0], [-1e30, -0.0, 1e30], [1e30, 0, -1e30]]
    assert walked(tables(), rows) == [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.5, 0.5], [0.25, 0.75]]


def test_a_walk_tells_its_measures() -> None:
    """The numbers of features, classes and trees are those of the tables."""
    walk = Walk(**tables())
    assert (walk.n_features, walk.n_classes, walk.n_trees) == (3, 2, 2)


@pytest.mark.parametrize(
    ("change", "line", "place"),
    [
        pytest.param(put("words", (0, 4), split(2)), 0, 4, id="round-in-a-pair"),
        pytest.param(put("words", (0, 5), split(2)), 0, 5, id="round-in-a-pair-from-the-right"),
        pytest.param(put("words", (0, 4), split(1)), 0, 4, id="back-in-a-line"),
        pytest.param(put("words", (0, 2), split(1)), 0, 2, id="round-at-the-root"),
        pytest.param(put("words", (0, 2), split(0)), 0, 2, id="to-the-header"),
        pytest.param(put("words", (0, 4), split(0, below=1)), 0, 4, id="to-the-header-of-another-line"),
        pytest.param(put("words", (0, 0), 2**32 - 16), 0, 4, id="header-leads-to-its-own-line"),
        pytest.param(
            both(put("words", (2, 2), split(1, below=1)), put("words", (2, 0), 0)), 2, 2, id="header-leads-back"
        ),
        pytest.param(put("words", (0, 0), 1), 0, 4, id="header-between-words"),
        pytest.param(put("words", (0, 0), 8), 0, 4, id="header-between-lines"),
        pytest.param(put("words", (0, 0), 32), 0, 4, id="header-leads-past-the-end"),
        pytest.param(put("words", (0, 0), 2**31), 0, 4, id="header-leads-far-past-the-end"),
        pytest.param(put("words", (0, 4), split(1, below=3, feature=2)), 0, 4, id="step-past-the-end"),
        pytest.param(put("words", (0, 4), split(1, below=15, feature=2)), 0, 4, id="greatest-step-past-the-end"),
        pytest.param(put("words", (0, 5), leaf(3)), 0, 5, id="no-such-leaf"),
        pytest.param(put("words", (2, 2), leaf(2**24 - 1)), 2, 2, id="greatest-leaf"),
        pytest.param(put("words", (0, 2), split(2, feature=3)), 0, 2, id="no-such-feature"),
        pytest.param(put("words", (2, 15), 0), 2, 15, id="in-a-word-that-no-walk-comes-by"),
    ],
)
def test_a_word_that_leads_astray_is_found(change: Callable[[Tables], None], line: int, place: int) -> None:
    """The message names the word that breaks a rule."""
    given = tables()
    change(given)
    with pytest.raises(ValueError, match=f"^word {place} of line {line} leads astray$"):
        Walk(**given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(make("words", np.zeros((0, 16), dtype=np.uint32)), r"\(0, 16\) words are no lines", id="no-words"),
        pytest.param(make("words", np.ones((3, 8), dtype=np.uint32)), r"\(3, 8\) words are no lines", id="short-lines"),
        pytest.param(make("words", np.ones((3, 17), dtype=np.uint32)), r"\(3, 17\) words are no", id="long-lines"),
        pytest.param(make("feature_bits", 0), "0 feature bits", id="no-bits"),
        pytest.param(make("feature_bits", -1), "-1 feature bits", id="negative-bits"),
        pytest.param(make("feature_bits", 25), "25 feature bits", id="too-many-bits"),
        pytest.param(make("feature_bits", 1), "3 features, with 1 feature bits", id="too-few-bits"),
        pytest.param(
            both(make("offsets", np.zeros(MAX_FEATURES + 2, dtype=np.uint32)), make("feature_bits", 14)),
            f"{MAX_FEATURES + 1} features",
            id="too-many-features",
        ),
        pytest.param(make("offsets", np.zeros(1, dtype=np.uint32)), "0 features", id="no-features"),
        pytest.param(make("offsets", np.zeros(0, dtype=np.uint32)), "-1 features", id="no-offsets"),
        pytest.param(make("trees", np.zeros(0, dtype=np.uint32)), "no trees", id="no-trees"),
        pytest.param(put("trees", 1, 3), "tree 1 begins at line 3 of 3", id="tree-after-the-end"),
        pytest.param(
            put("trees", 0, 2**32 - 1), f"tree 0 begins at line {2**32 - 1} of 3", id="tree-far-after-the-end"
        ),
        pytest.param(make("leaves", np.zeros((0, 2))), "no leaves, or no classes", id="no-leaves"),
        pytest.param(make("leaves", np.zeros((3, 0))), "no leaves, or no classes", id="no-classes"),
        pytest.param(put("offsets", 0, 1), "do not span", id="offsets-begin-late"),
        pytest.param(put("offsets", 3, 2), "do not span", id="offsets-end-early"),
        pytest.param(put("offsets", 3, 4), "do not span", id="offsets-end-late"),
        pytest.param(put("offsets", 1, 2), "the offsets fall after feature 1", id="offsets-fall"),
        pytest.param(put("offsets", 2, 2**32 - 1), "the offsets fall after feature 2", id="offset-far-too-high"),
    ],
)
def test_tables_that_do_not_fit_are_refused(change: Callable[[Tables], None], message: str) -> None:
    """The message says what is wrong."""
    given = tables()
    change(given)
    with pytest.raises(ValueError, match=message):
        Walk(**given)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(make("feature_bits", 2**31), id="greatest"),
        pytest.param(make("words", np.ones((3, 16), dtype=np.uint64)), id="wide-words"),
        pytest.param(make("words", np.ones(48, dtype=np.uint32)), id="flat-words"),
        pytest.param(make("words", np.ones((16, 3), dtype=np.uint32).T), id="turned-words"),
        pytest.param(make("thresholds", np.zeros(3)), id="double-thresholds"),
        pytest.param(make("leaves", np.zeros((3, 2), dtype=np.float32)), id="single-leaves"),
        pytest.param(make("trees", np.array([0, 2], dtype=np.int32)), id="signed-trees"),
    ],
)
def test_tables_of_another_type_are_refused(change: Callable[[Tables], None]) -> None:
    """They are not read as if they were of the right one."""
    given = tables()
    change(given)
    with pytest.raises((ValueError, OverflowError)):
        Walk(**given)


def test_tables_that_may_not_be_written_are_walked() -> None:
    """A walk needs no right to change its tables."""
    given = tables()
    for name in ("words", "trees", "thresholds", "offsets", "leaves"):
        given[name].flags.writeable = False
    assert walked(given, [[1, 0, 5]]) == [[0.75, 0.25]]


@pytest.mark.parametrize(
    ("matrix", "out", "message"),
    [
        pytest.param((2, 2), (2, 2), "the matrix has 2 columns, the forest takes 3", id="narrow"),
        pytest.param((2, 4), (2, 2), "the matrix has 4 columns, the forest takes 3", id="wide"),
        pytest.param((2, 3), (1, 2), r"the result is \(2, 2\), not \(1, 2\)", id="short-result"),
        pytest.param((2, 3), (3, 2), r"the result is \(2, 2\), not \(3, 2\)", id="long-result"),
        pytest.param((2, 3), (2, 3), r"the result is \(2, 2\), not \(2, 3\)", id="wide-result"),
        pytest.param((0, 2), (0, 2), "the matrix has 2 columns", id="no-rows-but-narrow"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(matrix: tuple[int, int], out: tuple[int, int], message: str) -> None:
    """The message has what was given and what is right."""
    with pytest.raises(ValueError, match=message):
        Walk(**tables()).predict(np.zeros(matrix, dtype=np.float32), np.empty(out))


def test_what_was_in_the_result_does_not_matter() -> None:
    """The result is overwritten, not added to, and nothing beside it."""
    matrix = np.zeros((130, 3), dtype=np.float32)
    whole = np.full((132, 2), np.nan)
    Walk(**tables()).predict(matrix, whole[1:-1])
    np.testing.assert_array_equal(whole[1:-1], np.tile([0.75, 0.25], (130, 1)))
    assert np.isnan(whole[[0, -1]]).all()


@given(
    st.lists(st.floats(width=32, allow_nan=False), max_size=40, unique=True),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40),
)
def test_the_kernel_knows_the_rank_of_any_value(thresholds: list[float], values: list[float]) -> None:
    """A value goes right where more thresholds are below it than the split's rank says."""
    # 0 and -0 are one threshold.
    known = np.unique(np.array(thresholds, dtype=np.float32))
    values = [*values, *known.tolist()]
    given = tables()
    given["thresholds"] = known
    given["offsets"] = np.array([0, len(known)], dtype=np.uint32)
    given["feature_bits"] = 1
    given["leaves"] = np.array([[0.0], [1.0]])
    given["trees"] = np.arange(max(1, len(known)), dtype=np.uint32)
    words = np.full((len(given["trees"]), 16), LEAF, dtype=np.uint32)
    words[:, :2] = 0
    # A stump for each threshold: their mean is the share of the thresholds below.
    for rank in range(len(known)):
        words[rank, 2], words[rank, 4], words[rank, 5] = rank << 9 | split(2), leaf(0), leaf(1)
    given["words"] = words
    found = walked(given, [[value] for value in values])
    below: NDArray[np.float64] = (known[None] < np.array(values, dtype=np.float32)[:, None]).sum(axis=1)
    assert found == [[count / len(given["trees"])] for count in below.tolist()]
