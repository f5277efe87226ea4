"""The categories of a HistGradientBoosting model: since 1.4 its ``_preprocessor`` makes codes of them before the trees.

That is a ``ColumnTransformer``, whose ``OrdinalEncoder`` takes the columns of categories, which it puts before the
others (``_preprocess_X`` of gradient_boosting.py). What was not among the categories becomes a missing value.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.files.stored import Unreadable, array
from forest.libraries.scikit_learn.attributes import Attributes, plain
from forest.libraries.scikit_learn.forests import minor

_CODES_SINCE: Final = (1, 4)
_MOST: Final = 255
"""Codes are numbers of 8 bits, one of which is for missing values."""

_LARGEST: Final = 2**53
"""Whole numbers that are larger may not be kept apart by float64."""


class FittedCategories(NamedTuple):
    """What a model knows of its columns.

    Attributes:
        order: (width,) int64, for each column as the trees count them the column of the model.
        counts: column of categories → how many it has.
        names: column → what they are called, () if they are numbers.
        codes: column whose categories are numbers → the numbers, ascending.
    """

    order: NDArray[np.int64]
    counts: dict[int, int]
    names: dict[int, tuple[str, ...]]
    codes: dict[int, NDArray[np.float64]]


def fitted_categories(model: Attributes, version: str, width: int) -> FittedCategories:
    """Read the categories of a HistGradientBoosting model.

    Args:
        model: the model.
        version: of scikit-learn.
        width: how many columns it takes.

    Raises:
        UnsupportedModel: they are damaged, or are not told by their numbers or names alone.
    """
    binned = Attributes(model.get("_bin_mapper"), ("_BinMapper",), "what sorts its values into bins")
    flags = binned.array("is_categorical_")
    if flags.shape != (width,) or flags.dtype.kind not in "bu":
        raise Unreadable("it is damaged: it does not say which columns are categories")
    if minor(version) < _CODES_SINCE:
        if flags.any():
            raise UnsupportedModel("before scikit-learn 1.4 a category above 255 was taken for another one")
        return FittedCategories(np.arange(width), {}, {}, {})
    if model.get("is_categorical_") is None:
        if flags.any() or model.get("_preprocessor") is not None:
            raise Unreadable("it is damaged: it has categories in columns of numbers")
        return FittedCategories(np.arange(width), {}, {}, {})
    chosen = model.array("is_categorical_")
    if chosen.shape != (width,) or chosen.dtype != np.bool_:
        raise Unreadable("it is damaged: it does not say which columns are categories")
    columns, others = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    if not np.array_equal(np.flatnonzero(flags), np.arange(len(columns))):
        raise Unreadable("it is damaged: its bins and its columns disagree on which are categories")
    fitted = FittedCategories(np.concatenate([columns, others]).astype(np.int64), {}, {}, {})
    bins = binned.items("bin_thresholds_")
    categories = _encoder(model, chosen, version).items("categories_")
    if len(categories) != len(columns) or len(bins) != width:
        raise Unreadable("it is damaged: it has not one list of categories a column")
    for place, (column, value) in enumerate(zip(columns.tolist(), categories, strict=True)):
        found = _categories(array(value))
        if not np.array_equal(array(bins[place]), np.arange(len(found))) or len(found) > _MOST:
            raise Unreadable("it is damaged: its bins and its categories disagree")
        fitted.counts[column] = len(found)
        if isinstance(found, tuple):
            fitted.names[column] = found
        else:
            fitted.names[column], fitted.codes[column] = (), found
    return fitted


def _encoder(model: Attributes, chosen: NDArray[np.bool_], version: str) -> Attributes:
    """What makes codes of the chosen columns, as ``_preprocess_X`` sets it up."""
    before = Attributes(model.get("_preprocessor"), ("ColumnTransformer",), "what prepares its columns")
    parts = [part for part in before.same_version(version).items("transformers_") if isinstance(part, list | tuple)]
    # The two have all columns, so the remainder, which is dropped, has none.
    if [part[0] for part in parts if len(part) == 3] not in (
        ["encoder", "numerical"],
        ["encoder", "numerical", "remainder"],
    ):
        raise UnsupportedModel("what prepares its columns is not scikit-learn's own")
    encoder = Attributes(parts[0][1], ("OrdinalEncoder",), "what makes codes of its categories").same_version(version)
    if not np.array_equal(array(parts[0][2]), chosen) or not np.array_equal(array(parts[1][2]), ~chosen):
        raise Unreadable("it is damaged: its parts disagree on which columns are categories")
    missing = (encoder.scalar("unknown_value"), encoder.scalar("encoded_missing_value"))
    if encoder.scalar("handle_unknown") != "use_encoded_value" or not all(
        isinstance(each, float) and math.isnan(each) for each in missing
    ):
        raise UnsupportedModel("what is no category does not count as missing")
    if encoder.get("min_frequency") is not None or encoder.get("max_categories") is not None:
        raise UnsupportedModel("several of its categories have one code")
    return encoder


def _categories(found: NDArray[Any]) -> NDArray[np.float64] | tuple[str, ...]:
    """The categories of a column, in the order of their codes: numbers or names, without the missing value."""
    if found.ndim != 1:
        raise Unreadable("it is damaged: its categories are no list")
    if found.dtype.kind in "biuf":
        numbers = found.astype(np.float64)
        if len(numbers) and np.isnan(numbers[-1]):
            numbers = numbers[:-1]
        # Numbers are looked up by value, so these must be told apart by float64 as they are by themselves.
        large = found.dtype.kind in "iu" and (np.abs(numbers) > _LARGEST).any()
        if large or not np.isfinite(numbers).all() or not (numbers[:-1] < numbers[1:]).all():
            raise UnsupportedModel("its categories are no numbers that float64 tells apart")
        return numbers
    names: list[Any] = [plain(each) for each in found.tolist()]
    if names and isinstance(names[-1], float) and math.isnan(names[-1]):
        del names[-1]
    if any(type(each) is not str for each in names) or len(set(names)) != len(names):
        raise UnsupportedModel("its categories are neither numbers nor names")
    return tuple(names)
