"""Wire JSON → validated rows. msgspec checks types, counts and ranges in C and names the path of the first fault."""

import json
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from preprocessing import schema
from preprocessing.errors import InvalidRow, MalformedJSON

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
_MESSAGE: Final = re.compile(r"(?P<reason>.*?)(?: - at `(?P<path>.*)`)?", re.DOTALL)
_FIELD: Final = re.compile(r"\$\.(?:features(?:\[\d+\])?\[(?P<index>\d+)\]|instances\[\d+\]\.(?P<name>\w+))")


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

        Returns:
            At least one and at most ``max_rows`` rows of 12 floats, in the order of the request.

        Raises:
            MalformedJSON: the body is not JSON.
            InvalidRow: the body is JSON but breaks the schema; the error names the path of the first fault.
        """
        try:
            return [self._one.decode(body).features]
        except msgspec.ValidationError:
            # Not the common single row, or a faulty one: the forms are told apart only now.
            return self._decode_other(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(body, error) from None

    def _decode_other(self, body: bytes | bytearray) -> list[Row]:
        try:
            envelope = msgspec.json.decode(body, type=_Envelope)
            if envelope.instances is not UNSET and envelope.features is not UNSET:
                raise InvalidRow("$", "has both `features` and `instances`: send one of them")
            if envelope.instances is not UNSET:
                return [_positional(record) for record in self._named.decode(body).instances]
            if envelope.features is not UNSET:
                if _holds_rows(envelope.features):
                    rows: list[Row] = self._many.decode(body).features
                    return rows
                return [self._one.decode(body).features]
        except msgspec.ValidationError as error:
            raise self._explain(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(body, error) from None
        raise InvalidRow("$", "has neither `features` nor `instances`")

    def _explain(self, message: str) -> InvalidRow:
        """Turn msgspec's ``reason - at `path``` into our error, with the field's name where the path has a number."""
        match = _MESSAGE.fullmatch(message)
        assert match is not None  # noqa: S101 - the pattern matches any string
        path, reason = match["path"] or "$", match["reason"]
        if reason == "Expected `array` of length >= 1":
            reason = "has no row: a request carries at least one"
        elif reason.startswith("Expected `array` of length <="):
            reason = f"has more rows than the {self.max_rows} that one request may carry"
        elif reason == f"Expected `array` of length {len(schema.FIELDS)}":
            reason += f" ({', '.join(schema.FIELDS)})" + " or an array of such arrays" * (path == "$.features")
        elif reason.startswith("Expected `array`"):
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


def _malformed(body: bytes | bytearray, error: Exception) -> MalformedJSON | InvalidRow:
    """Explain a body that is no JSON; NaN and Infinity, which many encoders write all the same, get their path."""
    try:
        path, value = next(_not_finite(json.loads(body), "$"))
    except (ValueError, RecursionError, StopIteration):
        return MalformedJSON(str(error))
    return InvalidRow(path, f"{value} is not a number that JSON can carry")


def _not_finite(value: object, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, element in value.items():
            yield from _not_finite(element, f"{path}.{key}")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _not_finite(element, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, value


def _positional(record: Any) -> Row:  # noqa: ANN401 - a struct that is defined at run time
    *numbers, wilderness, soil = msgspec.structs.astuple(record)
    return (
        *numbers,
        schema.WILDERNESS_CODES[wilderness] if isinstance(wilderness, str) else wilderness,
        schema.SOIL_CODES[soil] if isinstance(soil, str) else soil,
    )
