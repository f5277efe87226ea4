"""Ensembles of any kind, walked by the kernel as their rule says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forest import CompiledEngine, UnsupportedModel, compile_forest
from forest.artifact import Origin, Parity, write
from forest.checks.parity import compare, threshold_rows
from forest.checks.reference import ReferenceEngine
from forest.ensemble import MOST_COLUMNS, Ensemble, Missing, Tree
from forest.native._kernel import Walk
from tests.forest.ensembles import draw_ensemble, draw_rows

TYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, TYPES, TYPES)
def test_the_kernel_adds_up_what_the_rule_says(seed: int, dtype: type[np.floating], sums: type[np.floating]) -> None:
    """In either type of values and sums, with missing values and categories, every bit is that of numpy's walk."""
    ensemble = draw_ensemble(seed, dtype, sums)
    rows = np.concatenate([draw_rows(ensemble, 150, seed), threshold_rows(ensemble, 60)])
    found = Walk(compile_forest(ensemble)).sums(np.ascontiguousarray(rows))
    expected = ReferenceEngine(ensemble).sums(rows)
    assert found.dtype == expected.dtype == np.dtype(sums)
    assert found.tobytes() == expected.tobytes()


@given(SEEDS, TYPES)
def test_columns_in_another_order_and_a_file_change_nothing(scratch: Path, seed: int, dtype: type[np.floating]) -> None:
    """The matrix may have the columns in any order, and the ensemble may have been in a file."""
    ensemble = draw_ensemble(seed, dtype, np.float64)
    draw = np.random.default_rng(seed)
    order = draw.permutation(ensemble.width)
    arrays = compile_forest(ensemble, order=order)
    shares = replace(arrays, leaves=np.full_like(arrays.leaves, 1 / arrays.leaves.shape[1]))
    write(scratch / "drawn", shares, Origin("drawn"), Parity(1, 0))
    rows = threshold_rows(ensemble, 60, order=order)
    expected = ReferenceEngine(ensemble, order)
    assert compare(CompiledEngine(arrays), expected, rows).different == 0
    loaded = CompiledEngine.load(scratch / "drawn")
    assert compare(loaded, CompiledEngine(shares), rows).different == 0


def test_a_value_that_no_split_looks_at_may_be_missing_if_any_may() -> None:
    """Where the model takes missing values, an unused column takes them; where it takes none, it does not either."""
    ensemble = replace(draw_ensemble(3, np.float32, np.float64), width=40, takes_missing=True)
    rows = draw_rows(replace(ensemble, width=40), 5, 0)
    rows[:, 39] = np.nan
    used = replace(ensemble, trees=[replace_missing(ensemble, Missing.LEFT)])
    assert CompiledEngine(compile_forest(used)).predict(rows).labels.shape == (5,)
    refusing = replace(ensemble, trees=[replace_missing(ensemble, Missing.REFUSED)], takes_missing=False)
    rows[:, :39] = 0
    with pytest.raises(ValueError, match="row 0, column 39 is NaN"):
        CompiledEngine(compile_forest(refusing)).predict(rows)


def replace_missing(ensemble: Ensemble, way: Missing) -> Tree:
    """The first tree, all of whose splits do the same with missing values."""
    tree = ensemble.trees[0]
    return replace(tree, missing=np.full_like(tree.missing, way))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"width": 0}, "no columns", id="no-columns"),
        pytest.param({"trees": []}, "trees", id="no-trees"),
        pytest.param({"base": np.zeros(0)}, "outputs", id="no-outputs"),
        pytest.param({"base": np.zeros(9, dtype=np.float32)}, "leaves do not fit its nodes", id="other-type"),
        pytest.param({"columns": ("a",)}, "names 1 of", id="few-names"),
        pytest.param({"width": 1}, "splits are damaged", id="narrow"),
    ],
)
def test_an_ensemble_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    """The message says of what."""
    with pytest.raises(UnsupportedModel, match=message):
        replace(draw_ensemble(2, np.float64, np.float64), **changes).check()


def test_more_columns_than_any_table_has_are_refused() -> None:
    """A file may claim billions, and each would be gone through."""
    ensemble = replace(draw_ensemble(0, np.float32, np.float64), width=MOST_COLUMNS + 1)
    with pytest.raises(UnsupportedModel, match=f"takes {MOST_COLUMNS + 1} columns, more than {MOST_COLUMNS}"):
        ensemble.check_table()
