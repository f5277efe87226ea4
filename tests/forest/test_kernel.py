"""The kernel's own checks: what it refuses to walk, and what it refuses to be asked."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest.arrays import ForestArrays
from forest.ensemble import Missing
from forest.links import Link
from forest.native._kernel import MAX_KEYS, Walk

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
        "key_bits": 2,
        "outputs": np.zeros(2, dtype=np.uint32),
        "features": np.arange(3, dtype=np.uint32),
        "missing": np.zeros(3, dtype=np.uint8),
        "codes": np.zeros(3, dtype=np.uint32),
        "sets": np.zeros(0, dtype=np.uint32),
        "base": np.zeros(2),
        "divisor": 2.0,
        "zero": 0.0,
        "least_code": 0.0,
        "width": 3,
    }


def walk(given: Tables) -> Any:  # noqa: ANN401 - a Walk, which stubs cannot tell from another version's
    """A walk over tables."""
    return Walk(
        ForestArrays(**given, link=Link("shares"), classes=None, columns=None, nodes=1, depth=0),
    )


def with_categories() -> Tables:
    """One tree of two columns: category 0 or 2 of column 0 is leaf 0, else column 1 above 4.0 is leaf 2, else leaf 1.

    Any other category goes right, a missing one left.
    """
    given = tables()
    words = np.full((1, 16), LEAF, dtype=np.uint32)
    words[0, :2] = 0
    words[0, 2], words[0, 4], words[0, 5] = split(2, feature=1), leaf(0), split(3)
    words[0, 6], words[0, 7] = leaf(1), leaf(2)
    return given | {
        "words": words,
        "trees": np.zeros(1, dtype=np.uint32),
        "outputs": np.zeros(1, dtype=np.uint32),
        "thresholds": np.array([4.0], dtype=np.float32),
        "offsets": np.array([0, 1, 1], dtype=np.uint32),
        "features": np.array([1, 0], dtype=np.uint32),
        "missing": np.array([Missing.RIGHT, Missing.LEFT], dtype=np.uint8),
        "codes": np.array([0, 3], dtype=np.uint32),
        "sets": np.array([0b01010], dtype=np.uint32),  # of codes 0, 1, 2, any other, missing: 1 and any other go right
        "key_bits": 1,
        "divisor": 1.0,
        "width": 2,
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
    found: list[list[float]] = walk(given).sums(matrix).tolist()
    return found


def test_a_forest_made_by_hand_is_walked_as_drawn() -> None:
    """Values on a threshold go left, values above it go right, and the trees' leaves are averaged."""
    above = np.nextafter(np.float32(1), np.float32(2))
    rows = [[1, 0, 5], [1, 9, 6], [above, 0, 0], [-1e30, -0.0, 1e30], [1e30, 0, -1e30]]
    assert walked(tables(), rows) == [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.5, 0.5], [0.25, 0.75]]


def test_a_walk_tells_its_measures() -> None:
    """The numbers of columns, outputs and trees are those of the tables."""
    made = walk(tables())
    assert (made.n_features, made.n_outputs, made.n_trees) == (3, 2, 2)


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        pytest.param([0, 9], [1, 0], id="in-the-set"),
        pytest.param([2.9, 9], [1, 0], id="whole-part"),
        pytest.param([1, 4], [0.5, 0.5], id="not-in-the-set"),
        pytest.param([1, 4.5], [0, 1], id="number-below-a-category"),
        pytest.param([1, np.nan], [0, 1], id="missing-number"),
        pytest.param([3, 0], [0.5, 0.5], id="unknown"),
        pytest.param([-1, 0], [0.5, 0.5], id="negative"),
        pytest.param([1e30, 0], [0.5, 0.5], id="far-above"),
        pytest.param([-np.inf, 0], [0.5, 0.5], id="infinite"),
        pytest.param([np.nan, 9], [1, 0], id="missing-category"),
    ],
)
def test_a_category_goes_where_its_set_says(row: list[float], answer: list[float]) -> None:
    """Codes by the set's bits, any other number and a missing one by the two bits behind them."""
    assert walked(with_categories(), [row]) == [answer]


