"""What the steps of a scikit-learn pipeline make of columns, as ``forest.libraries.pipelines.columns`` has them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.files.stored import Unreadable, array, dtype, what
from forest.libraries.pipelines.columns import Column
from forest.libraries.pipelines.encoders import ENCODERS
from forest.libraries.pipelines.scalers import SCALERS
from forest.libraries.scikit_learn.attributes import Attributes, plain

_MOST_WORK: Final = 1 << 18
"""Columns that all steps together may be given or make: a file may have one step in itself a million times."""


@dataclass(frozen=True, slots=True)
class Table:
    """What one step gives to the next.

    Attributes:
        columns: its columns.
        is_sparse: whether scikit-learn has them as a sparse matrix.
    """

    columns: list[Column]
    is_sparse: bool = False


class Transformers:
    """Follows columns through the steps of one pipeline.

    Args:
        version: of scikit-learn, which made all steps.
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._work = 0

    def transform(self, value: Any, table: Table) -> Table:  # noqa: ANN401 - an estimator, or what a file says of one
        """What a fitted step makes of columns.

        Args:
            value: the step, a class of ``TRANSFORMERS``; or ``"passthrough"``.
            table: what it is given.

        Raises:
            UnsupportedModel: it is another step, or one that does something else; the message says why.
        """
        self._work += 1 + len(table.columns)
        if self._work > _MOST_WORK:
            raise UnsupportedModel(f"its steps make more than {_MOST_WORK} columns")
        if is_passed_through(value):
            return table
        step = Attributes(value, tuple(TRANSFORMERS), "a step of the pipeline").same_version(self._version)
        if step.kind in _COUNTED and step.whole("n_features_in_") != len(table.columns):
            raise Unreadable(f"the {step.kind} is not fitted on as many columns as it is given")
        made = TRANSFORMERS[step.kind](self, step, table)
        self._work += len(made.columns)
        return made

    def column_transformer(self, step: Attributes, table: Table) -> Table:
        """What a ColumnTransformer makes of columns: its parts, side by side."""
        if step.get("transformer_weights") is not None:
            raise UnsupportedModel("the ColumnTransformer weighs its parts")
        if table.is_sparse:
            raise UnsupportedModel("the ColumnTransformer is given a sparse matrix")
        places = step.get("_transformer_to_input_indices")
        if not isinstance(places, dict):
            raise Unreadable("the ColumnTransformer is not fitted")
        made: list[Column] = []
        parts = step.items("transformers_")
        if any(not isinstance(part, list | tuple) or len(part) != 3 for part in parts):
            raise Unreadable("the ColumnTransformer has a part that is none")
        if len({plain(part[0]) for part in parts}) < len(parts):
            raise UnsupportedModel("two parts of the ColumnTransformer have one name")
        for part in parts:
            name, transformer, given = plain(part[0]), part[1], part[2]
            if transformer is None or (isinstance(transformer, str) and transformer == "drop"):
                continue
            chosen = _places(places.get(name), len(table.columns))
            if not chosen:
                continue
            if isinstance(given, str | int):
                raise UnsupportedModel("the ColumnTransformer gives one of its parts a column that is no table")
            made += self.transform(transformer, Table([table.columns[place] for place in chosen])).columns
        return Table(made, is_sparse=_is_true(step, "sparse_output_"))

    def pipeline(self, step: Attributes, table: Table) -> Table:
        """What the steps of a Pipeline within make of columns."""
        for each in steps_of(step):
            table = self.transform(each, table)
        return table

    def scaler(self, step: Attributes, table: Table) -> Table:
        """What one of ``SCALERS`` makes of columns."""
        if table.is_sparse:
            raise UnsupportedModel(f"the {step.kind} is given a sparse matrix")
        columns = table.columns
        for operations in SCALERS[step.kind](step, len(columns)):
            columns = [column.after(operation) for column, operation in zip(columns, operations, strict=True)]
        return Table(columns)

    def encoder(self, step: Attributes, table: Table) -> Table:
        """What one of ``ENCODERS`` makes of columns."""
        if table.is_sparse:
            raise UnsupportedModel(f"the {step.kind} is given a sparse matrix")
        columns = ENCODERS[step.kind](step, table.columns)
        # Of OrdinalEncoder there is no sparse output.
        return Table(columns, is_sparse=step.kind == "OneHotEncoder" and _is_true(step, "sparse_output"))

    def imputer(self, step: Attributes, table: Table) -> Table:
        """What a SimpleImputer makes of columns."""
        if table.is_sparse:
            raise UnsupportedModel("the SimpleImputer is given a sparse matrix")
        missing = step.scalar("missing_values")
        if not isinstance(missing, float) or not math.isnan(missing):
            raise UnsupportedModel("the SimpleImputer takes something else than NaN for a missing value")
        keeps_empty = _is_true(step, "keep_empty_features")
        made = []
        for column, value in zip(table.columns, _statistics(step, len(table.columns)), strict=True):
            is_empty = isinstance(value, float) and math.isnan(value)
            # A column that had no value is left out, or is kept as it is.
            if not is_empty:
                made.append(column.filled(value))
            elif keeps_empty:
                made.append(column)
        if _is_true(step, "add_indicator"):
            made += self._indicators(step, table.columns)
        return Table(made)

    def _indicators(self, step: Attributes, columns: list[Column]) -> list[Column]:
        """A column for each that had missing values when the imputer was fitted."""
        kinds = ("MissingIndicator",)
        indicator = Attributes(step.get("indicator_"), kinds, "the imputer's indicator").same_version(self._version)
        if indicator.scalar("features") != "missing-only":
            raise UnsupportedModel("the SimpleImputer indicates other columns than those that had missing values")
        return [columns[place].indicator() for place in _places(array(indicator.get("features_")), len(columns))]

    def function(self, step: Attributes, table: Table) -> Table:
        """What a FunctionTransformer makes of columns: nothing else."""
        if step.get("func") is not None:
            raise UnsupportedModel("a step of the pipeline is a function of somebody's own")
        # It refuses missing values and names, whatever the steps behind it make of them.
        if _is_true(step, "validate"):
            raise UnsupportedModel(
                "a FunctionTransformer of the pipeline checks what it is given: leave validate=True away"
            )
        return table


