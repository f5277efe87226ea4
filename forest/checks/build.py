"""From a fitted model to its artifact: compiled, held against its library, or that one's rule, and written."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from forest.artifact import MadeBy, Origin, Parity, write
from forest.checks.library import library_engine
from forest.checks.parity import compare, threshold_rows
from forest.checks.reference import ReferenceEngine
from forest.compile import compile_forest
from forest.compiled import CompiledEngine
from forest.engine import Engine, UnsupportedModel
from forest.ensemble import Ensemble
from forest.libraries.scikit_learn.estimator import ensemble_of

logger = logging.getLogger("canopy.forest")

_DRAWN_ROWS: Final = 3000
"""Rows that are drawn to hold a compiled model against its library."""


def build(
    forest: Any,  # noqa: ANN401 - sklearn is untyped
    path: Path,
    origin: Origin,
    *,
    estimator: Callable[[], Any] | None = None,
    order: NDArray[np.intp] | None = None,
    columns: Sequence[str] | None = None,
    examples: NDArray[Any] | None = None,
) -> Parity:
    """Compile a forest, compare it and write both, whatever comes of the comparison.

    Args:
        forest: a fitted forest, see ``ensemble_of``; an estimator is changed in place, see ``SklearnEngine``.
        estimator: loads the estimator that the forest was read of, to compare with; None if its version of scikit-learn
            is not installed: then the rule of its version is what to compare with.
        path: the file to write; replaced if there is one.
        origin: where the forest comes from.
        order: (n_features,) for each of the model's columns, where it stands in the rows; None if they agree.
        columns: the names of the columns as they stand in the rows.
        examples: (n, n_features) rows to compare, besides those that are drawn.

    Returns:
        The outcome of the comparison. Only a file whose comparison has passed should be served.

    Raises:
        UnsupportedModel: the forest cannot be compiled, or one of the two fails on rows that both should answer.
        ImportError: the kernel was not built.
        OSError: the file cannot be written.
    """
    fitted = ensemble_of(forest)
    logger.info("compiling %d trees of %s", len(fitted.trees), fitted.made_by)
    start = time.monotonic()
    arrays = compile_forest(fitted, order=order, columns=columns)
    engine = CompiledEngine(arrays)
    compiled = time.monotonic()
    rows = threshold_rows(fitted, _DRAWN_ROWS, order=order)
    if examples is not None:
        rows = np.vstack([examples.astype(rows.dtype), rows])
    itself = estimator if forest is fitted else lambda: forest
    whom = fitted.library if itself is not None else f"the rule of {fitted.made_by}"
    logger.info("compiled in %.1f s; comparing with %s on %d rows", compiled - start, whom, len(rows))
    against: Literal["library", "rule"] = "rule" if itself is None else "library"
    asked = reference(fitted, itself, order)
    try:
        parity = compare(engine, asked, rows, against=against)
    except (MemoryError, UnsupportedModel):
        raise
    except Exception as error:  # of whatever code a library has
        raise UnsupportedModel(
            f"asked for rows that were drawn for the comparison, {whom} or the compiled model fails: "
            f"{type(error).__name__}: {error}"
        ) from error
    logger.info("compared in %.1f s: %d rows differ", time.monotonic() - compiled, parity.different)
    write(path, arrays, origin, parity, MadeBy(fitted.library, fitted.version, fitted.kind))
    return parity


def reference(ensemble: Ensemble, model: Callable[[], Any] | None, order: NDArray[np.intp] | None = None) -> Engine:
    """What to hold a compiled ensemble against: its library, if that is installed, else the rule of its version."""
    return ReferenceEngine(ensemble, order) if model is None else library_engine(model(), ensemble, order)
