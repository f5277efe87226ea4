"""A model downloaded with MLflow's own client."""

import hashlib
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository
from numpy.typing import NDArray

from forest import UnsupportedModel, why_no_forest
from preprocessing import schema
from registry.access import Access
from registry.columns import column_order
from registry.confinement import expect
from registry.fetch import Absent, check
from registry.loading import load
from registry.plain import plain
from registry.prepared import TrustedFormats
from registry.version import Logged

_GREATEST = np.finfo(np.float32).max


def download(uri: str, access: Access, folder: Path) -> None:
    """Download the files of a version, which a model URI names by its number, into a folder, which is made.

    Raises:
        Exception: whatever MLflow and its clients raise.
    """
    _set_uris(access)
    folder.mkdir()
    # ``mlflow.artifacts.download_artifacts`` would take models:/fraud@eu/1 for the file 1 of what is called eu.
    ModelsArtifactRepository(uri).download_artifacts("", str(folder))


def _set_uris(access: Access) -> None:
    mlflow.set_tracking_uri(access.tracking_uri)
    mlflow.set_registry_uri(access.tracking_uri)


def download_file(access: Access, location: str, file: Logged, path: Path) -> None:
    """Do what ``fetch`` does, for artifacts that only MLflow's client can read.

    Raises:
        UnusableModel: the file is damaged or gone.
    """
    folder = path.with_name("download")
    folder.mkdir()
    _set_uris(access)
    try:
        Path(get_artifact_repository(location).download_artifacts(file.path, str(folder))).replace(path)
    except Exception as error:
        raise Absent(f"{location}/{file.path} cannot be downloaded: {type(error).__name__}: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    check(file, path.stat().st_size, digest, location)


class Download:
    """A downloaded MLflow model.

    Args:
        path: its folder.
        formats: the files of it that may be loaded.

    Raises:
        FileNotFoundError: nothing was there to download.
    """

    def __init__(self, path: Path, formats: TrustedFormats) -> None:
        if not (path / MLMODEL_FILE_NAME).exists():
            raise FileNotFoundError("its files are gone; `make train` makes a new version")
        self.path = path
        self.formats = formats
        self._model = mlflow.models.Model.load(plain(path))

    @cached_property
    def forest(self) -> Any:  # noqa: ANN401 - sklearn is untyped
        """The forest in the model.

        Raises:
            UnsupportedModel: it is no forest.
            UntrustedFormat: it may not be loaded.
            MemoryError: there is too little memory for it.
        """
        if "sklearn" not in self._model.flavors:
            flavors = ", ".join(sorted(self._model.flavors))
            raise UnsupportedModel(f"the model has no scikit-learn flavour, only {flavors}")
        expect(sum(file.stat().st_size for file in self.path.rglob("*")))
        estimator = load(self.path, self.formats)
        if (reason := why_no_forest(estimator)) is not None:
            raise UnsupportedModel(reason)
        return estimator

    @cached_property
    def order(self) -> NDArray[np.intp] | None:
        """The schema's column for each of the forest's.

        Raises:
            SchemaMismatch: the forest's columns are not the schema's.
        """
        return column_order(getattr(self.forest, "feature_names_in_", None), self.forest.n_features_in_)

    def example(self) -> NDArray[np.float32]:
        """The model's input example as (n, 54) rows of the schema; no rows if there is none that is such."""
        none = np.empty((0, len(schema.COLUMNS)), dtype=np.float32)
        try:
            example = np.asarray(self._model.load_input_example(plain(self.path)), dtype=np.float64)
        except (TypeError, ValueError, OSError):
            return none
        if example.ndim != 2 or example.shape[1] != none.shape[1] or not (abs(example) <= _GREATEST).all():
            return none
        rows = np.empty(example.shape, dtype=np.float32)
        rows[:, slice(None) if self.order is None else self.order] = example
        return rows
