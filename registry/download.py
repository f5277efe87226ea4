"""A model downloaded with MLflow's own client."""

import hashlib
import shutil
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models.model import MLMODEL_FILE_NAME
from numpy.typing import NDArray

from forest import UnsupportedModel, why_no_forest
from preprocessing import schema
from registry.access import Access
from registry.columns import Columns, Stated, Told, settle
from registry.confinement import expect
from registry.fetch import Absent, check
from registry.loading import load
from registry.prepared import TrustedFormats
from registry.pyfunc import told
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
        stated: the order of its columns, if it does not name them itself.

    Raises:
        FileNotFoundError: nothing was there to download.
    """

    def __init__(self, path: Path, formats: TrustedFormats, stated: Stated) -> None:
        if not (path / MLMODEL_FILE_NAME).exists():
            raise FileNotFoundError("its files are gone; `make train` makes a new version")
        self.path = path
        self.formats = formats
        self._stated = stated
        self._model = mlflow.models.Model.load(str(path))

    @cached_property
    def estimator(self) -> Any:  # noqa: ANN401 - sklearn is untyped
        """The scikit-learn estimator in the model.

        Raises:
            UnsupportedModel: there is none.
            UntrustedFormat: it may not be loaded.
            MemoryError: there is too little memory for it.
        """
        if "sklearn" not in self._model.flavors:
            flavors = ", ".join(sorted(self._model.flavors))
            raise UnsupportedModel(f"the model has no scikit-learn flavour, only {flavors}")
        expect(sum(file.stat().st_size for file in self.path.rglob("*")))
        return load(self.path, self.formats)

    @property
    def forest(self) -> Any:  # noqa: ANN401 - sklearn is untyped
        """The forest in the model.

        Raises:
            UnsupportedModel: it is no forest.
            Exception: as ``estimator``.
        """
        if (reason := why_no_forest(self.estimator)) is not None:
            raise UnsupportedModel(reason)
        return self.estimator

    @cached_property
    def columns(self) -> Columns:
        """The model's columns: as it names them itself, in the order in which MLflow would hand them to it.

        Raises:
            SchemaMismatch: they are not the schema's.
            Exception: as ``estimator``, but for UnsupportedModel.
        """
        parts = {"its signature": told(self._model.get_input_schema())}
        with suppress(UnsupportedModel):
            # Names and signature of a forest have to agree. Another estimator may look its columns up by their names.
            if why_no_forest(self.estimator) is None or parts["its signature"].names is None:
                names, width = (getattr(self.estimator, what, None) for what in ("feature_names_in_", "n_features_in_"))
                parts["its estimator"] = Told(names, width)
        if all(part.names is None for part in parts.values()):
            # MLflow sorts an example's columns by the signature's names, so that its order tells nothing beside them.
            parts["its input example"] = Told(getattr(self._example, "columns", None))
        return settle(parts, self._stated)

    @property
    def order(self) -> NDArray[np.intp] | None:
        """The schema's column for each of the model's; None if they are the schema's own in its order."""
        return None if self.columns.order is None else np.array(self.columns.order, dtype=np.intp)

    @cached_property
    def _example(self) -> Any:  # noqa: ANN401
        """The model's input example, None if there is none that can be read."""
        with suppress(TypeError, ValueError, OSError):
            return self._model.load_input_example(str(self.path))
        return None

    def example(self) -> NDArray[np.float32]:
        """The model's input example as (n, 54) rows of the schema; no rows if there is none that is such."""
        none = np.empty((0, len(schema.COLUMNS)), dtype=np.float32)
        try:
            example = np.asarray(self._example, dtype=np.float64)
        except (TypeError, ValueError):
            return none
        if example.ndim != 2 or example.shape[1] != none.shape[1] or not (abs(example) <= _GREATEST).all():
            return none
        rows = np.empty(example.shape, dtype=np.float32)
        rows[:, slice(None) if self.order is None else self.order] = example
        return rows
