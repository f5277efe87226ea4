"""Canopy's own format: rows as lists or records in JSON, answered by labels and on request probabilities."""

from typing import Any, ClassVar

import orjson

from preprocessing import Row, RowDecoder
from serving.codecs.codec import Codec, Pairs
from serving.codecs.frame import flag
from serving.errors import NoProbabilities
from serving.inference import Answer


class Predict(Codec):
    """``POST /predict``; its options are whether probabilities are asked for, by ``?probabilities=true``."""

    path: ClassVar[str] = "/predict"

    def takes(self, media_type: str) -> bool:
        """See ``Codec``: JSON by any name."""
        return media_type == self.content_type or (
            media_type.startswith("application/") and media_type.endswith("+json")
        )

    def options(self, query: Pairs, headers: Pairs) -> bool:  # noqa: ARG002
        """See ``Codec``."""
        return flag("probabilities", query)

    def constant(self, options: bool) -> bool:
        """See ``Codec``."""
        return not options

    def decode(self, decoder: RowDecoder, body: bytes | bytearray, options: bool) -> list[Row]:  # noqa: ARG002
        """See ``Codec``."""
        return decoder.decode(body)

    def encode(self, answer: Answer, options: bool) -> bytes:
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
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