@pytest.mark.parametrize(
    ("missing", "rows", "zero"),
    [
        pytest.param(Missing.LEFT, {np.nan: 0, 0.0: 0, 2.0: 1, 0.5: 0}, 0.0, id="left"),
        pytest.param(Missing.RIGHT, {np.nan: 1, 0.0: 0, 2.0: 1}, 0.0, id="right"),
        pytest.param(Missing.ZERO, {np.nan: 0, 0.0: 0, 2.0: 1, -1.0: 0}, 0.0, id="zero"),
        pytest.param(Missing.ZERO_LEFT, {np.nan: 0, 0.0: 0, 2.0: 1}, 0.0, id="zero-left"),
        pytest.param(Missing.ZERO_RIGHT, {np.nan: 1, 0.0: 1, 0.5: 0, 1e-35: 0}, 0.0, id="zero-right"),
        pytest.param(Missing.ZERO_RIGHT, {1e-36: 1, -1e-36: 1, 1e-34: 0}, 1e-35, id="nearly-zero"),
    ],
)
def test_a_missing_value_goes_where_its_key_says(missing: Missing, rows: dict[float, int], zero: float) -> None:
    """A stump at 1.0, whose leaves are 0 and 1."""
    words = np.full((1, 16), LEAF, dtype=np.uint32)
    words[0, :2] = 0
    words[0, 2], words[0, 4], words[0, 5] = split(2), leaf(0), leaf(1)
    given = tables() | {
        "words": words,
        "trees": np.zeros(1, dtype=np.uint32),
        "outputs": np.zeros(1, dtype=np.uint32),
        "thresholds": np.array([1.0], dtype=np.float32),
        "offsets": np.array([0, 1], dtype=np.uint32),
        "features": np.zeros(1, dtype=np.uint32),
        "missing": np.array([missing], dtype=np.uint8),
        "codes": np.zeros(1, dtype=np.uint32),
        "leaves": np.array([[0.0], [1.0]]),
        "base": np.zeros(1),
        "key_bits": 1,
        "divisor": 1.0,
        "width": 1,
        "zero": zero,
    }
    assert walked(given, [[value] for value in rows]) == [[answer] for answer in rows.values()]


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
        walk(given)


def test_a_set_that_ends_behind_the_sets_is_found() -> None:
    """Its place in the word is held against its size."""
    given = with_categories()
    given["words"][0, 2] |= 1 << 9
    with pytest.raises(ValueError, match=r"^word 2 of line 0 leads astray$"):
        walk(given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(make("words", np.zeros((0, 16), dtype=np.uint32)), r"\(0, 16\) words are no lines", id="no-words"),
        pytest.param(make("words", np.ones((3, 8), dtype=np.uint32)), r"\(3, 8\) words are no lines", id="short-lines"),
        pytest.param(make("words", np.ones((3, 17), dtype=np.uint32)), r"\(3, 17\) words are no", id="long-lines"),
        pytest.param(make("key_bits", 0), "0 key bits", id="no-bits"),
        pytest.param(make("key_bits", -1), "-1 key bits", id="negative-bits"),
        pytest.param(make("key_bits", 25), "25 key bits", id="too-many-bits"),
        pytest.param(make("key_bits", 1), "3 keys, with 1 key bits", id="too-few-bits"),
        pytest.param(
            both(make("offsets", np.zeros(MAX_KEYS + 2, dtype=np.uint32)), make("key_bits", 14)),
            f"{MAX_KEYS + 1} keys",
            id="too-many-features",
        ),
        pytest.param(make("offsets", np.zeros(1, dtype=np.uint32)), "0 keys", id="no-features"),
        pytest.param(make("offsets", np.zeros(0, dtype=np.uint32)), "-1 keys", id="no-offsets"),
        pytest.param(make("trees", np.zeros(0, dtype=np.uint32)), "no trees", id="no-trees"),
        pytest.param(put("trees", 1, 3), "tree 1 begins at line 3 of 3", id="tree-after-the-end"),
        pytest.param(
            put("trees", 0, 2**32 - 1), f"tree 0 begins at line {2**32 - 1} of 3", id="tree-far-after-the-end"
        ),
        pytest.param(make("leaves", np.zeros((0, 2))), "no leaves, or no outputs", id="no-leaves"),
        pytest.param(make("leaves", np.zeros((3, 0))), "no leaves, or no outputs", id="no-classes"),
        pytest.param(put("offsets", 0, 1), "do not span", id="offsets-begin-late"),
        pytest.param(put("offsets", 3, 2), "do not span", id="offsets-end-early"),
        pytest.param(put("offsets", 3, 4), "do not span", id="offsets-end-late"),
        pytest.param(put("offsets", 1, 2), "the offsets fall after key 1", id="offsets-fall"),
        pytest.param(put("offsets", 2, 2**32 - 1), "the offsets fall after key 2", id="offset-far-too-high"),
        pytest.param(put("features", 1, 3), "key 1 is of column 3 of 3", id="no-such-column"),
        pytest.param(make("features", np.zeros(2, dtype=np.uint32)), "keys do not fit", id="few-features"),
        pytest.param(make("missing", np.zeros(4, dtype=np.uint8)), "keys do not fit", id="many-ways"),
        pytest.param(put("missing", 2, 6), "key 2 has missing values of the kind 6", id="no-such-way"),
        pytest.param(make("codes", np.zeros(2, dtype=np.uint32)), "keys do not fit", id="few-codes"),
        pytest.param(put("codes", 2, 3), "key 2 has 3 codes, for which there are no sets", id="no-sets"),
        pytest.param(put("codes", 2, 2**32 - 1), f"key 2 has {2**32 - 1} codes", id="greatest-codes"),
        pytest.param(
            both(put("codes", 0, 3), make("sets", np.zeros(1, dtype=np.uint32))), "key 1 is a number behind", id="mixed"
        ),
        pytest.param(put("outputs", 1, 1), "tree 1 adds to output 1 of 2", id="output-past-the-end"),
        pytest.param(put("outputs", 0, 2**32 - 1), f"adds to output {2**32 - 1} of 2", id="output-far-past-the-end"),
        pytest.param(make("outputs", np.zeros(3, dtype=np.uint32)), "3 trees have outputs, of 2", id="many-outputs"),
        pytest.param(make("base", np.zeros(2, dtype=np.float32)), "not of the leaves' type", id="single-base"),
        pytest.param(make("base", np.zeros(1)), "tree 0 adds to output 0 of 1", id="short-base"),
        pytest.param(make("width", 0), "no columns", id="no-columns"),
        pytest.param(make("least_code", -1.0), "the least category is -1.0", id="negative-codes"),
        pytest.param(make("least_code", np.nan), "the least category is nan", id="no-least-code"),
    ],
)
def test_tables_that_do_not_fit_are_refused(change: Callable[[Tables], None], message: str) -> None:
    """The message says what is wrong."""
    given = tables()
    change(given)
    with pytest.raises(ValueError, match=message):
        walk(given)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(make("key_bits", 2**31), id="greatest"),
        pytest.param(make("words", np.ones((3, 16), dtype=np.uint64)), id="wide-words"),
        pytest.param(make("words", np.ones(48, dtype=np.uint32)), id="flat-words"),
        pytest.param(make("words", np.ones((16, 3), dtype=np.uint32).T), id="turned-words"),
        pytest.param(make("thresholds", np.zeros(3, dtype=np.float16)), id="half-thresholds"),
        pytest.param(make("leaves", np.zeros((3, 2), dtype=np.int64)), id="whole-leaves"),
        pytest.param(make("missing", np.zeros(3, dtype=np.int8)), id="signed-ways"),
        pytest.param(make("trees", np.array([0, 2], dtype=np.int32)), id="signed-trees"),
    ],
)
def test_tables_of_another_type_are_refused(change: Callable[[Tables], None]) -> None:
    """They are not read as if they were of the right one."""
    given = tables()
    change(given)
    with pytest.raises((ValueError, OverflowError)):
        walk(given)


