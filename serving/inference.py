"""From the rows of a batch to an answer for each of its requests: what the batcher calls its engine."""

import time
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from forest import Engine, Prediction
from preprocessing import Row, covertype
from preprocessing.matrix import MatrixBuilder
from serving.errors import ModelNotReady
from serving.model import Model, ModelHandle

_WARM_UP_ROWS = 256


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


class Inference:
    """Predicts for whole requests. Calls must not overlap: one matrix serves them all.

    Args:
        handle: where to take the model from, once a batch.
        max_batch_rows: most rows in one call.
    """

    def __init__(self, handle: ModelHandle, max_batch_rows: int) -> None:
        self._handle = handle
        self._matrix = MatrixBuilder(covertype.SCHEMA, max_batch_rows)

    def __call__(self, requests: list[list[Row]]) -> list[Answer]:
        """Predict for the rows of each request, all in one call of the engine.

        Raises:
            ModelNotReady: no model is loaded.
            ValueError: the engine returned an array of the wrong shape, or numbers that are not finite.
        """
        model = self._handle.model
        if model is None:
            raise ModelNotReady
        prediction = _predict(model.engine, self._matrix.build(list(chain.from_iterable(requests))))
        labels, probabilities = prediction.labels.tolist(), prediction.probabilities
        answers = []
        start = 0
        for request in requests:
            end = start + len(request)
            answers.append(Answer(labels[start:end], model, probabilities, start))
            start = end
        return answers


def warm_up(engine: Engine, max_batch_rows: int) -> list[tuple[int, float]]:
    """Run an engine that is not yet in service on a plausible row, once and many times over.

    Args:
        engine: the engine.
        max_batch_rows: most rows in one call.

    Returns:
        (rows, seconds) of each call that tells what a call costs.

    Raises:
        ValueError: as ``Inference`` does.
    """
    matrix = MatrixBuilder(covertype.SCHEMA, min(_WARM_UP_ROWS, max_batch_rows))
    _predict(engine, matrix.build([covertype.EXAMPLE]))  # the first call pays for lazy imports
    calls = []
    for rows in (1, matrix.max_rows):
        start = time.perf_counter()
        _predict(engine, matrix.build([covertype.EXAMPLE] * rows))
        calls.append((rows, time.perf_counter() - start))
    return calls


def _predict(engine: Engine, matrix: NDArray[np.float32]) -> Prediction:
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
