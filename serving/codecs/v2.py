"""The Open Inference Protocol, version 2, over HTTP, with its extension for binary tensors.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from typing import Any, ClassVar, Final

import orjson
from starlette.responses import Response

from preprocessing import InvalidRow
from preprocessing.block import Rows
from preprocessing.jsonschema import example_row
from serving.codecs.asking import Wants, read_timeout, read_wants
from serving.codecs.codec import Codec, Encoded, Frame, Pairs
from serving.codecs.frame import only
from serving.codecs.tensors import LABELS, MATRIX, PROBABILITIES, outputs, pack, read_tensors
from serving.codecs.v2_body import DATATYPES, HEADER_LENGTH, SIZE, place, read_request, request_tensors
from serving.errors import BadParameter, plain_error
from serving.exchange import Answer
from serving.model import check_served
from serving.operation import ERROR, JSON, Body, Operation, Served
from serving.table import Table

BINARY: Final = "application/octet-stream"

_KEPT: Final = 256
"""Frames that are remembered."""

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

    def tells_probabilities(self, options: Wants) -> bool:
        """See ``Codec``."""
        return any(name == PROBABILITIES for name, _ in options.outputs)

    def decode(self, table: Table, body: bytes | bytearray, frame: Frame) -> tuple[Rows, Frame]:
        """See ``Codec``."""
        length: int | None = frame.options
        if length is not None and length > len(body):
            raise InvalidRow("$", f"has {len(body)} bytes, and {HEADER_LENGTH} says that {length} of them are JSON")
        request = read_request(body if length is None else body[:length])
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
        rows = read_tensors(table, request_tensors(request.inputs, binary), place)
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
                "datatype": {"type": "string", "enum": list(DATATYPES)},
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
            f"tensors whose parameter {SIZE} says how many bytes they are."
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
                each["parameters"] = {SIZE: len(parts[-1])}
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
