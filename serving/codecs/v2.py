"""The Open Inference Protocol, version 2, over HTTP, with its extension for binary tensors.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

import msgspec
import numpy as np
import orjson
from msgspec import UNSET, Meta, Raw, UnsetType
from starlette.responses import Response

from preprocessing import InvalidRow, faults
from preprocessing.block import Rows
from preprocessing.jsonschema import example_row
from preprocessing.schema import WHOLE_MAX
from serving.codecs.asking import Wants, check_input, read_timeout, read_wants
from serving.codecs.codec import Codec, Encoded, Frame, Pairs
from serving.codecs.frame import only
from serving.codecs.tensors import (
    BYTES,
    DTYPES,
    LABELS,
    MATRIX,
    PROBABILITIES,
    Tensor,
    Values,
    count_elements,
    outputs,
    pack,
    read_tensors,
    unpack,
)
from serving.errors import BadParameter, plain_error
from serving.inference import Answer
from serving.model import check_served
from serving.operation import ERROR, JSON, Body, Operation, Served
from serving.table import Table

HEADER_LENGTH: Final = "Inference-Header-Content-Length"
"""Header that tells how many bytes of a body are JSON; tensors in binary form follow."""

BINARY: Final = "application/octet-stream"

_SIZE: Final = "binary_data_size"
_NESTED: Final = re.compile(rb"\s*\[\s*\[")
_KEPT: Final = 256
"""Frames that are remembered."""

Dimension = Annotated[int, Meta(ge=0, le=1 << 32)]


class _Input(msgspec.Struct, gc=False, forbid_unknown_fields=True):
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


class _Output(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    name: str
    parameters: dict[str, Any] | UnsetType | None = UNSET

    def strings(self) -> int:
        """How many strings it has, names included."""
        return 2 + (self.parameters is not UNSET) + faults.count_strings(self.parameters)


class _Request(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    inputs: list[_Input]
    id: str | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET
    outputs: list[_Output] | UnsetType | None = UNSET
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


_REQUEST: Final = msgspec.json.Decoder(_Request)


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
    for datatype in (*DTYPES, BYTES)
}


_PLAIN: Final = Wants()


class OpenInference(Codec):
    """``POST /v2/models/{model}/infer``; its options are the length of the JSON at first, and ``Wants`` then."""

    path: ClassVar[str] = "/v2/models/{model}/infer"
    more_paths: tuple[str, ...] = ("/v2/models/{model}/versions/{version}/infer",)
    reads: ClassVar[frozenset[str]] = frozenset({HEADER_LENGTH.lower()})
    content_types: ClassVar[tuple[str, ...]] = (JSON, BINARY)
    refusal: ClassVar[int] = 400

    def __init__(self) -> None:
        self._frames: dict[tuple[Frame, Wants], Frame] = {}

    def options(self, query: Pairs, headers: Pairs) -> int | None:  # noqa: ARG002
        """See ``Codec``: how many bytes of the body are JSON; None for all of them."""
        text = only(HEADER_LENGTH, headers)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()) or len(text) > 10:
            raise BadParameter(f"{HEADER_LENGTH} must be a number of bytes, not {text!r}")
        return int(text)

    def decode(self, table: Table, body: bytes | bytearray, frame: Frame) -> tuple[Rows, Frame]:
        """See ``Codec``."""
        length: int | None = frame.options
        if length is not None and length > len(body):
            raise InvalidRow("$", f"has {len(body)} bytes, and {HEADER_LENGTH} says that {length} of them are JSON")
        request = _read(body if length is None else body[:length])
        binary = memoryview(body)[len(body) if length is None else length :]
        version = frame.version
        if request.model_name or request.model_version:
            check_served(table.model, request.model_name or None, request.model_version or None)
            version = request.model_version or version
        wants, timeout = _PLAIN, frame.timeout
        if request.outputs or request.parameters or request.id:
            parameters = request.parameters or {}
            asked = [(output.name, output.parameters or {}) for output in request.outputs or ()]
            wants = read_wants(parameters, asked, request.id or None)
            timeout = read_timeout(parameters, timeout)
        rows = read_tensors(table, _tensors(request.inputs, binary), _place)
        return rows, self._frame(frame, wants, timeout, version)

    def _frame(self, frame: Frame, wants: Wants, timeout: float | None, version: str | None) -> Frame:
        """What is asked inside of the body and outside; the same object for what is often asked."""
        plain = wants.id is None and not wants.parameters and [name for name, _ in wants.outputs] == [LABELS]
        constant = plain and not frame.timed and version is None
        if not constant or timeout != frame.timeout:
            return Frame(self, wants, timeout, frame.timed, constant, version)
        found = self._frames.get((frame, wants))
        if found is None:
            if len(self._frames) >= _KEPT:
                self._frames.clear()
            found = self._frames[frame, wants] = Frame(self, wants, timeout, frame.timed, constant)
        return found

    def about(self, served: Served) -> Operation:
        """See ``Codec``."""
        tensor = {
            "type": "object",
            "required": ["name", "shape", "datatype"],
            "properties": {
                "name": {
                    "type": "string",
                    "enum": list(dict.fromkeys([MATRIX, *served.schema.names, *served.schema.expanded])),
                },
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 2},
                "datatype": {"type": "string", "enum": list(_DECODERS)},
                "parameters": {"type": ["object", "null"]},
                "data": {"type": "array"},
            },
            "additionalProperties": False,
        }
        output = {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "enum": [LABELS, PROBABILITIES]},
                "parameters": {"type": ["object", "null"]},
            },
            "additionalProperties": False,
        }
        request = {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "inputs": {"type": "array", "items": tensor, "minItems": 1},
                "outputs": {"type": ["array", "null"], "items": output},
                "id": {"type": ["string", "null"]},
                "parameters": {"type": ["object", "null"]},
                "model_name": {"type": ["string", "null"], "enum": [served.name, None]},
                "model_version": {"type": ["string", "null"], "enum": [served.version, None]},
            },
            "additionalProperties": False,
        }
        answer = {
            "type": "object",
            "required": ["model_name", "model_version", "outputs"],
            "properties": {
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "id": {"type": "string"},
                "parameters": {"type": "object"},
                "outputs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "datatype", "shape"],
                        "properties": {
                            "name": {"type": "string"},
                            "datatype": {"type": "string"},
                            "shape": {"type": "array", "items": {"type": "integer"}},
                            "data": {"type": "array"},
                            "parameters": {"type": "object"},
                        },
                    },
                },
            },
        }
        row = example_row(served.schema)
        example = {"inputs": [{"name": MATRIX, "shape": [1, len(row)], "datatype": "FP64", "data": row}]}
        binary = {
            "description": f"As many bytes of JSON as the header {HEADER_LENGTH} says, and then the elements of the "
            f"tensors whose parameter {_SIZE} says how many bytes they are."
        }
        return Operation(
            "infer",
            "Predict as the Open Inference Protocol asks.",
            "Open Inference Protocol",
            {JSON: Body(answer), BINARY: Body(binary)},
            {JSON: Body(request, example), BINARY: Body(binary)},
            error={JSON: Body(ERROR)},
        )

    def encode(self, answer: Answer, options: Wants) -> Encoded:
        """See ``Codec``: JSON, with the outputs behind it that were asked for in binary form."""
        document: dict[str, Any] = {"model_name": answer.model.name, "model_version": answer.model.version}
        if options.id is not None:
            document["id"] = options.id
        if options.parameters:
            document["parameters"] = orjson.Fragment(options.parameters)
        told_outputs, parts = [], []
        for output, (_, binary) in zip(
            outputs(answer, [name for name, _ in options.outputs]), options.outputs, strict=True
        ):
            each: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
            if binary:
                parts.append(pack(output))
                each["parameters"] = {_SIZE: len(parts[-1])}
            else:
                each["data"] = output.values
            told_outputs.append(each)
        document["outputs"] = told_outputs
        content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
        if not parts:
            return Encoded(content)
        return Encoded(b"".join((content, *parts)), BINARY, ((HEADER_LENGTH.lower(), str(len(content))),))

    def error(self, error: Exception) -> Response:
        """See ``Codec``."""
        return plain_error(error)


def _read(content: bytes | bytearray) -> _Request:
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


def _place(tensor: int, element: int | None) -> str:
    return f"$.inputs[{tensor}]" if element is None else f"$.inputs[{tensor}].data[{element}]"


def _tensors(inputs: Sequence[_Input], binary: memoryview) -> list[Tensor]:
    """The inputs of a request with their values.

    Args:
        inputs: as the JSON has them.
        binary: what follows the JSON.
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
                raise InvalidRow(f"$.inputs[{number}]", f"has both `data` and the parameter {_SIZE}")
            if size > len(binary) - start:
                raise InvalidRow(
                    f"$.inputs[{number}].parameters.{_SIZE}",
                    f"is {size}, and {len(binary) - start} bytes follow the JSON, whose length {HEADER_LENGTH} tells",
                )
            try:
                values = unpack(each.datatype, binary[start : start + size], count)
            except ValueError as error:
                raise InvalidRow(f"$.inputs[{number}]", str(error)) from None
            start += size
        elif each.data is UNSET:
            raise InvalidRow(f"$.inputs[{number}]", f"has neither `data` nor the parameter {_SIZE}")
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
    size = parameters.get(_SIZE)
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise InvalidRow(f"{path}.{_SIZE}", "must be a number of bytes")
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
