"""Forests from files, for the command line."""

from pathlib import Path
from typing import Any, Final

from forest.engine import UnsupportedModel
from forest.estimator import fitted_forest, why_no_forest
from forest.files.installed import OtherVersion, is_installed, mismatch, watched
from forest.files.reading import read_forest
from forest.fitted import FittedForest

_TRUSTED: Final = ["sklearn.tree._tree.Tree"]
"""What a forest in the skops format has in it beyond what skops trusts by itself."""

_IN_FOLDER: Final = ("model.skops", "model.pkl")
"""The estimator's file in the folder of an MLflow model."""


def estimator_file(source: Path) -> Path:
    """The file with the estimator: the source itself, or one in it if it is a folder.

    Raises:
        FileNotFoundError: there is none.
    """
    candidates = [source / name for name in _IN_FOLDER] if source.is_dir() else [source]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"there is no {' or '.join(map(str, candidates))}")


def load_forest(source: Path) -> tuple[FittedForest, Any]:
    """Read a forest from a skops, pickle or joblib file, or the folder of an MLflow scikit-learn model.

    It is read as data. Only if that cannot be done, and the file is no skops file, does the code in it run.

    Returns:
        The forest, and the estimator if this scikit-learn is of the minor version that made it; else None.

    Raises:
        OSError: the file cannot be read.
        UnsupportedModel: the file has no forest in it, or one of another version that cannot be read as data.
    """
    file = estimator_file(source)
    try:
        forest = read_forest(file)
    except UnsupportedModel as error:
        try:
            estimator = load_estimator(source)
        except OtherVersion as other:
            raise OtherVersion(f"{other}; it cannot be read without it, for {error}") from None
        return fitted_forest(estimator), estimator
    return forest, load_estimator(source) if is_installed(forest.version) else None


def load_estimator(source: Path) -> Any:  # noqa: ANN401 - sklearn is untyped
    """Load a forest from a skops, pickle or joblib file, or the folder of an MLflow scikit-learn model.

    A pickle or joblib file runs the code in it; a skops file does not.

    Raises:
        OSError: the file cannot be read.
        OtherVersion: another minor version of scikit-learn made it.
        UnsupportedModel: the file has no forest in it.
    """
    source = estimator_file(source)
    made_by: list[str] = []
    try:
        with watched() as made_by:
            estimator = _load(source)
    except OSError:
        raise
    except Exception as error:
        if made_by:
            raise OtherVersion(f"{source}: {mismatch(made_by[0])}") from error
        raise UnsupportedModel(f"{source}: is no estimator: {type(error).__name__}: {error}") from error
    if made_by:
        raise OtherVersion(f"{source}: {mismatch(made_by[0])}")
    if (reason := why_no_forest(estimator)) is not None:
        raise UnsupportedModel(f"{source}: {reason}")
    return estimator


def _load(file: Path) -> Any:  # noqa: ANN401 - sklearn is untyped
    if file.suffix == ".skops":
        import skops.io

        return skops.io.load(file, trusted=_TRUSTED)
    import joblib

    return joblib.load(file)
