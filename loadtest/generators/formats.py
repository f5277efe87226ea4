"""Requests for rows of the forest-cover table in every format that is served."""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import orjson

from preprocessing.covertype import FIELDS

Rows: TypeAlias = Sequence[Sequence[float]]

JSON: Final = "application/json"
BINARY: Final = "application/octet-stream"


class Message(NamedTuple):
    """What is sent.

    Attributes:
        body: the body.
        headers: that it needs.
    """

    body: bytes
    headers: dict[str, str]


class Format(NamedTuple):
    """A way to ask.

    Attributes:
        target: where; ``{model}`` stands for the model's name.
        message: makes what is sent for some rows.
    """

    target: str
    message: Callable[[Rows], Message]


def _json(document: dict[str, Any]) -> Message:
    return Message(orjson.dumps(document), {"Content-Type": JSON})


def _whole(rows: Rows) -> list[list[float]]:
    """Whole numbers as such, as clients that read them from a file write them."""
    return [[int(value) if value == int(value) else value for value in row] for row in rows]


def _predict(rows: Rows) -> Message:
    values = _whole(rows)
    return _json({"features": values[0] if len(values) == 1 else values})


def _tensor(rows: Rows, datatype: str) -> dict[str, Any]:
    return {"name": "features", "shape": [len(rows), len(rows[0])], "datatype": datatype}


def _v2(rows: Rows) -> Message:
    data = [value for row in _whole(rows) for value in row]
    return _json({"inputs": [{**_tensor(rows, "FP64"), "data": data}]})


def _v2_fields(rows: Rows) -> Message:
    shape = [len(rows), 1]
    inputs = [
        {"name": name, "shape": shape, "datatype": "FP64", "data": [row[number] for row in _whole(rows)]}
        for number, name in enumerate(FIELDS)
    ]
    return _json({"inputs": inputs})


def _v2_binary(rows: Rows) -> Message:
    data = np.array(rows, "<f4").tobytes()
    tensor = {**_tensor(rows, "FP32"), "parameters": {"binary_data_size": len(data)}}
    head = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    return Message(head + data, {"Content-Type": BINARY, "Inference-Header-Content-Length": str(len(head))})


def _split(rows: Rows) -> Message:
    return _json({"dataframe_split": {"columns": FIELDS, "data": _whole(rows)}})


def _instances(rows: Rows) -> Message:
    return _json({"instances": _whole(rows)})


FORMATS: Final = {
    "predict": Format("/predict", _predict),
    "probabilities": Format("/predict?probabilities=true", _predict),
    "v2": Format("/v2/models/{model}/infer", _v2),
    "v2-fields": Format("/v2/models/{model}/infer", _v2_fields),
    "v2-binary": Format("/v2/models/{model}/infer", _v2_binary),
    "invocations": Format("/invocations", _split),
    "v1": Format("/v1/models/{model}:predict", _instances),
}
"""A name → a way to ask over HTTP."""


def grpc_message(model: str, rows: Rows) -> bytes:
    """The body of a ``ModelInfer`` call as HTTP/2 carries it: a message behind its length.

    https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
    """
    from serving.grpc.open_inference_pb2 import ModelInferRequest

    values = np.array(rows, "<f4")
    request = ModelInferRequest(model_name=model, raw_input_contents=[values.tobytes()])
    request.inputs.add(name="features", datatype="FP32", shape=values.shape)
    message: bytes = request.SerializeToString()
    return struct.pack(">BI", 0, len(message)) + message
