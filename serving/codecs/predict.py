"""Canopy's own format: rows as lists or records in JSON, answered by labels and on request probabilities."""

from typing import Any, ClassVar

import orjson

from preprocessing.block import Rows
from serving.codecs.codec import JSON, Codec, Encoded, Frame, Pairs
from serving.codecs.frame import flag
from serving.errors import NoProbabilities
from serving.inference import Answer
from serving.table import Table


class Predict(Codec):
    """``POST /predict``; its options are whether probabilities are asked for, by ``?probabilities=true``."""

    path: ClassVar[str] = "/predict"

    def takes(self, media_type: str) -> bool:
        """See ``Codec``: JSON by any name."""
        return media_type == JSON or (media_type.startswith("application/") and media_type.endswith("+json"))

    def options(self, query: Pairs, headers: Pairs) -> bool:  # noqa: ARG002
        """See ``Codec``."""
        return flag("probabilities", query)

    def constant(self, options: bool) -> bool:
        """See ``Codec``."""
        return not options

    def decode(self, table: Table, body: bytes | bytearray, frame: Frame) -> tuple[Rows, Frame]:
        """See ``Codec``."""
        return table.decoder.decode(body), frame

    def encode(self, answer: Answer, options: bool) -> Encoded:
        """See ``Codec``: ``prediction``, and if asked ``probabilities`` with the ``classes`` that they are of.

        Raises:
            NoProbabilities: they were asked for, and the model gives none.
        """
        document: dict[str, Any] = {"prediction": answer.labels}
        if options:
            if (probabilities := answer.probabilities) is None:
                raise NoProbabilities(
                    f"{answer.model} is served by {answer.model.engine.name}, which gives labels only"
                )
            document["probabilities"] = probabilities
            document["classes"] = answer.model.classes
        return Encoded(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))