TRANSFORMERS: Final[dict[str, Callable[[Transformers, Attributes, Table], Table]]] = {
    "ColumnTransformer": Transformers.column_transformer,
    "Pipeline": Transformers.pipeline,
    **dict.fromkeys(SCALERS, Transformers.scaler),
    **dict.fromkeys(ENCODERS, Transformers.encoder),
    "SimpleImputer": Transformers.imputer,
    "FunctionTransformer": Transformers.function,
}
"""The steps that are known, by their class."""

_COUNTED: Final = frozenset({"ColumnTransformer", "SimpleImputer", *SCALERS, *ENCODERS})
"""Those that know how many columns they take."""


def is_passed_through(value: Any) -> bool:  # noqa: ANN401
    """Whether a step is none."""
    return value is None or (isinstance(value, str) and value == "passthrough")


def steps_of(pipeline: Attributes) -> list[Any]:
    """The estimators of a Pipeline, in order.

    Raises:
        Unreadable: they are none.
    """
    steps = pipeline.items("steps")
    if not steps or any(not isinstance(each, list | tuple) or len(each) != 2 for each in steps):
        raise Unreadable("the Pipeline has no steps, or one that is none")
    return [each[1] for each in steps]


def _is_true(step: Attributes, name: str) -> bool:
    found = step.scalar(name)
    if type(found) is not bool:
        raise Unreadable(f"{name} of the {step.kind} is neither true nor false")
    return found


def _places(value: Any, width: int) -> list[int]:  # noqa: ANN401
    """Which columns are chosen, by their places."""
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iu":
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise Unreadable(f"it has {what(value)} where the places of columns should be")
    found = [plain(each) for each in value]
    if any(type(each) is not int or not 0 <= each < width for each in found):
        raise Unreadable("a part of the pipeline is given a column that there is not")
    return found


def _statistics(imputer: Attributes, width: int) -> list[float | str]:
    """What an imputer puts in place of missing values: (width,), NaN where a column had no value.

    ``transform`` of sklearn/impute/_base.py takes them in the type that the columns had when it was fitted.
    """
    found = imputer.array("statistics_")
    if found.shape != (width,):
        raise Unreadable("the SimpleImputer has not a value for each of its columns")
    type_ = dtype(imputer.get("_fit_dtype"))
    values: list[Any] = [_statistic(each) for each in found.tolist()]
    if type_.kind not in "iufO":
        raise Unreadable("the SimpleImputer was fitted on neither numbers nor names")
    numbers: NDArray[np.float64] = np.array([each for each in values if type(each) is float and not math.isnan(each)])
    if len(numbers) and type_.kind != "O":
        with np.errstate(over="ignore", invalid="ignore"):
            kept = numbers.astype(type_).astype(np.float64)
        if not np.array_equal(kept, numbers):
            raise UnsupportedModel(
                "the SimpleImputer was fitted on columns of another type than float64, which cannot hold its value"
            )
    if not np.isfinite(numbers).all():
        raise Unreadable("the SimpleImputer puts in a number that is not finite")
    return values


def _statistic(value: Any) -> float | str:  # noqa: ANN401
    found = plain(value)
    return found if isinstance(found, str) else float(found)
