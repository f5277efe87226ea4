"""Values of any format → validated rows; those of Canopy's own are read by ``preprocessing.rows`` from its bytes."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from preprocessing import faults
from preprocessing.block import Block, Rows
from preprocessing.errors import InvalidRow
from preprocessing.layout import BadLayout, Layout, Layouts
from preprocessing.rows import allowed, named_value, value_type
from preprocessing.schema import WHOLE_MAX, Field, Schema

Place: TypeAlias = Callable[[int | None, int | None], str]
"""(row, position in it as it was sent) → JSONPath of the value; None stands for all of them."""

_INDICATOR: Final = Field("", "boolean")
"""What a column for one name of a category is."""


class RowReader:
    """Reads rows whose values are Python objects or numbers in an array.

    Args:
        schema: the table that rows are of.
        max_rows: most rows of a request.
        layouts: tells fields from columns.
    """

    def __init__(self, schema: Schema, max_rows: int, layouts: Layouts) -> None:
        self.schema = schema
        self.max_rows = max_rows
        self._layouts = layouts
        self._codes = {number: field.codes for number, field in enumerate(schema.fields) if field.type == "category"}

    @cached_property
    def _columns(self) -> tuple[Field, ...]:
        """What each of the columns ``schema.expanded`` may have."""
        return tuple(
            chain.from_iterable(
                [_INDICATOR] * len(field.becomes) if field.is_one_hot else [field] for field in self.schema.fields
            )
        )

    @cached_property
    def _field_rows(self) -> Any:  # noqa: ANN401 - a type that is built at run time
        return _rows_type(map(named_value, self.schema.fields))

    @cached_property
    def _column_rows(self) -> Any:  # noqa: ANN401
        return _rows_type(map(value_type, self._columns))

    @cached_property
    def _field_bounds(self) -> "_Bounds":
        return _Bounds(self.schema.fields)

    @cached_property
    def _column_bounds(self) -> "_Bounds":
        return _Bounds(self._columns)

    def layout(self, names: Sequence[str] | None, width: int, place: Place) -> Layout:
        """What stands where in rows.

        Args:
            names: of the values of a row; None if they have none.
            width: how many values a row has.
            place: where they stand in the body.

        Raises:
            InvalidRow: they are neither the table's fields nor the model's columns.
        """
        try:
            return self._layouts.of_width(width) if names is None else self._layouts.of_names(tuple(names))
        except BadLayout as error:
            if error.name is not None and names is not None:
                position = len(names) - 1 - names[::-1].index(error.name)
                raise InvalidRow(place(None, position), f"{faults.shortened(error.name)!r} {error}") from None
            raise InvalidRow(place(None, None), str(error)) from None

    def has_columns(self, names: Sequence[str] | None, width: int) -> bool:
        """Whether rows with these names, or of that width, have the model's own columns and not the fields."""
        try:
            found = self._layouts.of_width(width) if names is None else self._layouts.of_names(tuple(names))
        except BadLayout:
            return False
        return found.expanded

    def knows(self, names: Sequence[str]) -> bool:
        """Whether these are the names of the table's fields, or of the model's columns."""
        return self._layouts.knows(tuple(names))

    def check_count(self, rows: int, place: Place) -> None:
        """See to it that a request has a row, and not too many.

        Raises:
            InvalidRow: it does not.
        """
        if rows < 1:
            raise InvalidRow(place(None, None), "has no row: a request carries at least one")
        if rows > self.max_rows:
            raise InvalidRow(
                place(None, None), f"has {rows} rows, more than the {self.max_rows} that one request may carry"
            )

    def rows(self, names: Sequence[str] | None, values: Sequence[Sequence[Any]], place: Place) -> Rows:
        """Read rows of Python objects, as JSON or CSV has them.

        Args:
            names: of the values of a row, in their order; None if they have none.
            values: a list or tuple of values for each row, all of the same length; None is a missing value.
            place: where a value stands in the body.

        Raises:
            InvalidRow: they break the schema.
        """
        self.check_count(len(values), place)
        layout = self.layout(names, len(values[0]), place)
        if layout.order is not None:
            pick = itemgetter(*layout.order)
            values = list(map(pick, values)) if len(layout.order) > 1 else values
        try:
            kind = self._column_rows if layout.expanded else self._field_rows
            rows: list[Any] = msgspec.convert((values,), kind).rows
        except msgspec.ValidationError as error:
            raise self._explain(error, layout, place) from None
        if layout.expanded:
            return Block(np.array(rows, dtype=np.float64), expanded=True)
        for number, codes in self._codes.items():
            for index, row in enumerate(rows):
                if isinstance(row[number], str):
                    rows[index] = (*row[:number], codes[row[number]], *row[number + 1 :])
        return rows

    def columns(self, names: Sequence[str], values: Sequence[NDArray[Any]], place: Place) -> Block:
        """Read columns of numbers.

        Args:
            names: of the columns.
            values: (n,) each, of integer, floating or boolean dtypes; NaN is a missing value.
            place: where a value stands in the body.

        Raises:
            InvalidRow: they break the schema.
        """
        for position, column in enumerate(values):
            self.check_column(names, position, column, place)
        return self.array(names, np.stack(values, axis=1, dtype=_common(values)), place)

    def check_column(self, names: Sequence[str], position: int, column: NDArray[Any], place: Place) -> None:
        """See to it that a column's numbers are what its field has, before they become numbers of another type.

        Args:
            names: of all columns.
            position: of the column among them.
            column: (n,) of an integer, floating or boolean dtype.
            place: where a value stands in the body.

        Raises:
            InvalidRow: they are booleans and the field is none, or whole numbers that no float64 is.
        """

        def at(row: int | None, _: int | None) -> str:
            return place(row, position)

        if column.dtype.kind == "b":
            expanded, order = self.layout(names, len(names), place)
            own = position if order is None else order.index(position)
            _check_boolean([(self._columns if expanded else self.schema.fields)[own]], None, at)
        self._check_exact(column[:, np.newaxis], at)

    def array(self, names: Sequence[str] | None, values: NDArray[Any], place: Place) -> Block:
        """Read rows of numbers.

        Args:
            names: of the columns of the array; None if they have none.
            values: (n, width) of an integer, floating or boolean dtype; NaN is a missing value.
            place: where a value stands in the body.

        Raises:
            InvalidRow: they break the schema.
        """
        self.check_count(len(values), place)
        self._check_exact(values, place)
        layout = self.layout(names, values.shape[1], place)
        if values.dtype.kind == "b":
            _check_boolean(self._columns if layout.expanded else self.schema.fields, layout.order, place)
        if layout.order is not None:
            values = values[:, layout.order]
        bounds = self._column_bounds if layout.expanded else self._field_bounds
        if (bad := bounds.first_misfit(values)) is not None:
            row, position = bad
            reason = self._reason(values[row, position].item(), position, expanded=layout.expanded)
            raise InvalidRow(place(row, position if layout.order is None else layout.order[position]), reason)
        return Block(values, expanded=layout.expanded)

    def _check_exact(self, values: NDArray[Any], place: Place) -> None:
        """See to it that whole numbers are not rounded without a word."""
        if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
            far = (values > WHOLE_MAX) | (values < -WHOLE_MAX)
            if far.any():
                row, position = map(int, np.argwhere(far)[0])
                raise InvalidRow(
                    place(row, position), f"is {values[row, position]}, and whole numbers are exact below 2**53 only"
                )

    def _reason(self, value: Any, position: int, *, expanded: bool) -> str:  # noqa: ANN401 - any number
        """Why a number is none of a field's or column's."""
        field = (self._columns if expanded else self.schema.fields)[position]
        name = (self.schema.expanded if expanded else self.schema.names)[position]
        if value != value:
            return f"is missing (NaN), and {name} must have a value"
        try:
            msgspec.convert(value, value_type(field))
        except msgspec.ValidationError as error:
            return f"{faults.split(error)[1]} ({name}{allowed(field, named=False)})"
        return f"is no value of {name}"

    def _explain(self, error: msgspec.ValidationError, layout: Layout, place: Place) -> InvalidRow:
        """Say what is wrong with a value, and where it stood."""
        path, reason = faults.split(error)
        row, position = _indices(path)
        if position is None:
            return InvalidRow(place(row, None), reason)
        field = (self._columns if layout.expanded else self.schema.fields)[position]
        name = (self.schema.expanded if layout.expanded else self.schema.names)[position]
        reason += f" ({name}{allowed(field, named=not layout.expanded)})"
        return InvalidRow(place(row, position if layout.order is None else layout.order[position]), reason)


