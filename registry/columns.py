"""A model's columns held against the schema."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from preprocessing import schema
from registry.errors import SchemaMismatch


def column_order(names: Sequence[str] | None, width: int | None = None) -> NDArray[np.intp] | None:
    """Find the schema's column for each column of a model.

    Args:
        names: the model's column names, in the model's order: those of the schema in any order, or UCI's own, or
            those of ``fetch_covtype``. None if the model was fitted without names: then it must take the columns as
            the schema has them.
        width: how many columns the model takes, if it tells.

    Returns:
        (54,) indices into ``schema.COLUMNS``, or None if the order is the schema's own.

    Raises:
        SchemaMismatch: the columns are others; the message has both lists, what is unknown and what is missing.
    """
    if names is None:
        if width not in (None, len(schema.COLUMNS)):
            raise SchemaMismatch(f"the model takes {width} unnamed columns, the schema has {len(schema.COLUMNS)}")
        return None
    index = {name: position for position, name in enumerate(schema.COLUMNS)}
    order = [index.get(schema.UCI_ALIASES.get(name, name)) for name in names]
    if (
        sorted(position for position in order if position is not None) != list(range(len(schema.COLUMNS)))
        or None in order
    ):
        unknown = [name for name, position in zip(names, order, strict=True) if position is None]
        missing = [name for name, position in index.items() if position not in order]
        repeated = [
            name
            for name, position in zip(names, order, strict=True)
            if position is not None and order.count(position) > 1
        ]
        raise SchemaMismatch(
            f"the model's columns are not the schema's: unknown {unknown}, missing {missing}"
            + (f", given twice {repeated}" if repeated else "")
        )
    found = np.array(order, dtype=np.intp)
    return None if (found == np.arange(len(found))).all() else found
