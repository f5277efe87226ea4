"""The protocol of ``mlflow models serve``, which SageMaker's endpoints speak as well.

https://mlflow.org/docs/latest/genai/serving/ and https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from typing import Any, ClassVar, Final

import orjson
from starlette.responses import Response

from preprocessing import InvalidRow, faults
from preprocessing.block import Rows
from preprocessing.jsonschema import example_row
from serving.codecs.codec import Codec, Encoded, Frame, Pairs
from serving.codecs.values import (
    PREDICTIONS,
    read_columns,
    read_csv,
    read_json,
    read_list,
    read_matrix,
    records_schema,
    rows_schema,
)
from serving.errors import plain_status, told
from serving.exchange import Answer
from serving.operation import JSON, Body, Operation, Served
from serving.table import Table

CSV: Final = "text/csv"

_FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")

_CODES: Final = {
    400: "BAD_REQUEST",
    404: "ENDPOINT_NOT_FOUND",
    413: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's error codes; what else a client did wrong is a bad request."""


class Invocations(Codec):
    """``POST /invocations``; its option is whether the body is CSV."""

    path: ClassVar[str] = "/invocations"
    reads: ClassVar[frozenset[str]] = frozenset({"content-type"})
    content_types: ClassVar[tuple[str, ...]] = (JSON, CSV)
    refusal: ClassVar[int] = 400

    def options(self, query: Pairs, headers: Pairs) -> bool:  # noqa: ARG002
        """See ``Codec``."""
        return any(name == "content-type" and value.lower().startswith(CSV) for name, value in headers)

    def constant(self, options: bool) -> bool:  # noqa: ARG002
        """See ``Codec``."""
        return True

    def tells_probabilities(self, options: bool) -> bool:  # noqa: ARG002
        """See ``Codec``: never."""
        return False

    def decode(self, table: Table, body: bytes | bytearray, frame: Frame) -> tuple[Rows, Frame]:
        """See ``Codec``."""
        return read_csv(table, body) if frame.options else _read(table, read_json(body, nan=True)), frame

    def about(self, served: Served) -> Operation:
        """See ``Codec``."""
        rows = rows_schema(served)
        split = {
            "type": "object",
            "required": ["data"],
            "properties": {
                "columns": {"type": "array", "items": {"type": "string"}},
                "index": {"type": "array"},
                "data": {"type": "array", "items": {"type": "array"}, "minItems": 1, "maxItems": served.max_rows},
            },
            "additionalProperties": False,
        }
        forms = {
            "dataframe_split": split,
            "dataframe_records": records_schema(served),
            "instances": rows,
            "inputs": {"anyOf": [rows, {"type": "object", "additionalProperties": {"type": "array"}}]},
        }
        request = [
            {
                "type": "object",
                "required": [name],
                "properties": {name: form, "params": {"type": ["object", "null"], "maxProperties": 0}},
                "additionalProperties": False,
            }
            for name, form in forms.items()
        ]
        error = {
            "type": "object",
            "required": ["error_code", "message"],
            "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
        }
        names, row = served.schema.names, example_row(served.schema)
        lines = "\n".join([",".join(names), ",".join("" if value is None else str(value) for value in row), ""])
        return Operation(
            "invocations",
            "Predict as clients of MLflow's model server and of SageMaker ask.",
            "MLflow",
            {JSON: Body(PREDICTIONS)},
            {
                JSON: Body({"anyOf": request}, {"dataframe_split": {"columns": names, "data": [row]}}),
                CSV: Body({"type": "string"}, lines),
            },
            error={JSON: Body(error)},
        )

    def encode(self, answer: Answer, options: bool) -> Encoded:  # noqa: ARG002
        """See ``Codec``."""
        return Encoded(orjson.dumps({"predictions": answer.labels}))

    def error(self, error: Exception) -> Response:
        """See ``Codec``."""
        failure = told(error)
        status = plain_status(failure)
        document = {"error_code": _CODES.get(status, _CODES[400]), "message": failure.detail}
        return Response(orjson.dumps(document), status, failure.headers, JSON)


def _read(table: Table, content: object) -> Rows:
    if not isinstance(content, dict):
        raise InvalidRow("$", f"expected an object with one of {', '.join(_FORMS)}, got {faults.kind(content)}")
    for name in content:
        if name not in _FORMS and name != "params":
            raise InvalidRow("$", f"has the unknown field {faults.shortened(name)!r}; send one of {', '.join(_FORMS)}")
    if content.get("params"):
        raise InvalidRow("$.params", "is not taken here: the model has no parameters")
    forms = [name for name in _FORMS if name in content]
    if len(forms) != 1:
        raise InvalidRow("$", f"has {' and '.join(forms) or 'none'} of {', '.join(_FORMS)}: send one of them")
    (form,) = forms
    rows, path = content[form], f"$.{form}"
    if form == "dataframe_split":
        return _split(table, rows, path)
    if form == "inputs" and isinstance(rows, dict):
        return read_columns(table, rows, path)
    if form == "dataframe_records" and isinstance(rows, list) and any(not isinstance(row, dict) for row in rows):
        raise InvalidRow(path, "expected an array of objects; send lists of values as `dataframe_split` or `inputs`")
    return read_list(table, rows, path)


def _split(table: Table, frame: Any, path: str) -> Rows:  # noqa: ANN401 - JSON
    """Read a DataFrame as pandas writes it with ``orient="split"``; the index says nothing of the rows."""
    if not isinstance(frame, dict):
        raise InvalidRow(path, f"expected an object with `columns` and `data`, got {faults.kind(frame)}")
    for name in frame:
        if name not in {"columns", "data", "index"}:
            raise InvalidRow(path, f"has the unknown field {faults.shortened(name)!r}")
    if "data" not in frame:
        raise InvalidRow(path, "lacks the field `data`")
    columns = frame.get("columns")
    if isinstance(columns, list) and columns == list(range(len(columns))):  # as pandas numbers what has no names
        numbers = [str(number) for number in columns]
        columns = numbers if table.reader.knows(numbers) else None
    elif columns is not None and not (isinstance(columns, list) and all(isinstance(name, str) for name in columns)):
        raise InvalidRow(f"{path}.columns", "expected an array of names")
    return read_matrix(table, columns, frame["data"], f"{path}.data")
