"""The columns of CatBoost's models, and the borders of their values.

Their fields are those of ``catboost/libs/model/flatbuffers/features.fbs`` in https://github.com/catboost/catboost.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.ensemble import Missing
from forest.files.stored import Unreadable
from forest.libraries.catboost.buffer import Table

_HAS_NANS, _INDEX, _FLAT_INDEX, _BORDERS, _NAME, _NAN_TREATMENT = range(6)

_AS_TRUE: Final = 2
"""A missing value counts as infinity; else it is above no border (``TFloatFeature::ENanValueTreatment``)."""

_TREATMENTS: Final = range(3)

_A_BUCKET: Final = 254
"""Borders that are counted in one byte (``MAX_VALUES_PER_BIN`` of ``catboost/libs/model/model.h``)."""

_MOST_BUCKETS: Final = 0xFFFF


class Splits(NamedTuple):
    """All splits that trees may name by their number, column by column.

    Attributes:
        column: (n,) int64.
        border: (n,) float64, what is above it goes right.
        missing: (n,) uint8, a ``Missing`` for each.
        bucket: (n,) int64, where values are counted against it, and
        place: (n,) int64, which of the borders there it is, from 1 on.
    """

    column: NDArray[np.int64]
    border: NDArray[np.float64]
    missing: NDArray[np.uint8]
    bucket: NDArray[np.int64]
    place: NDArray[np.int64]

    def of_nodes(
        self, split: NDArray[np.int64], inner: NDArray[np.bool_], more: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
        """Column, border and ``Missing`` of each node of a tree.

        Args:
            split: (n,) the number of its split.
            inner: (n,) whether it has one.
            more: how many leaves stand behind them.
        """
        column = np.full(len(split) + more, -1, dtype=np.int64)
        border = np.zeros(len(split) + more)
        missing = np.zeros(len(split) + more, dtype=np.uint8)
        at = np.flatnonzero(inner)
        column[at], border[at], missing[at] = (each[split[at]] for each in (self.column, self.border, self.missing))
        return column, border, missing


def read_columns(features: list[Table]) -> tuple[Splits, int, tuple[str, ...] | None]:
    """Read the columns, all of which are numbers.

    Args:
        features: the tables ``TFloatFeature``.

    Returns:
        The splits, how many columns there are, and their names; None if it was fitted without.

    Raises:
        Unreadable: they are damaged.
    """
    splits: list[Splits] = []
    names: list[str] = []
    buckets = 0
    for place, feature in enumerate(features):
        if not place == feature.number(_INDEX, "i", -1) == feature.number(_FLAT_INDEX, "i", -1):
            raise Unreadable(
                "its columns are not all there, as after drop_unused_features: log the model with all of its columns"
            )
        names.append(feature.text(_NAME))
        splits.append(_splits(feature, place, buckets))
        buckets += -(-len(splits[-1].border) // _A_BUCKET)
    if buckets > _MOST_BUCKETS:
        raise Unreadable(f"its values have more borders than CatBoost counts: {buckets} times {_A_BUCKET}")
    if not splits:
        raise Unreadable("it has no column of numbers")
    unnamed = all(name in ("", str(place)) for place, name in enumerate(names))
    shown = None if unnamed else tuple(name or str(place) for place, name in enumerate(names))
    return Splits(*map(np.concatenate, zip(*splits, strict=True))), len(features), shown


def _splits(feature: Table, column: int, bucket: int) -> Splits:
    borders = feature.array(_BORDERS, "<f4").astype(np.float64)
    if not (borders[:-1] < borders[1:]).all() or np.isnan(borders).any():
        raise Unreadable(f"it is damaged: the borders of column {column} are not ascending")
    treatment = feature.number(_NAN_TREATMENT, "b", 0)
    if treatment not in _TREATMENTS:
        raise Unreadable(f"what column {column} takes missing values for is not known")
    places = np.arange(len(borders), dtype=np.int64)
    as_true = treatment == _AS_TRUE and feature.number(_HAS_NANS, "?", default=False)
    # Infinity is above each border but itself.
    missing = np.where(as_true & (borders < np.inf), Missing.RIGHT, Missing.LEFT).astype(np.uint8)
    return Splits(
        np.full(len(borders), column, dtype=np.int64),
        borders,
        missing,
        bucket + places // _A_BUCKET,
        places % _A_BUCKET + 1,
    )
