"""Formats in which predictions are asked for and answered, and nothing else: a file for each.

A new one is a ``Codec`` in a file of its own, and a place in ``make_codecs``. Both ways of HTTP then serve it.
"""

from collections.abc import Iterable
from typing import Final

from serving.codecs.codec import Codec, Encoded, Frame, encoded
from serving.codecs.invocations import Invocations
from serving.codecs.predict import Predict
from serving.codecs.v1 import Instances
from serving.codecs.v2 import OpenInference


def make_codecs(predict_route: str = "") -> tuple[Codec, ...]:
    """The formats that are served.

    Args:
        predict_route: a path at which a platform wants the V1 protocol, whatever else is there; empty if none does.
    """
    return Predict(), OpenInference(), Invocations(), Instances(predict_route)


def places(codecs: Iterable[Codec]) -> dict[str, Codec]:
    """Where each format is served: a path with its own in it counts for less than what somebody has asked for."""
    found = {codec.path: codec for codec in codecs}
    return found | {path: codec for codec in codecs for path in codec.more_paths}


CODECS: Final = make_codecs()
"""The formats where nothing else is asked for."""

__all__ = ["CODECS", "Codec", "Encoded", "Frame", "encoded", "make_codecs", "places"]
