"""The format of ``ModelInfer``: protocol buffers.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md and, for
``raw_input_contents``, https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from google.protobuf.message import DecodeError

from preprocessing import InvalidRow
from preprocessing.block import Rows
from preprocessing.faults import shortened
from serving.codecs import Codec, Encoded, Frame
from serving.codecs.asking import CONTROL, Wants, check_input, read_timeout, read_wants
from serving.codecs.tensors import (
    BYTES,
    DTYPES,
    Output,
    Tensor,
    Values,
    count_elements,
    outputs,
    pack,
    read_tensors,
    unpack,
)
from serving.errors import MalformedRequest
from serving.exchange import Answer
from serving.grpc.open_inference_pb2 import InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse
from serving.metrics.content import MODEL_INFER
from serving.model import check_served
from serving.operation import Operation, Served
from serving.table import Table

MEDIA_TYPE: Final = "application/x-protobuf"

_CONTENTS: Final = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""A datatype → where its elements stand in a message; FP16 comes in raw form only."""


class GrpcInference(Codec):
    """``ModelInfer``; its options are, once its body is read, ``Wants``."""

    path: ClassVar[str] = MODEL_INFER

    def decode(self, table: Table, body: bytes | bytearray, frame: Frame) -> tuple[Rows, Frame]:
        """See ``Codec``.

        Raises:
            MalformedRequest: the body is no message of that kind.
            NotServed: another model or version is asked for.
        """
        try:
            request = ModelInferRequest.FromString(bytes(body))
        except DecodeError as error:
            raise MalformedRequest(f"this is no ModelInferRequest: {error}") from None
        version = request.model_version or None
        check_served(table.model, request.model_name, version)
        parameters = _plain(request.parameters)
        raw = bool(request.raw_input_contents)
        asked = [(output.name, _plain(output.parameters)) for output in request.outputs]
        wants = read_wants(parameters | {"binary_data_output": raw}, asked, request.id or None)
        echoed = {name: each for name, each in request.parameters.items() if name not in CONTROL}
        wants = wants._replace(parameters=ModelInferResponse(parameters=echoed).SerializeToString())
        rows = read_tensors(table, _tensors(request), _place)
        return rows, Frame(self, wants, read_timeout(parameters, frame.timeout), frame.timed, version=version)

    def about(self, served: Served) -> Operation:
        """See ``Codec``. OpenAPI has no place for it.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError

    def encode(self, answer: Answer, options: Wants) -> Encoded:
        """See ``Codec``: outputs in raw form for inputs in raw form, all of them or none."""
        response = ModelInferResponse(
            model_name=answer.model.name, model_version=answer.model.version, id=options.id or ""
        )
        response.MergeFromString(options.parameters)
        raw = any(binary for _, binary in options.outputs)
        for output in outputs(answer, [name for name, _ in options.outputs]):
            told = response.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
            if raw:
                response.raw_output_contents.append(pack(output))
            else:
                _fill(told.contents, output)
        return Encoded(response.SerializeToString(), MEDIA_TYPE)


def _place(tensor: int, element: int | None) -> str:
    return f"$.inputs[{tensor}]" if element is None else f"$.inputs[{tensor}].contents[{element}]"


def _plain(parameters: Mapping[str, InferParameter]) -> dict[str, Any]:
    """Parameters as plain Python values; one without a value is left out."""
    chosen = {name: (each, each.WhichOneof("parameter_choice")) for name, each in parameters.items()}
    return {name: getattr(each, choice) for name, (each, choice) in chosen.items() if choice is not None}


def _tensors(request: ModelInferRequest) -> list[Tensor]:
    """The inputs of a request with their values, which all come in raw form, or none does."""
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidRow("$.raw_input_contents", f"has {len(raw)} elements for {len(request.inputs)} inputs")
    tensors = []
    for number, each in enumerate(request.inputs):
        path = f"$.inputs[{number}]"
        if each.datatype not in DTYPES and each.datatype != BYTES:
            raise InvalidRow(
                f"{path}.datatype", f"{shortened(each.datatype)!r} is none of {', '.join((*DTYPES, BYTES))}"
            )
        shape = list(each.shape)
        count = count_elements(shape, f"{path}.shape")
        if each.parameters:
            check_input(_plain(each.parameters), f"{path}.parameters")
        if raw:
            values = _unpacked(each.datatype, raw[number], count, f"$.raw_input_contents[{number}]")
        else:
            values = _values(each.datatype, each.contents, path)
            if len(values) != count:
                raise InvalidRow(f"{path}.contents", f"has {len(values)} elements, and the shape {shape} says {count}")
        tensors.append(Tensor(each.name, shape, values))
    return tensors


def _unpacked(datatype: str, data: bytes, count: int, path: str) -> Values:
    try:
        return unpack(datatype, data, count)
    except ValueError as error:
        raise InvalidRow(path, str(error)) from None


def _values(datatype: str, contents: InferTensorContents, path: str) -> Values:
    """The elements of a tensor in the message itself."""
    field = _CONTENTS.get(datatype)
    if field is None:
        raise InvalidRow(f"{path}.contents", f"cannot have {datatype}: send it in raw_input_contents")
    others = [each.name for each, _ in contents.ListFields() if each.name != field]
    if others:
        raise InvalidRow(f"{path}.contents", f"has {others[0]}, and {datatype} stands in {field}")
    elements = getattr(contents, field)
    if datatype == BYTES:
        try:
            return [element.decode() for element in elements]
        except UnicodeDecodeError as error:
            raise InvalidRow(f"{path}.contents", f"is not UTF-8: {error.reason}") from None
    dtype = DTYPES[datatype]
    if dtype.kind in "iu" and dtype.itemsize < 4:
        wide = np.array(elements, np.int64)
        limits = np.iinfo(dtype)
        if ((wide < limits.min) | (wide > limits.max)).any():
            raise InvalidRow(f"{path}.contents", f"has numbers that no {datatype} is")
    return np.array(elements, dtype)


def _fill(contents: InferTensorContents, output: Output) -> None:
    values = output.values
    elements = values.tolist() if isinstance(values, np.ndarray) else [value.encode() for value in values]
    getattr(contents, _CONTENTS[output.datatype]).extend(elements)
