"""The estimator of a downloaded scikit-learn model, by a loader that is trusted with its files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from forest import load_estimator
from registry.errors import UntrustedFormat
from registry.plain import plain
from registry.prepared import TrustedFormats


def load(folder: Path, formats: TrustedFormats) -> Any:  # noqa: ANN401 - sklearn is untyped
    """Load the estimator of an MLflow model.

    Args:
        folder: of the model.
        formats: ``any`` runs the code in a pickle; ``skops`` runs none, whatever the folder has in it.

    Raises:
        UntrustedFormat: its files may run code.
        UnsupportedModel: with ``skops``, it is no forest.
    """
    return _LOAD[formats](folder)


def untrusted(reason: str) -> UntrustedFormat:
    """The error for a model that may not be loaded."""
    return UntrustedFormat(
        f"{reason}, and only skops files are trusted: log the model with serialization_format='skops', or trust any "
        "format by --trusted-formats any (CANOPY_TRUSTED_FORMATS), and with it all who can write to the registry"
    )


def _load_any(folder: Path) -> Any:  # noqa: ANN401
    import mlflow

    return mlflow.sklearn.load_model(plain(folder))


def _load_skops(folder: Path) -> Any:  # noqa: ANN401
    """Take no word of the model's but where its file is: neither its list of trusted types nor its own code."""
    import mlflow

    flavour = mlflow.models.Model.load(plain(folder)).flavors["sklearn"]
    if (format_ := flavour.get("serialization_format")) != "skops":
        raise untrusted(f"the model is written in the format {format_}, which may run code")
    if flavour.get("code"):
        raise untrusted("the model brings code of its own")
    file = (folder / str(flavour.get("pickled_model"))).resolve()
    if file.suffix != ".skops" or not file.is_relative_to(folder.resolve()):
        raise untrusted(f"the model's file is {file.name}")
    return load_estimator(file)


_LOAD: Final[dict[TrustedFormats, Callable[[Path], Any]]] = {"any": _load_any, "skops": _load_skops}
