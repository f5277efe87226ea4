"""Requests for the same rows in every format that is served, and what their answers say."""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from preprocessing import covertype
from preprocessing.matrix import Expansion
from tests.helpers.support import Answer, request

MODEL: Final = "BestModelRF"
INFER: Final = f"/v2/models/{MODEL}/infer"
V1: Final = f"/v1/models/{MODEL}:predict"
HEADER_LENGTH: Final = "Inference-Header-Content-Length"

Row = tuple[float, ...]


def row_of(elevation: float) -> Row:
    """A row of the forest-cover table."""
    return (elevation, *[1.0] * 9, 0.0, 0.0)


def columns_of(rows: list[Row]) -> list[list[float]]:
    """The 54 columns of some rows."""
    out = np.empty((len(rows), len(covertype.COLUMNS)))
    Expansion(covertype.SCHEMA).write(np.array(rows), out)
    return out.tolist()


@dataclass(frozen=True, slots=True)
class Format:
    """A way to ask.

    Attributes:
        target: where.
        body: the body for some rows.
        labels: what an answer says.
        content_type: of the body.
        headers: more headers, which depend on the body.
        invalid: the status of an answer to a body that breaks the schema.
    """

    target: str
    body: Callable[[list[Row]], bytes]
    labels: Callable[[Answer], list[Any]]
    content_type: str = "application/json"
    headers: Callable[[list[Row]], list[str]] = lambda _: []
    invalid: int = 400

    def request(self, *elevations: float, headers: tuple[str, ...] = ()) -> bytes:
        """The bytes of a request for rows that differ in their elevation."""
        return self.of([row_of(elevation) for elevation in elevations], *headers)

    def of(self, rows: list[Row], *headers: str) -> bytes:
        """The bytes of a request for some rows."""
        more = (*self.headers(rows), *headers)
        return request(self.body(rows), *more, target=self.target, content_type=self.content_type)


def encoded(document: Mapping[str, Any]) -> bytes:
    """A document as JSON."""
    return json.dumps(document).encode()


def records(rows: list[Row]) -> list[dict[str, float]]:
    """Rows by name."""
    return [dict(zip(covertype.FIELDS, row, strict=True)) for row in rows]


def tensors(rows: list[Row]) -> list[dict[str, Any]]:
    """A tensor for each field."""
    return [
        {"name": name, "shape": [len(rows), 1], "datatype": "FP64", "data": [row[number] for row in rows]}
        for number, name in enumerate(covertype.FIELDS)
    ]


def matrix(rows: list[list[float]] | list[Row], datatype: str = "FP64") -> dict[str, Any]:
    """One tensor for all of them."""
    data = [value for row in rows for value in row]
    return {"name": "features", "shape": [len(rows), len(rows[0])], "datatype": datatype, "data": data}


def binary(inputs: list[dict[str, Any]], dtype: str, **more: Any) -> tuple[bytes, bytes]:  # noqa: ANN401 - JSON
    """The JSON of a request with its tensors in binary form, and these."""
    with np.errstate(over="ignore"):  # what is beyond a type is infinite
        parts = [np.array(each["data"], dtype).tobytes() for each in inputs]
    described = [
        {**{key: each[key] for key in ("name", "shape", "datatype")}, "parameters": {"binary_data_size": len(part)}}
        for each, part in zip(inputs, parts, strict=True)
    ]
    return encoded({"inputs": described, **more}), b"".join(parts)


def _binary_matrix(rows: list[Row]) -> tuple[bytes, bytes]:
    return binary([matrix(rows, "FP32")], "<f4", parameters={"binary_data_output": True})


def _binary_columns(rows: list[Row]) -> tuple[bytes, bytes]:
    return binary([matrix(columns_of(rows), "FP64")], "<f8")


def _csv(rows: list[Row]) -> bytes:
    return "\n".join([",".join(covertype.FIELDS), *(",".join(map(str, row)) for row in rows), ""]).encode()


def _v2_labels(answer: Answer) -> list[Any]:
    length = int(answer.headers.get(HEADER_LENGTH.lower(), len(answer.body)))
    (output,) = json.loads(answer.body[:length])["outputs"]
    assert output["name"] == "predict"
    if "data" in output:
        labels: list[Any] = output["data"]
        return labels
    size = output["parameters"]["binary_data_size"]
    return list(struct.unpack(f"<{size // 8}q", answer.body[length:]))


def _predictions(answer: Answer) -> list[Any]:
    labels: list[Any] = answer.document["predictions"]
    return labels


def _prediction(answer: Answer) -> list[Any]:
    labels: list[Any] = answer.document["prediction"]
    return labels


def _length(parts: Callable[[list[Row]], tuple[bytes, bytes]]) -> Callable[[list[Row]], list[str]]:
    return lambda rows: [f"{HEADER_LENGTH}: {len(parts(rows)[0])}"]


def _v2_binary(parts: Callable[[list[Row]], tuple[bytes, bytes]]) -> Format:
    return Format(
        INFER, lambda rows: b"".join(parts(rows)), _v2_labels, "application/octet-stream", headers=_length(parts)
    )


def _invocations(name: str, make: Callable[[list[Row]], Any]) -> Format:
    return Format("/invocations", lambda rows: encoded({name: make(rows)}), _predictions)


FORMATS: Final = {
    "predict": Format("/predict", lambda rows: encoded({"features": rows}), _prediction, invalid=422),
    "predict-records": Format("/predict", lambda rows: encoded({"instances": records(rows)}), _prediction, invalid=422),
    "predict-columns": Format(
        "/predict", lambda rows: encoded({"features": columns_of(rows)}), _prediction, invalid=422
    ),
    "predict-columns-records": Format(
        "/predict",
        lambda rows: encoded(
            {"instances": [dict(zip(covertype.COLUMNS, row, strict=True)) for row in columns_of(rows)]}
        ),
        _prediction,
        invalid=422,
    ),
    "v2": Format(INFER, lambda rows: encoded({"inputs": [matrix(rows)]}), _v2_labels),
    "v2-fields": Format(INFER, lambda rows: encoded({"inputs": tensors(rows)}), _v2_labels),
    "v2-columns": Format(INFER, lambda rows: encoded({"inputs": [matrix(columns_of(rows))]}), _v2_labels),
    "v2-binary": _v2_binary(_binary_matrix),
    "v2-binary-columns": _v2_binary(_binary_columns),
    "split": _invocations(
        "dataframe_split", lambda rows: {"columns": covertype.FIELDS, "index": list(range(len(rows))), "data": rows}
    ),
    "split-columns": _invocations(
        "dataframe_split",
        lambda rows: {"columns": covertype.COLUMNS[::-1], "data": [r[::-1] for r in columns_of(rows)]},
    ),
    "records": _invocations("dataframe_records", records),
    "instances": _invocations("instances", list),
    "inputs": _invocations(
        "inputs", lambda rows: {name: [row[n] for row in rows] for n, name in enumerate(covertype.FIELDS)}
    ),
    "csv": Format("/invocations", _csv, _predictions, "text/csv"),
    "v1": Format(V1, lambda rows: encoded({"instances": rows}), _predictions),
    "v1-records": Format(V1, lambda rows: encoded({"instances": records(rows)}), _predictions),
    "v1-columns": Format(V1, lambda rows: encoded({"instances": columns_of(rows)}), _predictions),
}
"""A name → a way to ask."""
