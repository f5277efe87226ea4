"""The V1 protocol of KServe and TensorFlow Serving, which Vertex AI speaks as well.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol and
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from typing import ClassVar, Final

import orjson
from starlette.responses import Response

from preprocessing import InvalidRow, faults
from preprocessing.block import Rows
from preprocessing.jsonschema import example_row
from serving.codecs.codec import Codec, Encoded, Frame
from serving.codecs.values import PREDICTIONS, read_json, read_list, rows_schema
from serving.errors import plain_error
from serving.exchange import Answer
from serving.operation import ERROR, JSON, Body, Operation, Served
from serving.table import Table

_BESIDE: Final = frozenset({"parameters", "signature_name"})


class Instances(Codec):
    """``POST /v1/models/{model}:predict``.

    Args:
        route: another path of its own, such as Vertex AI names one; empty if there is none.
    """

    path: ClassVar[str] = "/v1/models/{model}:predict"
    refusal: ClassVar[int] = 400

    def __init__(self, route: str = "") -> None:
        self.more_paths = ("/v1/models/{model}/versions/{version}:predict", *([route] if route else []))

    def constant(self, options: None) -> bool:  # noqa: ARG002
        """See ``Codec``."""
        return True

    def tells_probabilities(self, options: None) -> bool:  # noqa: ARG002
        """See ``Codec``: never."""
        return False

    def decode(self, table: Table, body: bytes | bytearray, frame: Frame) -> tuple[Rows, Frame]:
        """See ``Codec``."""
        content = read_json(body)
        if not isinstance(content, dict) or "instances" not in content:
            raise InvalidRow("$", "expected an object with `instances`")
        for name, value in content.items():
            if name == "instances":
                continue
            if name not in _BESIDE:
                raise InvalidRow("$", f"has the unknown field {faults.shortened(name)!r}; send `instances`")
            if value and (name, value) != ("signature_name", "serving_default"):
                raise InvalidRow(f"$.{name}", "is not taken here: the model has neither parameters nor signatures")
        return read_list(table, content["instances"], "$.instances"), frame

    def about(self, served: Served) -> Operation:
        """See ``Codec``."""
        request = {
            "type": "object",
            "required": ["instances"],
            "properties": {"instances": rows_schema(served)},
            "additionalProperties": False,
        }
        return Operation(
            "predictV1",
            "Predict as KServe's V1 protocol, TensorFlow Serving and Vertex AI ask.",
            "V1",
            {JSON: Body(PREDICTIONS)},
            {JSON: Body(request, {"instances": [example_row(served.schema)]})},
            error={JSON: Body(ERROR)},
        )

    def encode(self, answer: Answer, options: None) -> Encoded:  # noqa: ARG002
        """See ``Codec``."""
        return Encoded(orjson.dumps({"predictions": answer.labels}))

    def error(self, error: Exception) -> Response:
        """See ``Codec``."""
        return plain_error(error)
