"""From a fitted forest to its artifact: compiled, held against scikit-learn and written with the outcome."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.artifact import Origin, Parity, write
from forest.compile import compile_forest
from forest.compiled import CompiledEngine
from forest.estimator import SklearnEngine
from forest.parity import compare, threshold_rows

logger = logging.getLogger("canopy.forest")

_DRAWN_ROWS: Final = 3000
"""Rows that are drawn to hold a compiled forest against scikit-learn."""


def build(
    estimator: Any,  # noqa: ANN401 - sklearn is untyped
    path: Path,
    origin: Origin,
    *,
    order: NDArray[np.intp] | None = None,
    columns: Sequence[str] | None = None,
    examples: NDArray[np.float32] | None = None,
) -> Parity:
    """Compile a forest, compare it and write both, whatever comes of the comparison.

    Args:
        estimator: a fitted forest; changed in place, see ``SklearnEngine``.
        path: the file to write; replaced if there is one.
        origin: where the forest comes from.
        order: (n_features,) for each of the model's columns, where it stands in the rows; None if they agree.
        columns: the names of the columns as they stand in the rows.
        examples: (n, n_features) float32 rows to compare, besides those that are drawn.

    Returns:
        The outcome of the comparison. Only a file whose comparison has passed should be served.

    Raises:
        UnsupportedModel: the forest cannot be compiled.
        ImportError: the kernel was not built.
        OSError: the file cannot be written.
    """
    logger.info("compiling %d trees", len(estimator.estimators_))
    start = time.monotonic()
    arrays = compile_forest(estimator, order=order, columns=columns)
    engine = CompiledEngine(arrays)
    compiled = time.monotonic()
    rows = threshold_rows(estimator, _DRAWN_ROWS, order=order)
    if examples is not None:
        rows = np.vstack([examples, rows])
    logger.info("compiled in %.1f s; comparing with scikit-learn on %d rows", compiled - start, len(rows))
    parity = compare(engine, SklearnEngine(estimator, order), rows)
    logger.info("compared in %.1f s: %d rows differ", time.monotonic() - compiled, parity.different)
    write(path, arrays, origin, parity)
    return parity
