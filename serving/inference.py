# cython: language_level=3, annotation_typing=False
"""From the rows of a batch to an answer for each of its requests: what the batcher calls its engine."""

import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest import Engine, Prediction
from preprocessing import Row, Schema
from preprocessing.matrix import MatrixBuilder
from serving.errors import ModelNotReady
from serving.exchange import Answer, Query, answers, any_probabilities, rows_of, tables_of
from serving.table import Table

_WARM_UP_ROWS = 256

_LONGEST_INLINE = 0.02
"""Seconds; an engine's call that takes longer runs in a thread, so that the event loop goes on. Handing a call over and
back costs a third of all work at a thousand clients on one core, and a turn of the loop is as long then anyway."""


def infer(queries: list[Query]) -> list[Answer]:
    """Predict for the rows of each request; calls must not overlap, for one matrix serves all of a table's.

    That is one call of the engine, unless a version with another table has just taken over: what was decoded for the
    one before is answered by that.

    Raises:
        ModelNotReady: no model is loaded.
        ValueError: what was asked of the engine has the wrong shape, or numbers that are not finite.
    """
    tables = tables_of(queries)
    if len(tables) == 1:
        return _of_one(tables[0], queries)
    found: dict[int, Answer] = {}
    for one in tables:
        places = [place for place, query in enumerate(queries) if query.table is one]
        found |= zip(places, _of_one(one, [queries[place] for place in places]), strict=True)
    return [found[place] for place in range(len(queries))]


def is_short(seconds: float, queries: list[Query]) -> bool:
    """Whether a call may hold up the event loop: it takes little time, and each engine that it asks is sure to return.

    Args:
        seconds: what the call is expected to take.
        queries: its requests, some of which a version may answer that is not in service any more.
    """
    for table in tables_of(queries):
        model = table.model
        if model is None or not model.engine.bounded:
            return False
    return seconds <= _LONGEST_INLINE


def _of_one(table: Table, queries: list[Query]) -> list[Answer]:
    """Predict for requests that were decoded by one table."""
    model = table.model
    if model is None:
        raise ModelNotReady
    engine, tell_labels = model.engine, model.labels
    matrix = table.matrix.build(rows_of(queries), engine.dtype)
    if tell_labels is None or any_probabilities(queries):
        prediction = _predict(engine, matrix)
        return answers(queries, prediction.labels.tolist(), model, prediction.probabilities)
    return answers(queries, _checked(tell_labels(matrix), matrix).tolist(), model, None)


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
    _checked(prediction.labels, matrix)
    probabilities = prediction.probabilities
    if probabilities is not None:
        if probabilities.ndim != 2 or len(probabilities) != len(matrix):
            raise ValueError(f"the engine returned probabilities of shape {probabilities.shape}")
        if not np.isfinite(probabilities).all():
            raise ValueError("the engine returned probabilities that are not finite")
    return prediction


def _checked(labels: NDArray[Any], matrix: NDArray[Any]) -> NDArray[Any]:
    """Labels that an engine has returned for a matrix, if they can be any."""
    if labels.shape != (len(matrix),):
        raise ValueError(f"the engine returned labels of shape {labels.shape} for {len(matrix)} rows")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("the engine returned labels that are not finite")
    return labels
