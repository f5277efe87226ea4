"""Matrices of numbers and codes → the tables that a scikit-learn pipeline is given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.ensemble import Ensemble


class Frames:
    """Makes tables for one pipeline.

    Args:
        ensemble: the pipeline's.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self._columns = ensemble.columns
        self._names: dict[int, NDArray[Any]] = {}
        for column, names in ensemble.categorical.items():
            if names:
                # Behind the names one that is none, and a missing one.
                known = np.array([*names, _none_of(names), np.nan], dtype=object)
                self._names[column] = known

    def of(self, matrix: NDArray[Any]) -> Any:  # noqa: ANN401 - a DataFrame, or the matrix
        """A table of a matrix's rows.

        Args:
            matrix: (n, width) float64, in the model's order of columns; of named categories the codes.

        Returns:
            A DataFrame whose columns of numbers are of float64, those of names of objects; the matrix itself if the
            pipeline was fitted on columns without names.
        """
        if self._columns is None:
            return matrix
        import pandas as pd  # there is no need of it but here, where scikit-learn itself is asked

        return pd.DataFrame(
            {name: self._column(place, matrix[:, place]) for place, name in enumerate(self._columns)}, copy=False
        )

    def _column(self, place: int, values: NDArray[Any]) -> Any:  # noqa: ANN401
        if (names := self._names.get(place)) is None:
            return values
        import pandas as pd

        count = len(names) - 2
        known = (values >= 0) & (values < count) & (values == np.trunc(values))
        codes = np.where(np.isnan(values), count + 1, np.where(known, values, count)).astype(np.int64)
        return pd.Series(names[codes], dtype=object)


def _none_of(names: tuple[str, ...]) -> str:
    """A name that is not among some."""
    return max(names, default="", key=len) + "?"
