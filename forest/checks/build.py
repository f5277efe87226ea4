"""From a fitted forest to its artifact: compiled, held against its version's rule, and scikit-learn, and written."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.artifact import Origin, Parity, write
from forest.checks.parity import compare, threshold_rows
from forest.checks.reference import ReferenceEngine
from forest.compile import compile_forest
from forest.compiled import CompiledEngine
from forest.engine import Engine
from forest.estimator import SklearnEngine, fitted_forest
from forest.fitted import FittedForest

logger = logging.getLogger("canopy.forest")

_DRAWN_ROWS: Final = 3000
"""Rows that are drawn to hold a compiled forest against scikit-learn."""


def build(
    forest: Any,  # noqa: ANN401 - sklearn is untyped
    path: Path,
    origin: Origin,
    *,
    estimator: Callable[[], Any] | None = None,
    order: NDArray[np.intp] | None = None,
    columns: Sequence[str] | None = None,
    examples: NDArray[np.float32] | None = None,
) -> Parity:
    """Compile a forest, compare it and write both, whatever comes of the comparison.

    Args:
        forest: a fitted forest, see ``fitted_forest``; an estimator is changed in place, see ``SklearnEngine``.
        estimator: loads the estimator that the forest was read of, to compare with; None if its version of scikit-learn
            is not installed: then the rule of its version is what to compare with.
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
    fitted = fitted_forest(forest)
    logger.info("compiling %d trees of scikit-learn %s", len(fitted.trees), fitted.version)
    start = time.monotonic()
    arrays = compile_forest(fitted, order=order, columns=columns)
    engine = CompiledEngine(arrays)
    compiled = time.monotonic()
    rows = threshold_rows(fitted, _DRAWN_ROWS, order=order)
    if examples is not None:
        rows = np.vstack([examples, rows])
    itself = estimator if forest is fitted else lambda: forest
    whom = "scikit-learn" if itself is not None else f"the rule of scikit-learn {fitted.version}"
    logger.info("compiled in %.1f s; comparing with %s on %d rows", compiled - start, whom, len(rows))
    parity = compare(engine, reference(fitted, itself, order), rows)
    logger.info("compared in %.1f s: %d rows differ", time.monotonic() - compiled, parity.different)
    write(path, arrays, origin, parity, scikit_learn=fitted.version)
    return parity


def reference(
    forest: FittedForest, estimator: Callable[[], Any] | None, order: NDArray[np.intp] | None = None
) -> Engine:
    """What to hold a compiled forest against: scikit-learn itself, if it is of the forest's version, else its rule."""
    return ReferenceEngine(forest, order) if estimator is None else SklearnEngine(estimator(), order)
