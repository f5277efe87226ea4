"""The link functions of scikit-learn's models, held against scikit-learn and scipy."""

from typing import Literal

import numpy as np
import pytest
import scipy.special
from sklearn.utils.extmath import softmax

from forest.engine import UnsupportedModel
from forest.links import Link, link_function
from forest.links.scikit_learn import expit
from tests.forest.libraries.asking import bits


def numbers(count: int) -> np.ndarray:
    """Numbers of all sizes, and the ends."""
    draw = np.random.default_rng(0)
    ends = [0.0, -0.0, 5e-324, 709.78, -709.79, 745.2, -745.2, 1000.0, -1000.0, np.inf, -np.inf]
    sizes = [draw.normal(0, size, count) for size in (1e-3, 1.0, 30.0, 300.0)]
    everything = draw.integers(0, 2**64, count, dtype=np.uint64).view(np.float64)
    return np.concatenate([ends, *sizes, everything[~np.isnan(everything)]])


def test_expit_is_scipys_to_the_last_bit() -> None:
    """Over a million numbers, and the ends."""
    values = numbers(250_000)
    np.testing.assert_array_equal(bits(expit(values)), bits(scipy.special.expit(values)))


@pytest.mark.parametrize("classes", [3, 7, 8, 9, 30])
@pytest.mark.parametrize("rows", [1, 2, 3, 500])
@pytest.mark.parametrize(("name", "order"), [("softmax_by_row", "C"), ("softmax_by_column", "F")])
def test_softmax_has_the_bits_of_the_layout_that_the_library_has(
    name: str, order: Literal["C", "F"], rows: int, classes: int
) -> None:
    """Numpy adds rows of eight numbers and more otherwise if they stand column by column."""
    sums = np.random.default_rng(0).normal(0, 3, (rows, classes))
    found = link_function(Link(name), classes, classes)(sums.copy()).probabilities
    assert found is not None
    np.testing.assert_array_equal(bits(found), bits(softmax(np.array(sums, order=order))))


@pytest.mark.parametrize(
    ("link", "classes", "outputs"),
    [
        pytest.param(Link("expit_above_zero", (1.0,)), 3, 1, id="three-classes-of-one-sum"),
        pytest.param(Link("expit_above_zero", (1.0,)), 1, 1, id="one-class"),
        pytest.param(Link("expit_above_zero"), 2, 1, id="no-factor"),
        pytest.param(Link("softmax_by_row"), 2, 2, id="two-sums"),
        pytest.param(Link("isolation", (1.0, float("nan"))), 2, 1, id="no-number"),
        pytest.param(Link("exponential"), 2, 1, id="classes-of-a-regressor"),
    ],
)
def test_a_link_that_does_not_fit_is_refused(link: Link, classes: int, outputs: int) -> None:
    """Its numbers, or the model's classes or outputs, are others."""
    with pytest.raises(UnsupportedModel, match="does not fit"):
        link_function(link, classes, outputs)
