"""Wire JSON → validated rows. msgspec checks types, counts and ranges in C and names the path of the first fault."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from preprocessing import faults
from preprocessing.errors import InvalidRow
from preprocessing.schema import Field, Row, Schema, at

_FORMS: Final = {"features", "instances"}
_QUOTE: Final = ord('"')
_ONE_NAME: Final = 12
"""Bytes that have no room for two names: no name comes twice if all quotation marks are among the first so many."""

_MOST_NAMES: Final = 12
"""Names that an error lists; of more it gives the first and the last."""

_INDEX: Final = re.compile(r"\$\.features(?:\[\d+\])?\[(\d+)\]")
_RECORD: Final = re.compile(r"(\$\.instances\[\d+\])(?:\.(.+))?")


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Which of the accepted forms a body has, its content not yet looked at."""

    features: Raw | UnsetType = UNSET
    instances: Raw | UnsetType = UNSET


class RowDecoder:
    """Decodes request bodies.

    Accepted are ``{"features": [value, ...]}``, ``{"features": [[value, ...], ...]}`` and
    ``{"instances": [{field: value, ...}, ...]}``.

    Args:
        schema: the table that rows are of.
        max_rows: most rows of a body.
    """

    def __init__(self, schema: Schema, max_rows: int) -> None:
        self.schema = schema
        self.max_rows = max_rows
        several = Meta(min_length=1, max_length=max_rows)
        positional: Any = tuple[tuple(map(value_type, schema.fields))]  # type: ignore[misc]
        self._one = _decoder("features", positional)
        self._many = _decoder("features", Annotated[list[positional], several])
        self._records = _Records(schema)
        self._named = _decoder("instances", Annotated[list[self._records.type], several])  # type: ignore[name-defined]

    def decode(self, body: bytes | bytearray) -> list[Row]:
        """Decode and validate one request body.

        A byte order mark is passed over, as RFC 8259, 8.1, allows. A name that comes twice in an object is refused:
        most parsers, msgspec among them, would take one of the values without a word, and not all the same one.

        Returns:
            At least one and at most ``max_rows`` rows, in the order of the request.

        Raises:
            MalformedJSON: the body is not JSON.
            InvalidRow: the body is JSON but breaks the schema; the error names the path of the first fault.
        """
        try:
            row: Row = self._one.decode(body).features
        except msgspec.ValidationError:
            # Not the common single row, or a faulty one: the forms are told apart only now.
            return self._decode_other(body)
        except faults.UNREADABLE as error:
            if body.startswith(BOM_UTF8):
                return self.decode(b"   " + body[len(BOM_UTF8) :])  # blanks, so that places in the body stay the same
            raise faults.unreadable(body, error) from None
        if _QUOTE in body[_ONE_NAME:]:
            _check_names(body, 1)
        return [row]

    def _decode_other(self, body: bytes | bytearray) -> list[Row]:
        try:
            envelope = msgspec.json.decode(body, type=_Envelope)
            if envelope.instances is not UNSET and envelope.features is not UNSET:
                raise InvalidRow("$", "has both `features` and `instances`: send one of them")
            if envelope.instances is not UNSET:
                records = self._named.decode(body).instances
                self._records.check_names(body, records)
                return self._records.rows(records)
            if envelope.features is not UNSET:
                if not _holds_rows(envelope.features):
                    return [self._one.decode(body).features]
                rows: list[Row] = self._many.decode(body).features
                if _QUOTE in body[_ONE_NAME:]:
                    _check_names(body, 1)
                return rows
        except msgspec.ValidationError as error:
            raise self._explain(faults.parse(body), *faults.split(error)) from None
        except faults.UNREADABLE as error:
            raise faults.unreadable(body, error) from None
        raise InvalidRow("$", "has neither `features` nor `instances`")

    def _explain(self, content: object, path: str, reason: str) -> InvalidRow:
        """Say what is wrong with the content of a body, with the field's name where the path has a number."""
        width = len(self.schema.fields)
        if not isinstance(content, dict | UnsetType):
            return InvalidRow("$", "must be an object with `features` or `instances`")
        for name in content or ():
            if name not in _FORMS:
                return InvalidRow(
                    "$", f"has the unknown field `{faults.shortened(name)}`; send `features` or `instances`"
                )
        if reason == "expected an array of length >= 1":
            reason = "has no row: a request carries at least one"
        elif reason.startswith("expected an array of length <="):
            reason = f"has more rows than the {self.max_rows} that one request may carry"
        elif reason == f"expected an array of length {width}":
            reason += f" ({_listed(self.schema.names)})" + " or an array of such arrays" * (path == "$.features")
        elif path.startswith("$.instances") and reason == "expected an object, got an array":
            reason += f", which has no names: send it as `features`, {width} values a row"
        elif path.startswith("$.features") and reason.endswith("got an object"):
            reason += ": send records as `instances`"
        elif reason.startswith("expected an array"):
            pass  # the fault is a whole row, which has no field name
        elif match := _INDEX.fullmatch(path):
            field = self.schema.fields[int(match[1])]
            reason += f" ({field.name}{allowed(field, named=False)})"
        elif (match := _RECORD.fullmatch(path)) and (name := match[2]) in self.schema.names:
            field = self.schema.fields[self.schema.names.index(name)]
            if words := allowed(field, named=True):
                reason += f" ({name} is {words.removeprefix(', ')})"
            path = at(match[1], name)
        return InvalidRow(path, reason)


