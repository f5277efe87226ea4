"""Wire JSON → validated rows. msgspec checks types, counts and ranges in C and names the path of the first fault."""

import re
from codecs import BOM_UTF8
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from preprocessing import faults, schema
from preprocessing.errors import InvalidRow

Row: TypeAlias = tuple[float, ...]
"""One row: the 12 values of ``schema.FIELDS``; the last two are codes, whole numbers in range."""

FLOAT32_MAX: Final = 3.4028234663852886e38
"""The largest finite float32: the forest's thresholds and the matrix are float32."""

_Number = Annotated[float, Meta(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]
# Codes are floats that must be whole, so that 2 and 2.0 (all that a numpy row can say) are the same code.
_Wilderness = Annotated[float, Meta(ge=0, le=len(schema.WILDERNESS_AREAS) - 1, multiple_of=1)]
_Soil = Annotated[float, Meta(ge=0, le=len(schema.SOIL_TYPES) - 1, multiple_of=1)]

_Positional: Any = tuple[(*(_Number for _ in schema.NUMERIC), _Wilderness, _Soil)]  # type: ignore[misc]
_Named: Any = msgspec.defstruct(
    "Record",
    [
        *((name, _Number) for name in schema.NUMERIC),
        ("Wilderness_Area", Literal[tuple(schema.WILDERNESS_CODES)] | _Wilderness),
        ("Soil_Type", Literal[tuple(schema.SOIL_CODES)] | _Soil),
    ],
    forbid_unknown_fields=True,
    gc=False,
)

# What a code may be, for the messages: in a row, and in a record.
_CODES: Final = {
    "Wilderness_Area": f", a code 0..{len(schema.WILDERNESS_AREAS) - 1}",
    "Soil_Type": f", a code 0..{len(schema.SOIL_TYPES) - 1}",
}
_ALLOWED: Final = {
    "Wilderness_Area": f"one of {', '.join(schema.WILDERNESS_AREAS)}{_CODES['Wilderness_Area']}",
    "Soil_Type": (
        f"one of {schema.SOIL_TYPES[0]}..{schema.SOIL_TYPES[-1]}{_CODES['Soil_Type']}"
        f" or UCI's number as UCI1..UCI{len(schema.SOIL_TYPES)}"
    ),
}
_FIELD: Final = re.compile(r"\$\.(?:features(?:\[\d+\])?\[(?P<index>\d+)\]|instances\[\d+\]\.(?P<name>\w+))")


_FORMS: Final = {"features", "instances"}
_QUOTE: Final = ord('"')
_ONE_NAME: Final = 12
"""Bytes that have no room for two names: no name comes twice if all quotation marks are among the first so many."""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Which of the accepted forms a body has, its content not yet looked at."""

    features: Raw | UnsetType = UNSET
    instances: Raw | UnsetType = UNSET


class RowDecoder:
    """Decodes request bodies of up to ``max_rows`` rows.

    Accepted are ``{"features": [12 values]}``, ``{"features": [[12 values], ...]}`` and
    ``{"instances": [{field: value, ...}, ...]}``.
    """

    def __init__(self, max_rows: int) -> None:
        several = Meta(min_length=1, max_length=max_rows)
        self.max_rows = max_rows
        self._one = _decoder("features", _Positional)
        self._many = _decoder("features", Annotated[list[_Positional], several])
        self._named = _decoder("instances", Annotated[list[_Named], several])

    def decode(self, body: bytes | bytearray) -> list[Row]:
        """Decode and validate one request body.

        A byte order mark is passed over, as RFC 8259, 8.1, allows. A name that comes twice in an object is refused:
        most parsers, msgspec among them, would take one of the values without a word, and not all the same one.

        Returns:
            At least one and at most ``max_rows`` rows of 12 floats, in the order of the request.

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
                _check_names(body, 1 + sum(map(_strings, records)))
                return [_positional(record) for record in records]
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
        elif reason == f"expected an array of length {len(schema.FIELDS)}":
            reason += f" ({', '.join(schema.FIELDS)})" + " or an array of such arrays" * (path == "$.features")
        elif path.startswith("$.instances") and reason == "expected an object, got an array":
            reason += f", which has no names: send it as `features`, {len(schema.FIELDS)} numbers a row"
        elif path.startswith("$.features") and reason.endswith("got an object"):
            reason += ": send records as `instances`"
        elif reason.startswith("expected an array"):
            pass  # the fault is a whole row, which has no field name
        elif match := _FIELD.fullmatch(path):
            field = match["name"] or schema.FIELDS[int(match["index"])]
            if match["name"] is None:
                reason += f" ({field}{_CODES.get(field, '')})"
            elif field in _ALLOWED:
                reason += f" ({field} is {_ALLOWED[field]})"
        return InvalidRow(path, reason)


def _decoder(key: str, type_: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - msgspec types are built at run time
    return msgspec.json.Decoder(msgspec.defstruct("Body", [(key, type_)], forbid_unknown_fields=True, gc=False))


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


def _strings(record: Any) -> int:  # noqa: ANN401 - a struct that is defined at run time
    """The strings in a record that has each name once."""
    return len(schema.FIELDS) + isinstance(record.Wilderness_Area, str) + isinstance(record.Soil_Type, str)


def _positional(record: Any) -> Row:  # noqa: ANN401 - a struct that is defined at run time
    *numbers, wilderness, soil = msgspec.structs.astuple(record)
    return (
        *numbers,
        schema.WILDERNESS_CODES[wilderness] if isinstance(wilderness, str) else wilderness,
        schema.SOIL_CODES[soil] if isinstance(soil, str) else soil,
    )
