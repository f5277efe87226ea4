"""What table a model serves, and which of its columns each of the model's is: as told, as stated, or as is assumed."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec.structs import replace as replace_field

from preprocessing import PRESETS
from preprocessing.schema import BadSchema, Field, FieldType, Row, Schema
from registry.errors import BadColumns, SchemaMismatch
from registry.version import SCHEMA_FILE

logger = logging.getLogger("canopy.registry")

Stated: TypeAlias = Schema | None
"""A table that a user states; None if nobody does."""

WORDS: Final = {word: schema for preset in PRESETS for word, schema in preset.statements.items()}
"""What states a table in one word → that table."""

LOGGED: Final = f"{SCHEMA_FILE} beside the model"
"""Where who made a model states its table."""

STATEMENT: Final = "--schema (CANOPY_SCHEMA)"
"""Where a user states a table."""

_MOST_LISTED: Final = 60
"""Names of columns that an error lists."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The table that a model serves, and its columns.

    Attributes:
        schema: the table.
        order: for each of the model's columns its index in ``schema.expanded``; None if they stand in that order.
        known: how that is known: the model names its columns; somebody states the table; nobody does, and the model is
            assumed to have a preset's in their order; or they are numbers without names.
        example: a row of the model's input example, to try it with. It may be somebody's, and is told to nobody.
        by_name: the columns of categories that the model itself calls by their names; others it knows by their codes.
    """

    schema: Schema
    order: tuple[int, ...] | None = None
    known: Literal["named", "stated", "assumed", "unnamed"] = "named"
    example: Row = ()
    by_name: tuple[str, ...] = ()

    @property
    def row(self) -> Row:
        """A row to try the model with."""
        return self.example or self.schema.row

    @property
    def called_by_name(self) -> dict[str, tuple[str, ...]]:
        """Column → the names of its codes, of those columns in which the model itself goes by names."""
        fields = zip(self.schema.expanded, self.schema.fields, strict=False)
        return {column: field.categories for column, field in fields if column in self.by_name}


class Told(NamedTuple):
    """What a part of a model says of the model's columns.

    Attributes:
        names: of the columns, in the model's order; None if it names none.
        width: how many there are; None if it does not say.
        types: of the columns, None of one that is of another type; None if it does not say.
    """

    names: Sequence[object] | None
    width: int | None = None
    types: Sequence[FieldType | None] | None = None

    @property
    def columns(self) -> int | None:
        """How many there are, as far as this tells."""
        return len(self.names) if self.width is None and self.names is not None else self.width


def read_stated(text: str) -> Stated:
    """Read what a user states.

    Args:
        text: one of ``WORDS``, or a file that describes a table, see ``Schema.read``. Empty states nothing.

    Raises:
        BadColumns: it is none of these.
    """
    if not text or text in WORDS:
        return WORDS.get(text)
    try:
        return Schema.read(Path(text).read_bytes())
    except BadSchema as error:
        raise BadColumns(f"{text} describes no table: {error}") from None
    except (OSError, ValueError) as error:  # a name with a null character in it is a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadColumns(f"{text!r} is none of {', '.join(WORDS)}, nor a file that can be read: {reason}") from None


def statement(by_user: Stated, logged: Stated) -> tuple[Stated, str]:
    """What states the table, if anything does, and where; the user's word counts, and the log says if it differs."""
    if by_user is None:
        return logged, LOGGED
    if logged is not None and (logged.fields, logged.columns) != (by_user.fields, by_user.columns):
        logger.warning("the table of %s is not that of %s, which is passed over", STATEMENT, LOGGED)
    return by_user, STATEMENT


