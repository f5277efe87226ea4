"""How the categories of columns are called, which XGBoost keeps since version 3.1 (``src/data/cat_container.cc``)."""

from itertools import pairwise
from typing import Final

import numpy as np

from forest.engine import UnsupportedModel
from forest.files.stored import Unreadable
from forest.libraries.xgboost.document import Document

_CATEGORICAL: Final = "c"
"""In ``feature_types``."""

_ASCII: Final = 127


def category_names(learner: Document, model: Document, width: int) -> dict[int, tuple[str, ...]]:
    """The columns of categories, and how those are called in the order of their codes; () if it is not known.

    Args:
        learner: the part that has ``feature_types``.
        model: the part that may have ``cats``.
        width: how many columns there are.

    Raises:
        Unreadable: they do not fit each other.
        UnsupportedModel: categories are numbers.
    """
    types = learner.texts("feature_types")
    if len(types) not in (0, width):
        raise Unreadable(f"it has types for {len(types)} of {width} columns")
    kept = list(model.part("cats").parts("enc")) if "cats" in model else []
    if len(kept) not in (0, width):
        raise Unreadable(f"it has categories for {len(kept)} of {width} columns")
    return {column: _names(kept[column]) if kept else () for column, type_ in enumerate(types) if type_ == _CATEGORICAL}


def _names(stored: Document) -> tuple[str, ...]:
    if "offsets" not in stored:
        if len(stored.integers("values")):
            # 5 may then be the sixth category, or the one that is called 5.
            raise UnsupportedModel("it was trained on pandas' categories that are numbers, not names")
        return ()
    offsets = stored.integers("offsets").tolist()
    values = stored.integers("values")
    # XGBoost counts letters where it should count bytes: of names beyond ASCII, it keeps parts (python-package/xgboost/
    # _data_utils.py, 3.1 and 3.2). Then the codes are all that is known.
    if (values < 0).any() or (values > _ASCII).any():
        return ()
    if offsets and (offsets[0] != 0 or offsets[-1] != len(values) or sorted(offsets) != offsets):
        raise Unreadable("the names of its categories are damaged")
    text = values.astype(np.uint8).tobytes().decode("ascii")
    return tuple(text[start:end] for start, end in pairwise(offsets))
