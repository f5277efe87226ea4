"""The search for the least value that is enough."""

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.searching.bisection import Found, least, steps

VALUES = steps(1, 100, 1)
SORTED = st.lists(st.floats(0.001, 1000), min_size=1, max_size=200, unique=True).map(sorted)


def lucky(edge: float, exceptions: dict[float, int]) -> Callable[[float], bool]:
    """Enough from an edge on; below, some values are enough a few times, by luck."""
    left = dict(exceptions)

    def passes(value: float) -> bool:
        if value >= edge:
            return True
        left[value] = left.get(value, 0) - 1
        return left[value] >= 0

    return passes


@given(SORTED, st.floats(0, 1001), st.integers(0, 3))
def test_the_least_value_is_found_in_few_trials(values: list[float], edge: float, confirmations: int) -> None:
    """Wherever it is; each trial is kept, and the result was tried again as often as was asked."""
    found = least(lambda value: value >= edge, values, confirmations=confirmations)
    expected = min((value for value in values if value >= edge), default=None)
    assert found.least == expected
    if expected is None:
        assert len(found.trials) == 1
    else:
        assert len(found.trials) <= 1 + math.ceil(math.log2(len(values))) + confirmations
        assert [each.value for each in found.trials].count(expected) == 1 + confirmations
        assert found.most_insufficient == max((value for value in values if value < edge), default=None)
    assert all(each.passed == (each.value >= edge) for each in found.trials)


@given(SORTED, st.randoms(use_true_random=False), st.integers(0, 3))
def test_whatever_the_machine_does_the_search_ends(values: list[float], draw: Random, again: int) -> None:
    """And what it then gives has not failed once, be the trials ever so random."""
    found = least(lambda _: draw.random() < 0.5, values, confirmations=again)
    assert len(found.trials) <= len(values) * (1 + again) + len(values)
    outcomes = [each.passed for each in found.trials if each.value == found.least]
    if found.least is not None:
        assert outcomes == [True] * (1 + again)
    else:
        assert not all(each.passed for each in found.trials)


def test_always_enough_is_the_least_of_all() -> None:
    """Nothing insufficient was seen then."""
    found = least(lambda _: True, VALUES)
    assert (found.least, found.most_insufficient) == (1, None)


def test_never_enough_is_found_at_once() -> None:
    """The greatest value is tried first."""
    found = least(lambda _: False, VALUES)
    assert found.least is None
    assert [each.value for each in found.trials] == [100]
    assert found.most_insufficient == 100


def test_a_lucky_value_is_found_out() -> None:
    """It is enough once and not again: the search goes on above it, between what is known."""
    found = least(lucky(40, {25: 1, 32: 1}), VALUES)
    assert found.least == 40
    assert [each.passed for each in found.trials if each.value == 25] == [True, False]
    assert len(found.trials) < 20


def test_without_confirmation_luck_is_believed() -> None:
    """That is the price of saving a trial."""
    assert least(lucky(2, {1: 1}), [1, 2], confirmations=0).least == 1


def test_a_greatest_value_that_fails_again_is_not_enough() -> None:
    """Luck does not help it either."""
    outcomes = iter([True, False])
    assert least(lambda _: next(outcomes), [5]).least is None


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        pytest.param((0.1, 0.3, 0.1), [0.1, 0.2, 0.3], id="no rounding errors"),
        pytest.param((48, 64, 8), [48, 56, 64], id="even"),
        pytest.param((1, 10, 4), [1, 5, 9, 10], id="the greatest is there"),
        pytest.param((2, 2, 1), [2], id="one"),
    ],
)
def test_steps_reach_from_end_to_end(scale: tuple[float, float, float], expected: list[float]) -> None:
    """Equal but for the last."""
    assert steps(*scale) == expected


@pytest.mark.parametrize("scale", [(2, 1, 1), (0, 1, 1), (1, 2, 0), (-1, 1, 1)])
def test_steps_that_lead_nowhere_are_refused(scale: tuple[float, float, float]) -> None:
    """No limit is zero."""
    with pytest.raises(ValueError, match="there is no way"):
        steps(*scale)


def test_an_empty_search_says_so() -> None:
    """Of what was found nothing is made up."""
    assert Found(None, []).most_insufficient is None
