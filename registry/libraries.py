"""MLflow, and what comes with it: the libraries that prepare, and serve, models that are not compiled.

The slim image has none of them. It serves what is compiled already, and refuses all else in words.
"""

import importlib.util
import shlex
from typing import Final

from registry.errors import NeedsFullImage

LACKED: Final = "MLflow and its companions, which are not installed here, as in the slim image"
"""What is missing, for messages."""


def installed() -> bool:
    """Whether MLflow is, which brings or accompanies all others; asked without importing it."""
    return importlib.util.find_spec("mlflow") is not None


def cannot_prepare(version_uri: str, reason: str) -> NeedsFullImage:
    """The error for a version that would have to be compiled here.

    Args:
        version_uri: names the version by its number.
        reason: why it cannot be fetched as it is.
    """
    return NeedsFullImage(
        f"{reason}, and to prepare it takes {LACKED}: serve it by the full image (canopy), or prepare it by that one, "
        f"with `python -m registry prepare {shlex.quote(version_uri)} --cache FOLDER` on a cache folder that is shared"
    )


def cannot_serve(version: object, engine: str) -> NeedsFullImage:
    """The error for a version that an engine is to serve that needs them."""
    return NeedsFullImage(
        f"{version} is to be served by the engine {engine}, which takes {LACKED}: serve it by the full image (canopy)"
    )
