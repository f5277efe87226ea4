"""A model downloaded with MLflow's own client."""

import hashlib
import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models.model import MLMODEL_FILE_NAME
from numpy.typing import NDArray

from forest import (
    Engine,
    FittedForest,
    UnsupportedModel,
    answers,
    fitted_forest,
    is_installed,
    mismatch,
    read_forest,
    why_no_forest,
)
from preprocessing import schema
from registry.access import Access
from registry.columns import column_order
from registry.confinement import expect
from registry.errors import UnusableModel
from registry.fetch import Absent, check
from registry.flavours import Flavours
from registry.loading import check_skops, load, other_version, own_version
from registry.prepared import OtherVersions, TrustedFormats
from registry.version import Logged

_GREATEST = np.finfo(np.float32).max


def download(uri: str, access: Access, folder: Path) -> None:
    """Download artifacts into a folder, which is made.

    Raises:
        Exception: whatever MLflow and its clients raise.
    """
    mlflow.set_tracking_uri(access.tracking_uri)
    mlflow.set_registry_uri(access.tracking_uri)
    folder.mkdir()
    mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder))


def download_file(access: Access, location: str, file: Logged, path: Path) -> None:
    """Do what ``fetch`` does, for artifacts that only MLflow's client can read.

    Raises:
        UnusableModel: the file is damaged or gone.
    """
    folder = path.with_name("download")
    address = f"{location.rstrip('/')}/{file.path}"
    try:
        download(address, access, folder)
        next(each for each in folder.rglob("*") if each.is_file()).replace(path)
    except Exception as error:
        raise Absent(f"{address} cannot be downloaded: {type(error).__name__}: {error}") from error
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
        others: what to do if another version of scikit-learn made it.

    Raises:
        FileNotFoundError: nothing was there to download.
    """

    def __init__(self, path: Path, formats: TrustedFormats, others: OtherVersions = "refuse") -> None:
        if not (path / MLMODEL_FILE_NAME).exists():
            raise FileNotFoundError("its files are gone; `make train` makes a new version")
        self.path = path
        self.formats = formats
        self.others = others
        self._model = mlflow.models.Model.load(str(path))
        self.flavours = Flavours(path, self._model.flavors)
        self._made_by: list[str] = []

    @cached_property
    def forest(self) -> FittedForest:
        """The forest in the model, read as data; loaded only if it cannot be, which may run the code in it.

        Raises:
            UnsupportedModel: it is no forest, or not one that can be compiled.
            VersionMismatch: so, and another version of scikit-learn made it.
            UntrustedFormat: it may not be loaded.
            MemoryError: there is too little memory for it.
        """
        file = self.flavours.estimator_file()
        if self.formats == "skops":
            file = check_skops(self.path)
        self._expect()
        try:
            return read_forest(file)
        except UnsupportedModel as error:
            if (version := self.flavours.other_version) is not None:
                if self.others == "refuse":
                    raise other_version(version, str(error)) from None
                raise UnsupportedModel(f"{mismatch(version)} ({error})") from None
            estimator = self.estimator
            if self._made_by:
                raise UnsupportedModel(f"{mismatch(self._made_by[0])} ({error})") from None
            return fitted_forest(estimator)

    @property
    def other_version(self) -> str | None:
        """The other version of scikit-learn that made the model, if one did; as far as it is known."""
        return self._made_by[0] if self._made_by else self.flavours.other_version

    def itself(self) -> Callable[[], Any] | None:
        """What loads the forest under the version that made it; None if that is not installed."""
        return (lambda: self.estimator) if is_installed(self.forest.version) else None

    @cached_property
    def estimator(self) -> Any:  # noqa: ANN401 - sklearn is untyped
        """The forest in the model, loaded by its own library.

        Raises:
            UnsupportedModel: it is no forest.
            VersionMismatch: another version of scikit-learn made it.
            UntrustedFormat: it may not be loaded.
            MemoryError: there is too little memory for it.
        """
        self.flavours.estimator_file()
        if (version := self.flavours.other_version) is not None and self.others == "refuse":
            raise other_version(version)
        self._expect()
        with own_version(self.others) as self._made_by:
            estimator = load(self.path, self.formats)
        if (reason := why_no_forest(estimator)) is not None:
            raise UnsupportedModel(reason)
        return estimator

    @staticmethod
    def order(forest: FittedForest) -> NDArray[np.intp] | None:
        """The schema's column for each of the forest's.

        Raises:
            SchemaMismatch: the forest's columns are not the schema's.
        """
        return column_order(forest.columns, forest.width)

    def named_order(self) -> NDArray[np.intp] | None:
        """The schema's column for each of the loaded forest's.

        Raises:
            SchemaMismatch: the forest's columns are not the schema's.
        """
        return column_order(getattr(self.estimator, "feature_names_in_", None), self.estimator.n_features_in_)

    def check_answers(self, engine: Engine, examples: NDArray[np.float32]) -> None:
        """Hold an engine against the answers that were logged for the input example, if there are any.

        Raises:
            UnusableModel: they differ.
        """
        if (logged := answers.read(self.path)) is None or not len(examples):
            return
        try:
            logged.check(engine.predict(examples))
        except ValueError as error:
            raise UnusableModel(f"the model is not as it was logged: {error}") from error

    def _expect(self) -> None:
        expect(sum(file.stat().st_size for file in self.path.rglob("*")))

    def example(self, order: NDArray[np.intp] | None) -> NDArray[np.float32]:
        """The model's input example as (n, 54) rows of the schema; no rows if there is none that is such."""
        none = np.empty((0, len(schema.COLUMNS)), dtype=np.float32)
        try:
            example = np.asarray(self._model.load_input_example(str(self.path)), dtype=np.float64)
        except (TypeError, ValueError, OSError):
            return none
        if example.ndim != 2 or example.shape[1] != none.shape[1] or not (abs(example) <= _GREATEST).all():
            return none
        rows = np.empty(example.shape, dtype=np.float32)
        rows[:, slice(None) if order is None else order] = example
        return rows
