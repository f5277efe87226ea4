"""What stands where in the rows of a client: the fields of a table, or the columns that a model takes of them."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from preprocessing.schema import Schema

_KEPT: Final = 64
"""Sequences of names that are remembered: a client sends the same ones with each request."""


class BadLayout(ValueError):
    """Rows have neither the fields of the table nor the model's columns.

    Attributes:
        name: the name at fault, if it was given and is the only one.
    """

    def __init__(self, reason: str, name: str | None = None) -> None:
        super().__init__(reason)
        self.name = name


class Layout(NamedTuple):
    """Where each value of a row is to be taken from.

    Attributes:
        expanded: whether the values are the columns ``schema.expanded``, instead of the fields.
        order: for each of these, where it stands in what was sent; None if they stand in order.
    """

    expanded: bool
    order: tuple[int, ...] | None = None


class Layouts:
    """Tells fields from columns: by their names, else by how many there are.

    Args:
        schema: the table.
        order: for each of the model's columns, where it stands in ``schema.expanded``; None if they agree.
        aliases: what else columns may be called → their names in ``schema.expanded``.
    """

    def __init__(
        self, schema: Schema, order: Sequence[int] | None = None, aliases: Mapping[str, str] | None = None
    ) -> None:
        self._fields = schema.names
        self._columns = schema.expanded
        self._column_of = {name: position for position, name in enumerate(self._columns)}
        self._column_of |= {alias: self._column_of[name] for alias, name in (aliases or {}).items()}
        self._field_of = {name: position for position, name in enumerate(self._fields)}
        # A model's own columns are sent in its own order.
        self._by_position = None if order is None else _inverse(order)
        # Whether a field's name stands for its own column, where both have it.
        self._alike = all(field.becomes == (field.name,) for field in schema.fields if field.name in self._column_of)
        self._one_each = not any(field.is_one_hot for field in schema.fields)
        self._known: dict[tuple[str, ...], Layout] = {}

    def of_width(self, width: int) -> Layout:
        """What rows of so many values have.

        Raises:
            BadLayout: the table has neither so many fields nor so many columns, or it cannot be told which they are.
        """
        fields, columns = len(self._fields), len(self._columns)
        if width == fields:
            if fields == columns and not (self._by_position is None and self._one_each):
                raise BadLayout(
                    f"{width} values may be the fields or the model's columns, which are others: send names"
                )
            return Layout(expanded=False)
        if width == columns:
            return Layout(expanded=True, order=self._by_position)
        wanted = (
            f"the {fields} fields" if fields == columns else f"the {fields} fields or the model's {columns} columns"
        )
        raise BadLayout(f"has {width} values a row, and not {wanted}")

    def of_names(self, names: tuple[str, ...]) -> Layout:
        """What rows with these names have.

        Raises:
            BadLayout: a name is unknown, missing or there twice, or some are fields and others columns.
        """
        layout = self._known.get(names)
        if layout is None:
            layout = self._find(names)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[names] = layout
        return layout

    def knows(self, names: tuple[str, ...]) -> bool:
        """Whether these are the names of the fields, or of the columns."""
        try:
            self.of_names(names)
        except BadLayout:
            return False
        return True

    def _find(self, names: tuple[str, ...]) -> Layout:
        if not self._alike and set(names) == set(self._fields) == set(self._columns):
            raise BadLayout("these names are those of the fields and, of others among them, of the model's columns")
        for expanded, index, size in (
            (False, self._field_of, len(self._fields)),
            (True, self._column_of, len(self._columns)),
        ):
            places = [index.get(name) for name in names]
            if len(names) == size and None not in places and len(set(places)) == size:
                return Layout(expanded, _inverse([place for place in places if place is not None]))
        raise self._misfit(names)

    def _misfit(self, names: tuple[str, ...]) -> BadLayout:
        """What is wrong with names that are neither all the fields nor all the columns."""
        fields = [name for name in names if name in self._field_of and name not in self._column_of]
        columns = [name for name in names if name in self._column_of and name not in self._field_of]
        seen: set[str] = set()
        for name in names:
            if name not in self._field_of and name not in self._column_of:
                return BadLayout("is neither a field nor a column of the model", name)
            if name in seen:
                return BadLayout("is there more than once", name)
            seen.add(name)
        if fields and columns:
            return BadLayout(f"{fields[0]!r} is a field and {columns[0]!r} a column of the model: send all of one kind")
        wanted, kind = (self._columns, "column") if columns else (self._fields, "field")
        known = {self._columns[self._column_of[name]] for name in names} if columns else set(names)
        missing = [name for name in wanted if name not in known]
        if not missing:  # by two of its names
            return BadLayout("has a column by more than one name")
        return BadLayout(f"lacks the {kind} {missing[0]!r}" + f" and {len(missing) - 1} more" * (len(missing) > 1))


def _inverse(places: Sequence[int]) -> tuple[int, ...] | None:
    """Where each place is, if what stands at ``n`` belongs to ``places[n]``; None if each is at its own."""
    if list(places) == list(range(len(places))):
        return None
    inverse = [0] * len(places)
    for position, place in enumerate(places):
        inverse[place] = position
    return tuple(inverse)