def settle(told: Mapping[str, Told], stated: Stated = None, by: str = STATEMENT) -> Columns:
    """Find out what table a model serves, and which of the table's columns each of the model's is.

    Names that are numbers, as pandas gives them to a table without a header, say nothing.

    Args:
        told: by each part of the model that may say something.
        stated: what the user says, or who made the model.
        by: where they say it.

    Raises:
        SchemaMismatch: the columns are others than those of the stated table, or what is said does not agree.
    """
    named = {
        who: list(map(str, part.names)) for who, part in told.items() if part.names is not None and _named(part.names)
    }
    widths = {who: width for who, part in told.items() if (width := part.columns) is not None}
    if stated is not None:
        return _settle_by(stated, by, named, widths)
    if named:
        return _settle_by_names(told, named)
    if len(set(widths.values())) > 1:
        said = ", ".join(f"{width} to {who}" for who, width in widths.items())
        raise SchemaMismatch(f"the model contradicts itself: it takes {said} columns")
    width = next(iter(widths.values()), len(PRESETS[0].schema.expanded))
    for preset in PRESETS:
        if len(preset.schema.expanded) == width:
            return Columns(preset.schema, None, "assumed")
    types = next((part.types for part in told.values() if part.types is not None and len(part.types) == width), None)
    return Columns(Schema.unnamed(width, types), None, "unnamed")


def _settle_by(stated: Schema, by: str, named: Mapping[str, list[str]], widths: Mapping[str, int]) -> Columns:
    """A model's columns, held against a table that is stated."""
    schema = Schema(stated.fields, example=stated.example)
    for who, width in widths.items():
        if who not in named and width != len(schema.expanded):
            raise SchemaMismatch(
                f"the model takes {width} unnamed columns, as {who} has it; the table that is stated by {by} has "
                f"{len(schema.expanded)}"
            )
    if not named:
        return Columns(schema, column_order(stated.columns, schema) if stated.columns else None, "stated")
    try:
        order = _agreed({who: column_order(names, schema) for who, names in named.items()}, schema)
    except SchemaMismatch as error:
        raise SchemaMismatch(f"{error} (the schema is that of {by})") from None
    if stated.columns and (other := column_order(stated.columns, schema)) != order:
        who = next(iter(named))
        raise SchemaMismatch(
            f"the model's own names contradict `columns` of {by}: "
            f"{_difference(order, other, who, 'there', schema)}; leave `columns` away, for the model names its own"
        )
    return Columns(schema, order)


def _settle_by_names(told: Mapping[str, Told], named: Mapping[str, list[str]]) -> Columns:
    """A model's columns, of which it has names."""
    who, names = next(iter(named.items()))
    for other, part in told.items():
        if part.columns not in {None, len(names)}:
            raise SchemaMismatch(
                f"the model contradicts itself: it takes {len(names)} columns to {who}, {part.columns} to {other}"
            )
    schema = next((preset.schema for preset in PRESETS if _names_all(names, preset.index())), None)
    if schema is None:
        types = dict[str, FieldType | None]()
        for part in told.values():
            if part.names is not None and part.types is not None:
                types |= zip(map(str, part.names), part.types, strict=True)
        try:
            schema = Schema.of_columns(names, [types.get(name) for name in names])
        except BadSchema as error:
            raise SchemaMismatch(
                f"the model's columns, as {who} has them, make no table ({error.reason}); describe one by {STATEMENT}"
            ) from None
    return Columns(schema, _agreed({who: column_order(each, schema) for who, each in named.items()}, schema))


def _names_all(names: Sequence[str], index: Mapping[str, int]) -> bool:
    """Whether these are all the columns of a table and no others."""
    return all(name in index for name in names) and {index[name] for name in names} == set(index.values())


def _agreed(orders: Mapping[str, tuple[int, ...] | None], schema: Schema) -> tuple[int, ...] | None:
    """The order of which all that name columns say the same."""
    (first, order), *others = orders.items()
    for who, other in others:
        if other != order:
            raise SchemaMismatch(
                f"the model contradicts itself: {_difference(order, other, first, f'to {who}', schema)}; log it again, "
                "with a signature inferred from the table that it was fitted on"
            )
    return order


