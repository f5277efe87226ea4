"""What a table is, as a value: the fields of a request's rows, and the columns that a model takes of them."""

import json
import math
import re
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from preprocessing import faults

FLOAT32_MAX: Final = 3.4028234663852886e38
"""The largest finite float32: what a forest takes, whose thresholds are float32 too."""

WHOLE_MAX: Final = 2**53 - 1
"""The largest whole number whose float64, as which a row has it, is no other one's: 2**53 is that of 2**53 + 1, too."""

Row: TypeAlias = tuple[float, ...]
"""One row: a value for each field, in their order; codes are whole numbers in range, a missing value is None."""

_AWKWARD: Final = re.compile(r'["\\\x00-\x1f]')
"""Signs that JSON escapes, so that a name which has one is not to be found in a body as it is."""

_LARGEST: Final = 1 << 20
"""Bytes of the longest description of a table."""

_NAMED: Final = 8
"""Fields that are named of those that another table has, or has not."""


FieldType: TypeAlias = Literal["number", "integer", "boolean", "category"]

_FARTHEST: Final[dict[str, float]] = {"number": FLOAT32_MAX, "integer": WHOLE_MAX}
"""How far from 0 a number may be, of the types that have such."""


class BadSchema(ValueError):
    """A description of a table means none.

    Attributes:
        path: JSONPath (RFC 9535) of the fault, such as ``$.fields[3].name``.
        reason: what is wrong there, in words for the person who wrote it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A field of a row.

    Attributes:
        name: what a record calls it, without quotation marks, backslashes and control characters.
        type: number; integer, a whole number; boolean, true or false, or 1 or 0; category, a code or its name.
        missing: whether null is a value, which the model gets as NaN.
        categories: names of a category's codes 0, 1, …; no other type has them.
        aliases: other names of codes → code.
        encoding: what columns a category becomes: an indicator for each code, or one that has the code.
        columns: names of the columns that the field becomes, if they are others than these: the field's own name, or
            with an indicator for each category ``field_category``.
        least: the least number that the model takes, if that is no number's least; of numbers and integers only.
        greatest: the greatest, likewise.
    """

    name: str
    type: FieldType = "number"
    missing: bool = False
    categories: tuple[str, ...] = ()
    aliases: dict[str, int] = {}
    encoding: Literal["one-hot", "ordinal"] = "one-hot"
    columns: tuple[str, ...] | UnsetType = UNSET
    least: float | None = None
    greatest: float | None = None

    @property
    def is_one_hot(self) -> bool:
        """Whether it becomes an indicator for each of its categories."""
        return self.type == "category" and self.encoding == "one-hot"

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest number that is a value."""
        if self.type in _FARTHEST:
            farthest = _FARTHEST[self.type]
            least = -farthest if self.least is None else max(self.least, -farthest)
            return least, farthest if self.greatest is None else min(self.greatest, farthest)
        return 0, 1 if self.type == "boolean" else len(self.categories) - 1

    @property
    def becomes(self) -> tuple[str, ...]:
        """The names of its columns."""
        if self.columns is not UNSET:
            return self.columns
        return tuple(f"{self.name}_{name}" for name in self.categories) if self.is_one_hot else (self.name,)

    @property
    def codes(self) -> dict[str, int]:
        """Everything that a record may write as a string → code."""
        return {name: code for code, name in enumerate(self.categories)} | self.aliases


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, dict=True):
    """A table.

    Attributes:
        fields: of a row, in their order.
        columns: the names of the model's columns, in the model's order, if that is not the order of the fields.
        example: a plausible row; without one it has zeros, or what is closest to them.

    Raises:
        BadSchema: it contradicts itself.
    """

    fields: tuple[Field, ...]
    columns: tuple[str, ...] = ()
    example: tuple[float | bool | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.fields:
            raise BadSchema("$.fields", "a table has at least one field")
        for number, field in enumerate(self.fields):
            _check(field, f"$.fields[{number}]")
        _check_distinct([field.name for field in self.fields], "$.fields", "the name")
        _check_distinct(self.expanded, "$.fields", "the column")
        if self.columns:
            self._check_columns()
        if self.example:
            self._check_example()

    def _check_columns(self) -> None:
        _check_distinct(self.columns, "$.columns", "the column")
        known, given = set(self.expanded), set(self.columns)
        if unknown := [name for name in self.columns if name not in known]:
            raise BadSchema("$.columns", f"the fields become no column {unknown[0]!r}")
        if missing := [name for name in self.expanded if name not in given]:
            raise BadSchema("$.columns", f"lacks the column {missing[0]!r}")

    def _check_example(self) -> None:
        if len(self.example) != len(self.fields):
            raise BadSchema("$.example", f"has {len(self.example)} values for {len(self.fields)} fields")
        for number, (field, value) in enumerate(zip(self.fields, self.example, strict=True)):
            if (reason := _misfit(field, value)) is not None:
                raise BadSchema(f"$.example[{number}]", f"{field.name} {reason}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(field.name for field in self.fields)

    @cached_property
    def expanded(self) -> tuple[str, ...]:
        """The names of the columns that the fields become, in the order of the fields."""
        return tuple(chain.from_iterable(field.becomes for field in self.fields))

    @cached_property
    def row(self) -> Row:
        """The example, or of each field what is closest to 0."""
        if self.example:
            return tuple(math.nan if value is None else float(value) for value in self.example)
        return tuple(float(min(max(0.0, least), greatest)) for least, greatest in (f.limits for f in self.fields))

    def without(self, row: Row) -> Row | None:
        """A row with nothing in it that may be missing; None if nothing may."""
        if not any(field.missing for field in self.fields):
            return None
        return tuple(math.nan if field.missing else value for field, value in zip(self.fields, row, strict=True))

    def changes(self, before: "Schema") -> str | None:
        """What is new in comparison to the table before, in words; None if rows are the same."""
        if before.fields == self.fields:
            return None
        old, new = ({field.name: field for field in schema.fields} for schema in (before, self))
        parts = {
            "without": [name for name in old if name not in new],
            "with": [name for name in new if name not in old],
            "with others by the name of": [name for name in new if name in old and new[name] != old[name]],
        }
        said = [
            f"{how} {', '.join(names[:_NAMED])}{' …' * (len(names) > _NAMED)}" for how, names in parts.items() if names
        ]
        return "; ".join(said) or "in another order"

    def encode(self) -> bytes:
        """This as JSON, as ``read`` takes it."""
        return msgspec.json.encode(self)

    @classmethod
    def read(cls, text: bytes) -> "Schema":
        """Read a table's description.

        Args:
            text: JSON, UTF-8: ``{"fields": [{"name": …, "type": …}, …], "example": […]}``, the attributes of ``Field``.

        Raises:
            BadSchema: it describes none; the error names the path of the first fault.
        """
        if len(text) > _LARGEST:
            raise BadSchema("$", f"is longer than {_LARGEST:,} bytes")
        try:
            schema = msgspec.json.decode(text, type=cls)
        except msgspec.ValidationError as error:
            if isinstance(error.__cause__, BadSchema):
                raise error.__cause__ from None
            raise BadSchema(*faults.split(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadSchema("$", f"is no JSON: {error}") from None
        if (found := faults.first(text)) is not None:  # a name that comes twice, of which one would count
            raise BadSchema(found.path, found.reason)
        return schema

    @classmethod
    def of_columns(cls, names: Sequence[str], types: Sequence[FieldType | None] | None = None) -> "Schema":
        """A table whose fields are the model's columns, as they are.

        Args:
            names: of the columns.
            types: of each; None, or a None among them, for numbers.

        Raises:
            BadSchema: a name comes twice or is empty.
        """
        kinds = types or [None] * len(names)
        return cls(tuple(_as_it_is(name, kind or "number") for name, kind in zip(names, kinds, strict=True)))

    @classmethod
    def unnamed(cls, width: int, types: Sequence[FieldType | None] | None = None) -> "Schema":
        """A table of so many columns that nobody has named; they are numbers, if ``types`` does not say otherwise."""
        return cls.of_columns([f"f{number}" for number in range(width)], types)


def _as_it_is(name: str, type_: FieldType) -> Field:
    """A field for a column of any name."""
    plain = _AWKWARD.sub("_", name)
    return Field(name, type_) if plain == name else Field(plain, type_, columns=(name,))


def at(path: str, name: str) -> str:
    """The JSONPath of a member of an object."""
    return f"{path}.{name}" if name.isidentifier() and name.isascii() else f"{path}[{json.dumps(name)}]"


def _check(field: Field, path: str) -> None:
    if not field.name:
        raise BadSchema(f"{path}.name", "is empty")
    if _AWKWARD.search(field.name):
        raise BadSchema(
            f"{path}.name", "has a quotation mark, a backslash or a control character; `columns` may have it"
        )
    if field.type == "category":
        if not field.categories:
            raise BadSchema(path, "a category lacks its `categories`")
        _check_distinct(field.categories, f"{path}.categories", "the name")
        for name, code in field.aliases.items():
            if name in field.categories or not 0 <= code < len(field.categories):
                raise BadSchema(at(f"{path}.aliases", name), f"has to be a new name of a code 0..{_last(field)}")
        if field.is_one_hot and field.missing:
            raise BadSchema(f"{path}.missing", "an indicator for each category cannot say that the value is missing")
    elif field.categories or field.aliases or field.encoding != "one-hot":
        raise BadSchema(path, f"`categories`, `aliases` and `encoding` are for a category, not for {field.type}")
    if (field.least, field.greatest) != (None, None) and field.type not in _FARTHEST:
        raise BadSchema(path, f"`least` and `greatest` are for numbers and integers, not for {field.type}")
    if field.limits[0] > field.limits[1]:
        raise BadSchema(path, "no number is within its `least` and `greatest`")
    wanted = len(field.categories) if field.is_one_hot else 1
    if len(field.becomes) != wanted:
        raise BadSchema(f"{path}.columns", f"has {len(field.becomes)} names for {wanted} columns")


def _last(field: Field) -> int:
    return len(field.categories) - 1


def _check_distinct(names: Sequence[str], path: str, what: str) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise BadSchema(path, f"{what} {name!r} is there more than once")
        seen.add(name)


def _misfit(field: Field, value: float | None) -> str | None:
    """Why a value is none of a field's, if so."""
    if value is None:
        return None if field.missing else "has no missing values"
    if field.type == "boolean" or not isinstance(value, bool):
        least, greatest = field.limits
        if not (math.isfinite(value) and least <= value <= greatest):
            return f"is a number from {least:g} to {greatest:g}"
        return None if field.type == "number" or value == int(value) else "is a whole number"
    return f"is a {field.type}, not a boolean"
