"""Which walk is taken: the fastest, and never one that is wrong."""

import logging
import time
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from forest import compile_forest
from forest.arrays import ForestArrays
from forest.walks import WalkName, choose, drawn_rows
from tests.forest.ensembles import draw_ensemble
from tests.forest.forests import Grown

SLOW, SLOWER = 0.0005, 0.002
"""Seconds of the thread in a call."""


class Walks:
    """Walks whose calls take as long as they are told, and add what they are told to the sums."""

    def __init__(self, seconds: Mapping[str, float], wrong: str = "") -> None:
        self.name, self.calls = "portable", 0
        self._seconds, self._wrong = seconds, wrong

    def unfit(self, name: str) -> str | None:
        """See ``Walking``."""
        return None if name in self._seconds else "it is not there"

    def use(self, name: str) -> None:
        """See ``Walking``."""
        if reason := self.unfit(name):
            raise ValueError(f"the walk {name} cannot be used: {reason}")
        self.name = name

    def sums(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """See ``Walking``."""
        self.calls += 1
        end = time.thread_time() + self._seconds[self.name]
        while time.thread_time() < end:
            pass
        sums: NDArray[Any] = matrix.sum(axis=1, keepdims=True) + (self.name == self._wrong)
        return sums


class Remembering(Walks):
    """One of its walks takes no time for rows that it knows, as if it found its way in the caches."""

    def __init__(self, seconds: Mapping[str, float], remembering: str) -> None:
        super().__init__(seconds)
        self._remembering, self._known = remembering, set[bytes]()

    def sums(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """See ``Walking``."""
        rows = {row.tobytes() for row in matrix}
        if self.name == self._remembering and rows <= self._known:
            known: NDArray[Any] = matrix.sum(axis=1, keepdims=True)
            return known
        if self.name == self._remembering:
            self._known |= rows
        return super().sums(matrix)


@pytest.fixture
def some(tiny: Grown) -> ForestArrays:
    """A compiled forest."""
    return compile_forest(tiny.estimator)


@pytest.mark.parametrize(
    ("seconds", "wanted", "taken"),
    [
        pytest.param({"portable": SLOWER, "avx2": SLOW}, "auto", "avx2", id="faster"),
        pytest.param({"portable": SLOW, "avx2": SLOWER}, "auto", "portable", id="slower"),
        pytest.param({"portable": SLOWER, "avx2": SLOWER, "avx512": SLOW}, "auto", "avx512", id="one-of-three"),
        pytest.param({"portable": SLOW}, "auto", "portable", id="only-one"),
        pytest.param({"portable": SLOW, "avx2": SLOWER}, "avx2", "avx2", id="forced"),
        pytest.param({"portable": SLOWER, "avx2": SLOW}, "portable", "portable", id="forced-portable"),
    ],
)
def test_the_fastest_or_the_wanted_walk_is_taken(
    some: ForestArrays, seconds: dict[str, float], wanted: str, taken: str
) -> None:
    """Calls of an engine find it in use."""
    walks = Walks(seconds)
    choose(walks, some, cast(WalkName, wanted))
    assert walks.name == taken


@pytest.mark.parametrize("wanted", ["auto", "avx2"])
def test_a_walk_that_differs_is_not_used_even_if_it_is_forced(
    some: ForestArrays, wanted: WalkName, caplog: pytest.LogCaptureFixture
) -> None:
    """The portable one is taken instead, with a warning."""
    walks = Walks({"portable": SLOWER, "avx2": SLOW}, wrong="avx2")
    choose(walks, some, wanted)
    assert walks.name == "portable"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the walk avx2 differs from the portable one, and is not used" in caplog.text


def test_walks_are_timed_on_rows_that_they_have_not_walked_yet(some: ForestArrays) -> None:
    """As a server's are: what a walk finds in the caches because it was timed before, no server has there."""
    walks = Remembering({"portable": SLOW, "avx512": SLOWER}, "avx512")
    choose(walks, some)
    assert walks.name == "portable"


def test_where_there_is_no_choice_nothing_is_timed(some: ForestArrays) -> None:
    """Loading then costs no call."""
    walks = Walks({"portable": SLOW})
    choose(walks, some)
    assert walks.calls == 0


def test_what_is_chosen_is_told(some: ForestArrays, caplog: pytest.LogCaptureFixture) -> None:
    """With the time that each took."""
    caplog.set_level(logging.INFO)
    choose(Walks({"portable": SLOWER, "avx2": SLOW}), some)
    assert "the walk is avx2 (microseconds for drawn rows: portable " in caplog.text


def test_a_walk_that_cannot_be_used_is_refused(some: ForestArrays) -> None:
    """Nothing else is taken in its place."""
    with pytest.raises(ValueError, match="the walk avx512 cannot be used"):
        choose(Walks({"portable": SLOW, "avx2": SLOW}), some, "avx512")


@pytest.mark.parametrize("seed", range(8))
def test_drawn_rows_have_values_missing_only_where_they_may_be(seed: int) -> None:
    """They can be walked, whatever the model refuses."""
    ensemble = draw_ensemble(seed, np.float64, np.float64)
    arrays = compile_forest(ensemble)
    rows = drawn_rows(arrays, 50)
    assert rows.shape == (50, ensemble.width)
    assert rows.dtype == np.float64
    refused = arrays.features[arrays.missing == 0]
    assert not np.isnan(rows[:, refused]).any()
