"""Formats in which predictions are asked for and answered, and nothing else: a file for each.

A new one is a ``Codec`` in a file of its own, and a place in ``CODECS``. Both ways of HTTP then serve it at its path.
"""

from typing import Final

from serving.codecs.codec import Codec, Encoded, Frame
from serving.codecs.predict import Predict
from serving.codecs.v2 import OpenInference

CODECS: Final[tuple[Codec, ...]] = (Predict(), OpenInference())
"""The formats that are served."""

__all__ = ["CODECS", "Codec", "Encoded", "Frame"]