class _Records:
    """The named form of a schema's rows.

    Attributes:
        type: what msgspec decodes them to.
    """

    def __init__(self, schema: Schema) -> None:
        # A field may be called what no attribute can be.
        members = [f"field{number}" for number in range(len(schema.fields))]
        self.type: Any = msgspec.defstruct(
            "Record",
            [(member, named_value(field)) for member, field in zip(members, schema.fields, strict=True)],
            rename=dict(zip(members, schema.names, strict=True)),
            forbid_unknown_fields=True,
            gc=False,
        )
        self._codes = {number: field.codes for number, field in enumerate(schema.fields) if field.type == "category"}
        self._width = len(members)
        # A quotation mark within a code's name would count as one that ends it.
        self._countable = not any('"' in name for codes in self._codes.values() for name in codes)

    def check_names(self, body: bytes | bytearray, records: list[Any]) -> None:
        """See to it that no object in a body has a name twice.

        Raises:
            InvalidRow: one does.
        """
        if self._countable:
            members = [f"field{number}" for number in self._codes]
            strings = sum(isinstance(getattr(record, member), str) for record in records for member in members)
            _check_names(body, 1 + self._width * len(records) + strings)
        elif (found := faults.first(body)) is not None:
            raise found

    def rows(self, records: list[Any]) -> list[Row]:
        """The same by position."""
        return list(map(self._positional, records))

    def _positional(self, record: Any) -> Row:  # noqa: ANN401 - a struct that is defined at run time
        row: list[Any] = list(msgspec.structs.astuple(record))
        for number, codes in self._codes.items():
            if isinstance(value := row[number], str):
                row[number] = codes[value]
        return tuple(row)


# Codes and integers are floats that must be whole, so that 2 and 2.0 (all that a numpy row can say) are the same.
_TYPES: Final[dict[str, Callable[[Field], Any]]] = {
    "number": lambda field: Annotated[float, Meta(ge=field.limits[0], le=field.limits[1])],
    "integer": lambda field: Annotated[float, Meta(ge=field.limits[0], le=field.limits[1], multiple_of=1)],
    "boolean": lambda _: bool | Annotated[float, Meta(ge=0, le=1, multiple_of=1)],
    "category": lambda field: Annotated[float, Meta(ge=0, le=len(field.categories) - 1, multiple_of=1)],
}


def value_type(field: Field) -> Any:  # noqa: ANN401 - msgspec types are built at run time
    """What a row may have for a field."""
    value = _TYPES[field.type](field)
    return value | None if field.missing else value


def named_value(field: Field) -> Any:  # noqa: ANN401
    """What a record may have for a field."""
    return Literal[tuple(field.codes)] | value_type(field) if field.type == "category" else value_type(field)


def _decoder(key: str, type_: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401
    return msgspec.json.Decoder(msgspec.defstruct("Body", [(key, type_)], forbid_unknown_fields=True, gc=False))


def allowed(field: Field, *, named: bool) -> str:
    """What a category may be, for the messages."""
    if field.type != "category":
        return ""
    code = f", a code 0..{len(field.categories) - 1}"
    if not named:
        return code
    aliases = f" or {_listed(list(field.aliases), 2)}" if field.aliases else ""
    return f", one of {_listed(field.categories)}{code}{aliases}"


def _listed(names: list[str] | tuple[str, ...], most: int = _MOST_NAMES) -> str:
    return ", ".join(names) if len(names) <= most else f"{names[0]}..{names[-1]}"


def _holds_rows(features: Raw) -> bool:
    """Whether the value is an array whose first element is an array."""
    return re.match(rb"\[\s*\[", bytes(features)) is not None


def _check_names(body: bytes | bytearray, strings: int) -> None:
    """See to it that a body which fits the schema has no name twice.

    No string that fits has a quotation mark in it, so that there are two for each; a name that comes again adds two.

    Args:
        body: the body.
        strings: how many strings it has if no name comes twice.

    Raises:
        InvalidRow: one does.
    """
    if body.count(_QUOTE) != 2 * strings:
        raise faults.repeated(body)