def _check_boolean(fields: Sequence[Field], order: Sequence[int] | None, place: Place) -> None:
    """See to it that fields take booleans.

    Args:
        fields: the fields.
        order: where each stands in what was sent; None if in order.
        place: where a value stands in the body.

    Raises:
        InvalidRow: one does not.
    """
    for position, field in enumerate(fields):
        if field.type != "boolean":
            raise InvalidRow(
                place(0, position if order is None else order[position]),
                f"is a boolean, and {field.name} a {field.type}",
            )


def _rows_type(values: Iterable[Any]) -> type[msgspec.Struct]:
    """What rows are converted to: a struct, for msgspec looks at any other type anew each time."""
    rows: Any = list[tuple[tuple(values)]]  # type: ignore[misc]
    return msgspec.defstruct("Rows", [("rows", rows)], array_like=True, gc=False)


def _indices(path: str) -> tuple[int | None, int | None]:
    """Row and position of msgspec's ``$[0][3][5]``."""
    row, _, position = path.removeprefix("$[0]").removeprefix("[").removesuffix("]").partition("][")
    return int(row) if row else None, int(position) if position else None


class _Bounds:
    """What numbers each of some fields may have, to be looked up for all rows at once.

    Args:
        fields: the fields, or what stands for columns.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        limits = [field.limits for field in fields]
        self._least = np.array([least for least, _ in limits])
        self._greatest = np.array([greatest for _, greatest in limits])
        self._whole = np.flatnonzero([field.type != "number" for field in fields])
        self._missing = np.array([field.missing for field in fields])

    def first_misfit(self, values: NDArray[Any]) -> tuple[int, int] | None:
        """Row and column of the first value that does not fit; None if all do."""
        good = (values >= self._least) & (values <= self._greatest)  # NaN is neither
        if values.dtype.kind == "f":
            if len(self._whole):
                whole = values[:, self._whole]
                good[:, self._whole] &= whole == np.floor(whole)
            if self._missing.any():
                good |= np.isnan(values) & self._missing
        if good.all():
            return None
        row, position = np.argwhere(~good)[0]
        return int(row), int(position)


def _common(columns: Sequence[NDArray[Any]]) -> type[np.float64] | np.dtype[Any]:
    """The type of all columns, or the one that has the numbers of each."""
    first = columns[0].dtype
    return first if all(column.dtype == first for column in columns) else np.float64