def with_values(
    columns: Columns,
    missing: Collection[int],
    categories: Mapping[int, tuple[str, ...]],
    limits: Mapping[int, tuple[float, float]] = MappingProxyType({}),
    whole: Collection[int] = (),
) -> Columns:
    """The same with what the model itself says of its columns' values, where nobody has described the table.

    Args:
        columns: the model's table and columns.
        missing: columns of the model in which it takes missing values, as its library does.
        categories: column of the model → the names of its categories, in the order of their codes.
        limits: column of the model → the least and the greatest number that it takes.
        whole: columns of the model in which it takes only whole numbers.

    Raises:
        SchemaMismatch: the names make no table.
    """
    schema = columns.schema
    if is_preset(schema) or len(schema.fields) != len(schema.expanded):
        return columns
    fields = list(schema.fields)
    by_name: list[str] = []
    for column in range(len(fields)):
        at = column if columns.order is None else columns.order[column]
        field, names = fields[at], categories.get(column)
        if names:
            fields[at] = Field(
                field.name, "category", column in missing, names, encoding="ordinal", columns=field.columns
            )
            by_name.append(schema.expanded[at])
        elif field.type in ("number", "integer"):
            least, greatest = limits.get(column, (field.least, field.greatest))
            type_: FieldType = "integer" if column in whole else field.type
            missed = field.missing or (column in missing and type_ == "number")
            fields[at] = replace_field(field, type=type_, missing=missed, least=least, greatest=greatest)
    try:
        return replace(columns, schema=Schema(tuple(fields)), by_name=tuple(by_name))
    except BadSchema as error:
        raise SchemaMismatch(
            f"the categories that the model names make no table ({error.reason}); describe one by {STATEMENT}"
        ) from None


def column_order(names: Sequence[object], schema: Schema) -> tuple[int, ...] | None:
    """Find a table's column for each column of a model.

    Args:
        names: the model's column names, in the model's order: those of the table in any order, and for a preset also
            its aliases.
        schema: the table.

    Returns:
        Indices into ``schema.expanded``, or None if the order is the table's own.

    Raises:
        SchemaMismatch: the columns are others; the message has both lists, what is unknown and what is missing.
    """
    index = _index(schema)
    order = [index.get(str(name)) for name in names]
    known = [position for position in order if position is not None]
    if len(known) < len(order) or sorted(known) != list(range(len(schema.expanded))):
        unknown = [name for name, position in zip(names, order, strict=True) if position is None]
        missing = [name for position, name in enumerate(schema.expanded) if position not in order]
        twice = {position for position in known if known.count(position) > 1}
        repeated = [name for name, position in zip(names, order, strict=True) if position in twice]
        raise SchemaMismatch(
            f"the model's columns are not the schema's: unknown {_listed(unknown)}, missing {_listed(missing)}"
            + (f", given twice {_listed(repeated)}" if repeated else "")
        )
    return None if known == sorted(known) else tuple(known)


def assumption(model: object, schema: Schema) -> str:
    """What to tell of a model whose columns are assumed to be a preset's.

    Args:
        model: what to call the model.
        schema: the preset's table.
    """
    preset = next(preset for preset in PRESETS if preset.schema == schema)
    return (
        f"{model} does not name its columns: they are taken to be the {len(schema.expanded)} of the {preset.title} in "
        f"Canopy's order, {preset.caveat}"
    )


def is_preset(schema: Schema) -> bool:
    """Whether this is a table that needs no description."""
    return any(preset.schema.fields == schema.fields for preset in PRESETS)


def _index(schema: Schema) -> dict[str, int]:
    """Whatever a table's columns may be called → where they stand in ``schema.expanded``."""
    for preset in PRESETS:
        if preset.schema.fields == schema.fields:
            return preset.index()
    return {name: position for position, name in enumerate(schema.expanded)}


def _named(names: Sequence[object]) -> bool:
    """Whether these are names; numbers are not."""
    return len(names) > 0 and not all(str(name).isdecimal() for name in names)


def _listed(names: Sequence[object]) -> str:
    more = len(names) - _MOST_LISTED
    return f"{list(names[:_MOST_LISTED])}" + (f" and {more} more" if more > 0 else "")


def _difference(
    order: tuple[int, ...] | None, other: tuple[int, ...] | None, who: str, whom: str, schema: Schema
) -> str:
    """The first column of which two orders differ."""
    ours = range(len(schema.expanded))
    pairs = zip(order or ours, other or ours, strict=True)
    number, (one, another) = next((at, pair) for at, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return f"column {number} is {schema.expanded[one]} to {who}, {schema.expanded[another]} {whom}"


def with_example(columns: Columns, row: Sequence[float]) -> Columns:
    """The same with a row of the model's own to try it with, if it has the form of a request's."""
    schema = columns.schema
    if schema.example or len(row) != len(schema.fields) or any(field.is_one_hot for field in schema.fields):
        return columns
    try:
        Schema(schema.fields, example=tuple(row))
    except BadSchema:
        return columns
    return replace(columns, example=tuple(row))
