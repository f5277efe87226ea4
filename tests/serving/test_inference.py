"""Batches of requests, which one version answers or two."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forest import Prediction
from preprocessing import Schema
from serving import Model, Query, Table, infer, is_short


class Echo:
    """Answers each row with its first value; implements ``forest.Engine``."""

    name = "echo"
    dtype = np.float32
    classes: NDArray[Any] | None = None

    def __init__(self, *, bounded: bool) -> None:
        self.bounded = bounded

    def predict(self, matrix: NDArray[Any]) -> Prediction:
        """See ``Engine.predict``."""
        return Prediction(matrix[:, 0].copy(), None)


def query(width: int, value: float, *, bounded: bool) -> Query:
    """A request of one row, for a version with a table of its own."""
    table = Table(Schema.unnamed(width), max_rows_per_request=10, max_batch_rows=10)
    table.model = Model("Echo", str(width), Echo(bounded=bounded))
    return Query(table, [(value,) * width])


@pytest.mark.parametrize(("seconds", "short"), [(0.001, True), (1.0, False)])
@pytest.mark.parametrize("bounded", [(True, True), (True, False), (False, True), (False, False)])
def test_a_call_is_short_if_all_of_its_engines_are_sure_to_return(
    seconds: float, short: bool, bounded: tuple[bool, bool]
) -> None:
    """Whichever version is in service: while one takes over, a batch may be for the one before as well."""
    queries = [query(width, 1, bounded=each) for width, each in enumerate(bounded, 1)]
    assert is_short(seconds, queries) == (short and all(bounded))


def test_each_request_is_answered_by_the_version_that_it_was_decoded_for() -> None:
    """In the order of the requests."""
    one, two = (query(width, width, bounded=True) for width in (1, 2))
    answers = infer([one, two, one, two, two])
    assert [(answer.labels, answer.model.version) for answer in answers] == [
        ([1.0], "1"),
        ([2.0], "2"),
        ([1.0], "1"),
        ([2.0], "2"),
        ([2.0], "2"),
    ]
