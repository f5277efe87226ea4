"""A signature's types: MLflow hands a model values that are rounded to them, and so has what is compiled of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from forest import Ensemble, UnsupportedModel

REMEDY: Final = "log it with a signature of float64 columns (double)"
"""What to do, for messages."""


def less_than(dtype: type[np.floating], types: Sequence[np.dtype[Any]]) -> bool:
    """Whether some of a signature's columns are of floats that tell less apart.

    Args:
        dtype: float32 or float64.
        types: of the signature's columns.
    """
    return any(type_.kind == "f" and type_.itemsize < np.dtype(dtype).itemsize for type_ in types)


def rounded(ensemble: Ensemble, types: Sequence[np.dtype[Any]]) -> Ensemble:
    """A model's ensemble over values that are rounded to the types of a signature first.

    Args:
        ensemble: the model's.
        types: of the signature's columns.

    Raises:
        UnsupportedModel: there is no such ensemble.
    """
    if less_than(np.float32, types):
        raise UnsupportedModel(f"its signature has columns of float16: {REMEDY}")
    if not less_than(np.float64, types):
        return ensemble
    if ensemble.computed:
        raise UnsupportedModel(f"its signature has columns of float32, in which the pipeline's steps compute: {REMEDY}")
    if ensemble.dtype is np.float32:
        return ensemble
    if len(set(types)) > 1:
        raise UnsupportedModel(f"of the columns in its signature some are of float32, others are not: {REMEDY}")
    if any((codes != codes.astype(np.float32)).any() for codes in ensemble.codes.values()):
        raise UnsupportedModel(f"its signature has columns of float32, which its categories are not: {REMEDY}")
    return replace(ensemble, dtype=np.float32)
