"""Canopy's own format: rows as lists or records in JSON, answered by labels and on request probabilities."""

from codecs import BOM_UTF8
from typing import Any, ClassVar

import orjson

from preprocessing import InvalidBody, InvalidRow
from preprocessing.block import Rows
from preprocessing.jsonschema import example_row
from serving.codecs.codec import Codec, Encoded, Frame, Pairs
from serving.codecs.frame import flag
from serving.codecs.values import lists_schema, read_json, read_list, records_schema
from serving.exchange import Answer
from serving.operation import JSON, Body, Operation, Served
from serving.table import Table


class Predict(Codec):
    """``POST /predict``; its options are whether probabilities are asked for, by ``?probabilities=true``."""

    path: ClassVar[str] = "/predict"
    scanned: ClassVar[bool] = True

    def takes(self, media_type: str) -> bool:
        """See ``Codec``: JSON by any name."""
        return media_type == JSON or (media_type.startswith("application/") and media_type.endswith("+json"))

    def options(self, query: Pairs, headers: Pairs) -> bool:  # noqa: ARG002
        """See ``Codec``."""
        return flag("probabilities", query)

    def constant(self, options: bool) -> bool:
        """See ``Codec``."""
        return not options

    def tells_probabilities(self, options: bool) -> bool:
        """See ``Codec``."""
        return options

    def decode(self, table: Table, body: bytes | bytearray, frame: Frame) -> tuple[Rows, Frame]:
        """See ``Codec``: rows have the table's fields, or else the model's own columns."""
        try:
            return table.decoder.decode(body), frame
        except InvalidRow:
            rows = _columns(table, body)
            if rows is None:
                raise
            return rows, frame

    def about(self, served: Served) -> Operation:
        """See ``Codec``."""
        several = lists_schema(served)
        single = [one["items"] for one in several["anyOf"]]
        forms = {"features": {"anyOf": [*single, *several["anyOf"]]}, "instances": records_schema(served)}
        request = [
            {"type": "object", "required": [name], "properties": {name: form}, "additionalProperties": False}
            for name, form in forms.items()
        ]
        label = {"$ref": "#/components/schemas/Label"}
        answer = {
            "type": "object",
            "required": ["prediction"],
            "properties": {
                "prediction": {"type": "array", "items": label, "description": "A label for each row."},
                "probabilities": {
                    "type": "array",
                    "items": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}},
                    "description": "For each row, in the order of `classes`.",
                },
                "classes": {"type": ["array", "null"], "items": label},
            },
        }
        asking = {
            "name": "probabilities",
            "in": "query",
            "description": "Whether the answer has probabilities.",
            "schema": {"type": "boolean"},
        }
        return Operation(
            "predict",
            "Predict for one row, or for several.",
            "predictions",
            {JSON: Body(answer)},
            {JSON: Body({"anyOf": request}, {"features": example_row(served.schema)})},
            (asking,),
        )

    def encode(self, answer: Answer, options: bool) -> Encoded:
        """See ``Codec``: ``prediction``, and if asked ``probabilities`` with the ``classes`` that they are of.

        Raises:
            NoProbabilities: they were asked for, and the model gives none.
        """
        document: dict[str, Any] = {"prediction": answer.labels}
        if options:
            document["probabilities"] = answer.wanted_probabilities()
            document["classes"] = answer.model.classes
        return Encoded(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))


def _columns(table: Table, body: bytes | bytearray) -> Rows | None:
    """The rows of a body that have the model's own columns instead of the fields; None if they have not.

    Raises:
        InvalidRow: they have, and break the schema.
    """
    try:
        content = read_json(bytes(body).removeprefix(BOM_UTF8))
    except InvalidBody:
        return None
    if not isinstance(content, dict) or len(content) != 1:
        return None
    ((form, rows),) = content.items()
    first = rows[0] if isinstance(rows, list) and rows else None
    if form == "instances" and isinstance(first, dict):
        return read_list(table, rows, "$.instances") if table.reader.has_columns(list(first), len(first)) else None
    if form != "features" or first is None:
        return None
    if isinstance(first, list):
        return read_list(table, rows, "$.features") if table.reader.has_columns(None, len(first)) else None
    if not table.reader.has_columns(None, len(rows)):
        return None
    return table.reader.rows(
        None, [rows], lambda _, position: "$.features" if position is None else f"$.features[{position}]"
    )
