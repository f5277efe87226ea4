"""A downloaded model loaded by its own library: by a loader that is trusted with its files, under its own version."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from forest import load_estimator, mismatch, watched
from registry.errors import UntrustedFormat, VersionMismatch
from registry.opening.plain import plain
from registry.prepared import OtherVersions, TrustedFormats


def load(folder: Path, formats: TrustedFormats) -> Any:  # noqa: ANN401 - sklearn is untyped
    """Load the estimator of an MLflow model; do so within ``own_version``.

    Args:
        folder: of the model.
        formats: ``any`` runs the code in a pickle; ``skops`` runs none, whatever the folder has in it.

    Raises:
        UntrustedFormat: its files may run code.
        UnsupportedModel: with ``skops``, it is no forest.
    """
    return _LOAD[formats](folder)


@contextmanager
def own_version(others: OtherVersions) -> Iterator[list[str]]:
    """See to it that what is loaded meanwhile was made by the minor version of scikit-learn that is installed.

    Args:
        others: what to do if it was not.

    Yields:
        The other versions that made it, filled at the end.

    Raises:
        VersionMismatch: it was not, and that is not to be served.
    """
    made_by: list[str] = []
    try:
        with watched() as made_by:
            yield made_by
    except Exception as error:
        if made_by and others == "refuse":
            raise other_version(made_by[0]) from error
        raise
    if made_by and others == "refuse":
        raise other_version(made_by[0])


def other_version(version: str, reason: str = "") -> VersionMismatch:
    """The error for a model of another version.

    Args:
        version: which made it.
        reason: why it cannot be compiled without it.
    """
    compiled = f", and it cannot be compiled: {reason}" if reason else ""
    return VersionMismatch(
        f"{mismatch(version)}{compiled}; or have it served all the same by --other-versions serve "
        "(CANOPY_OTHER_VERSIONS)"
    )


def untrusted(reason: str) -> UntrustedFormat:
    """The error for a model that may not be loaded."""
    return UntrustedFormat(
        f"{reason}, and only skops files are trusted: log the model with serialization_format='skops', or trust any "
        "format by --trusted-formats any (CANOPY_TRUSTED_FORMATS), and with it all who can write to the registry"
    )


def check_data(folder: Path) -> Path:
    """The file of a model that has nothing in it that may run code.

    It is written by skops, or in a format of XGBoost's, LightGBM's or CatBoost's own.

    Take no word of the model's but where its file is and what reads it: neither its list of trusted types nor its own
    code.

    Raises:
        UntrustedFormat: there may be.
    """
    import mlflow

    flavours = mlflow.models.Model.load(plain(folder)).flavors
    name = next((name for name in _DATA if name in flavours), None)
    if name is None:
        raise untrusted(f"the model has only the flavours {', '.join(sorted(flavours))}")
    flavour, (word, suffixes) = flavours[name], _DATA[name]
    file = (folder / str(flavour.get(word))).resolve()
    format_ = flavour.get("serialization_format", "")
    if file.suffix not in suffixes or format_ not in ("", "skops"):
        raise untrusted(f"the model is written in the format {format_ or file.suffix}, which may run code")
    if flavour.get("code"):
        raise untrusted("the model brings code of its own")
    if not file.is_relative_to(folder.resolve()):
        raise untrusted(f"the model's file is {file.name}")
    if _CLASSES.fullmatch(str(flavour.get("model_class", "xgboost.Booster"))) is None:
        raise untrusted("the model's class is none of XGBoost's or LightGBM's")
    return file


_DATA: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "sklearn": ("pickled_model", (".skops",)),
    "xgboost": ("data", (".ubj", ".json")),
    "lightgbm": ("data", (".skops", ".lgb", ".txt")),
    "catboost": ("data", (".cb", ".cbm")),
}
"""Flavours → which of their words names the model's file, and what ends the names of files that run no code."""

_CLASSES: Final = re.compile(r"(xgboost|lightgbm)\.[\w.]+")
"""Classes that may load such files; MLflow imports whatever is named."""


def _load_any(folder: Path) -> Any:  # noqa: ANN401
    import mlflow

    flavours = mlflow.models.Model.load(plain(folder)).flavors
    name = next((name for name in _DATA if name in flavours), "sklearn")
    # A flavour's module is imported by its attribute of mlflow, which needs the flavour's library only then.
    return getattr(mlflow, name).load_model(plain(folder))


def _load_skops(folder: Path) -> Any:  # noqa: ANN401
    file = check_data(folder)
    if file.suffix == ".skops":
        return load_estimator(file)
    return _load_any(folder)


_LOAD: Final[dict[TrustedFormats, Callable[[Path], Any]]] = {"any": _load_any, "skops": _load_skops}
