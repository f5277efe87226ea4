"""From the rows of a batch to an answer for each of its requests: what the batcher calls its engine."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from forest import Engine, Prediction
from preprocessing import Row, Schema
from preprocessing.matrix import MatrixBuilder
from serving.errors import ModelNotReady, NoProbabilities
from serving.model import Model
from serving.table import Query, Table

_WARM_UP_ROWS = 256

_LONGEST_INLINE = 0.02
"""Seconds; an engine's call that takes longer runs in a thread, so that the event loop goes on. Handing a call over and
back costs a third of all work at a thousand clients on one core, and a turn of the loop is as long then anyway."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The answer to one request of n rows.

    Attributes:
        labels: n labels, as plain Python values.
        model: the version that computed it.
        batch: (rows of the batch, n_classes) float64; None if the model gives no probabilities.
        start: the request's first row in the batch.
    """

    labels: list[Any]
    model: Model
    batch: NDArray[np.float64] | None
    start: int

    @property
    def probabilities(self) -> NDArray[np.float64] | None:
        """(n, n_classes) float64, a view of the batch's; None if the model gives none."""
        return None if self.batch is None else self.batch[self.start : self.start + len(self.labels)]

    def wanted_probabilities(self) -> NDArray[np.float64]:
        """The probabilities, for who has asked for them.

        Raises:
            NoProbabilities: the model gives none.
        """
        if (probabilities := self.probabilities) is None:
            raise NoProbabilities(f"{self.model} is served by {self.model.engine.name}, which gives labels only")
        return probabilities


def infer(queries: list[Query]) -> list[Answer]:
    """Predict for the rows of each request; calls must not overlap, for one matrix serves all of a table's.

    That is one call of the engine, unless a version with another table has just taken over: what was decoded for the
    one before is answered by that.

    Raises:
        ModelNotReady: no model is loaded.
        ValueError: the engine returned an array of the wrong shape, or numbers that are not finite.
    """
    table = queries[0].table
    if all(query.table is table for query in queries):
        return _of_one(table, queries)
    answers: dict[int, Answer] = {}
    for one in dict.fromkeys(query.table for query in queries):
        places = [place for place, query in enumerate(queries) if query.table is one]
        answers |= zip(places, _of_one(one, [queries[place] for place in places]), strict=True)
    return [answers[place] for place in range(len(queries))]


def is_short(seconds: float, queries: Sequence[Query]) -> bool:
    """Whether a call may hold up the event loop: it takes little time, and each engine that it asks is sure to return.

    Args:
        seconds: what the call is expected to take.
        queries: its requests, some of which a version may answer that is not in service any more.
    """
    return seconds <= _LONGEST_INLINE and all(table.bounded for table in {query.table for query in queries})


def _of_one(table: Table, queries: list[Query]) -> list[Answer]:
    """Predict for requests that were decoded by one table."""
    model = table.model
    if model is None:
        raise ModelNotReady
    parts = [query.rows for query in queries]
    prediction = _predict(model.engine, table.matrix.build(parts, model.engine.dtype))
    labels, probabilities = prediction.labels.tolist(), prediction.probabilities
    answers = []
    start = 0
    for query in queries:
        end = start + len(query.rows)
        answers.append(Answer(labels[start:end], model, probabilities, start))
        start = end
    return answers


class Trial(NamedTuple):
    """What came of running an engine.

    Attributes:
        calls: (rows, seconds) of each call that tells what a call costs.
        label: one that it gave, as a plain Python value.
    """

    calls: list[tuple[int, float]]
    label: Any


def warm_up(engine: Engine, schema: Schema, row: Row, max_batch_rows: int) -> Trial:
    """Run an engine that is not yet in service on a plausible row, once and many times over.

    If values may be missing, it also sees a row that lacks them.

    Args:
        engine: the engine.
        schema: its table.
        row: the row.
        max_batch_rows: most rows in one call.

    Raises:
        ValueError: as ``infer`` does.
    """
    matrix = MatrixBuilder(schema, min(_WARM_UP_ROWS, max_batch_rows))
    first = _predict(engine, matrix.build([[row]], engine.dtype))  # pays for lazy imports
    if (sparse := schema.without(row)) is not None:
        _predict(engine, matrix.build([[sparse]], engine.dtype))
    calls = []
    for rows in (1, matrix.max_rows):
        start = time.perf_counter()
        _predict(engine, matrix.build([[row] * rows], engine.dtype))
        calls.append((rows, time.perf_counter() - start))
    return Trial(calls, first.labels.tolist()[0])


def _predict(engine: Engine, matrix: NDArray[Any]) -> Prediction:
    """Call an engine and check what it returns."""
    prediction = engine.predict(matrix)
    labels, probabilities = prediction.labels, prediction.probabilities
    if labels.shape != (len(matrix),):
        raise ValueError(f"the engine returned labels of shape {labels.shape} for {len(matrix)} rows")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("the engine returned labels that are not finite")
    if probabilities is not None:
        if probabilities.ndim != 2 or len(probabilities) != len(matrix):
            raise ValueError(f"the engine returned probabilities of shape {probabilities.shape}")
        if not np.isfinite(probabilities).all():
            raise ValueError("the engine returned probabilities that are not finite")
    return prediction