def test_tables_that_may_not_be_written_are_walked() -> None:
    """A walk needs no right to change its tables."""
    given = tables()
    for name in ("words", "trees", "thresholds", "offsets", "leaves"):
        given[name].flags.writeable = False
    assert walked(given, [[1, 0, 5]]) == [[0.75, 0.25]]


@pytest.mark.parametrize("shape", [(2, 2), (2, 4), (0, 2)], ids=str)
def test_shapes_that_do_not_fit_are_refused(shape: tuple[int, int]) -> None:
    """The message has what was given and what is right."""
    with pytest.raises(ValueError, match=f"^the matrix has {shape[1]} columns, the model takes 3$"):
        walk(tables()).sums(np.zeros(shape, dtype=np.float32))


def test_a_matrix_of_another_type_is_refused() -> None:
    """It is not read as if it were of the right one."""
    with pytest.raises(ValueError, match="Buffer dtype mismatch"):
        walk(tables()).sums(np.zeros((2, 3)))


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
    given["key_bits"] = 1
    given["leaves"] = np.array([[0.0], [1.0]])
    given["trees"] = np.arange(max(1, len(known)), dtype=np.uint32)
    given |= {name: given[name][:1] for name in ("features", "missing", "codes", "base")}
    given |= {"width": 1, "outputs": np.zeros_like(given["trees"]), "divisor": float(len(given["trees"]))}
    words = np.full((len(given["trees"]), 16), LEAF, dtype=np.uint32)
    words[:, :2] = 0
    # A stump for each threshold: their mean is the share of the thresholds below.
    for rank in range(len(known)):
        words[rank, 2], words[rank, 4], words[rank, 5] = rank << 9 | split(2), leaf(0), leaf(1)
    given["words"] = words
    found = walked(given, [[value] for value in values])
    below: NDArray[np.float64] = (known[None] < np.array(values, dtype=np.float32)[:, None]).sum(axis=1)
    assert found == [[count / len(given["trees"])] for count in below.tolist()]
