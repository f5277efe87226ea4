"""The bodies of requests of the Open Inference Protocol over HTTP: JSON, and tensors in binary form behind it."""

import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Raw, UnsetType

from preprocessing import InvalidRow, faults
from preprocessing.schema import WHOLE_MAX
from serving.codecs.asking import check_input
from serving.codecs.tensors import BYTES, DTYPES, Tensor, Values, count_elements, unpack

HEADER_LENGTH: Final = "Inference-Header-Content-Length"
"""Header that tells how many bytes of a body are JSON; tensors in binary form follow."""

SIZE: Final = "binary_data_size"
"""Parameter of a tensor that tells how many of the bytes behind the JSON are its elements."""

DATATYPES: Final = (*DTYPES, BYTES)

_NESTED: Final = re.compile(rb"\s*\[\s*\[")

Dimension = Annotated[int, Meta(ge=0, le=1 << 32)]


class Input(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A tensor, as the protocol has it."""

    name: str
    shape: list[Dimension]
    datatype: str
    parameters: dict[str, Any] | UnsetType | None = UNSET
    data: Raw | UnsetType = UNSET

    def strings(self) -> int:
        """How many strings it has, names included."""
        strings = 5  # three names, two of which have one
        if self.parameters is not UNSET:
            strings += 1 + faults.count_strings(self.parameters)
        if self.data is not UNSET:
            strings += 1
            if self.datatype == BYTES:
                strings += bytes(self.data).count(b'"') // 2
        return strings


class RequestedOutput(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An output that is asked for, likewise."""

    name: str
    parameters: dict[str, Any] | UnsetType | None = UNSET

    def strings(self) -> int:
        """How many strings it has, names included."""
        return 2 + (self.parameters is not UNSET) + faults.count_strings(self.parameters)


class Request(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A request, likewise; null says as little as nothing."""

    inputs: list[Input]
    id: str | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET
    outputs: list[RequestedOutput] | UnsetType | None = UNSET
    # KServe's client repeats these, which the target has.
    model_name: str | UnsetType | None = UNSET
    model_version: str | UnsetType | None = UNSET

    def strings(self) -> int:
        """How many strings it has, names included."""
        strings = 1 + sum([each.strings() for each in self.inputs])
        for text in (self.id, self.model_name, self.model_version):
            if text is not UNSET:
                strings += 1 + (text is not None)
        if self.parameters is not UNSET:
            strings += 1 + faults.count_strings(self.parameters)
        if self.outputs is not UNSET:
            strings += 1 + sum([each.strings() for each in self.outputs or ()])
        return strings


_REQUEST: Final = msgspec.json.Decoder(Request)


def _elements(datatype: str) -> Any:  # noqa: ANN401 - a type that is built at run time
    """What an element of a tensor is in JSON."""
    if datatype == BYTES:
        return str
    if datatype == "BOOL":
        return bool
    if datatype.startswith("FP"):
        return float
    info = np.iinfo(DTYPES[datatype])
    return Annotated[int, Meta(ge=max(int(info.min), -WHOLE_MAX), le=min(int(info.max), WHOLE_MAX))]


_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    datatype: msgspec.json.Decoder(list[_elements(datatype) | None])  # type: ignore[misc]
    for datatype in DATATYPES
}


def read_request(content: bytes | bytearray) -> Request:
    """Read the JSON of a request.

    Raises:
        InvalidBody: it is none, or not what the protocol asks for.
    """
    try:
        request = _REQUEST.decode(content)
    except msgspec.ValidationError as error:
        faults.parse(content)  # what is no JSON further behind is another fault
        raise InvalidRow(*faults.split(error)) from None
    except faults.UNREADABLE as error:
        raise faults.unreadable(content, error) from None
    faults.check_unique(content, request.strings())
    return request


def place(tensor: int, element: int | None) -> str:
    """The JSONPath of an element, or of a tensor."""
    return f"$.inputs[{tensor}]" if element is None else f"$.inputs[{tensor}].data[{element}]"


def request_tensors(inputs: Sequence[Input], binary: memoryview) -> list[Tensor]:
    """The inputs of a request with their values.

    Args:
        inputs: as the JSON has them.
        binary: what follows the JSON.

    Raises:
        InvalidRow: they do not fit what is said of them.
    """
    tensors, start = [], 0
    for number, each in enumerate(inputs):
        if each.datatype not in _DECODERS:
            raise InvalidRow(
                f"$.inputs[{number}].datatype", f"{faults.shortened(each.datatype)!r} is none of {', '.join(_DECODERS)}"
            )
        size = _binary_size(each.parameters, number) if each.parameters else None
        count = count_elements(each.shape, f"$.inputs[{number}].shape")
        values: Values
        if size is not None:
            if each.data is not UNSET:
                raise InvalidRow(f"$.inputs[{number}]", f"has both `data` and the parameter {SIZE}")
            if size > len(binary) - start:
                raise InvalidRow(
                    f"$.inputs[{number}].parameters.{SIZE}",
                    f"is {size}, and {len(binary) - start} bytes follow the JSON, whose length {HEADER_LENGTH} tells",
                )
            try:
                values = unpack(each.datatype, binary[start : start + size], count)
            except ValueError as error:
                raise InvalidRow(f"$.inputs[{number}]", str(error)) from None
            start += size
        elif each.data is UNSET:
            raise InvalidRow(f"$.inputs[{number}]", f"has neither `data` nor the parameter {SIZE}")
        else:
            values = _data(each.data, each.datatype, each.shape, number)
            if len(values) != count:
                raise InvalidRow(
                    f"$.inputs[{number}].data", f"has {len(values)} elements, and the shape {each.shape} says {count}"
                )
        tensors.append(Tensor(each.name, each.shape, values))
    if start != len(binary):
        raise InvalidRow("$", f"has {len(binary) - start} bytes behind its last tensor")
    return tensors


def _binary_size(parameters: Mapping[str, Any], number: int) -> int | None:
    """How many bytes of a tensor follow the JSON; None if it is in it."""
    path = f"$.inputs[{number}].parameters"
    check_input(parameters, path)
    size = parameters.get(SIZE)
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise InvalidRow(f"{path}.{SIZE}", "must be a number of bytes")
    return size


def _data(data: Raw, datatype: str, shape: Sequence[int], number: int) -> list[Any]:
    """The elements of a tensor in JSON, flat or nested by its dimensions."""
    try:
        values: list[Any] = _DECODERS[datatype].decode(data)
    except msgspec.ValidationError as error:
        if _NESTED.match(bytes(data)) is not None:
            return _data(Raw(_flattened(data, shape, number)), datatype, shape, number)
        path, reason = faults.split(error)
        raise InvalidRow(
            f"$.inputs[{number}].data{path.removeprefix('$')}", f"{reason}, which no {datatype} is"
        ) from None
    return _rounded(values, datatype) if datatype in {"FP32", "FP16"} else values


def _flattened(data: Raw, shape: Sequence[int], number: int) -> bytes:
    """Nested arrays as a flat one.

    Raises:
        InvalidRow: they are not nested as the shape says.
    """
    path = f"$.inputs[{number}].data"
    try:
        rows = msgspec.json.decode(data, type=list[list[Raw]])
    except msgspec.ValidationError as error:
        inner, reason = faults.split(error)
        raise InvalidRow(path + inner.removeprefix("$"), reason) from None
    if len(shape) != 2 or len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        raise InvalidRow(path, f"is nested otherwise than the shape {list(shape)} says")
    return msgspec.json.encode([value for row in rows for value in row])


def _rounded(values: list[Any], datatype: str) -> list[Any]:
    """Numbers as their datatype has them; what is beyond it is infinite, which no row takes."""
    if datatype == "FP32" and None not in values:
        return array("f", values).tolist()
    with np.errstate(over="ignore"):
        numbers = np.array(values, DTYPES[datatype]).tolist()
    return [None if value is None else number for value, number in zip(values, numbers, strict=True)]
