"""From a model URI to files that an engine can be opened from."""

import logging
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest import (
    CompiledEngine,
    Origin,
    SklearnEngine,
    UnsupportedModel,
    compare,
    compile_forest,
    threshold_rows,
    why_no_forest,
    write_artifact,
)
from preprocessing import schema
from registry.columns import column_order
from registry.errors import RegistryError, UnusableModel
from registry.prepared import EngineChoice, Prepared, PreparedEngine
from registry.resolve import ModelVersion, resolve
from registry.uri import ModelURI

logger = logging.getLogger("canopy.registry")

_CANDIDATES: Final[dict[EngineChoice, tuple[PreparedEngine, ...]]] = {
    "auto": ("compiled", "sklearn", "pyfunc"),
    "compiled": ("compiled",),
    "sklearn": ("sklearn",),
    "pyfunc": ("pyfunc",),
}
"""The engines to try, in turn."""

_PENALTY: Final[dict[PreparedEngine, str]] = {
    "sklearn": "scikit-learn, many times slower than compiled",
    "pyfunc": "pyfunc, which takes milliseconds a call",
}

_GREATEST: Final = np.finfo(np.float32).max

_DRAWN_ROWS: Final = 3000
"""Rows that are drawn to hold a compiled forest against scikit-learn."""


def prepare(uri: ModelURI, tracking_uri: str, choice: EngineChoice, folder: Path) -> Prepared:
    """Resolve a model URI, fetch that version and make it ready for an engine.

    Loading a pickled model runs the code in it: use only registries that you trust.

    Args:
        uri: the model.
        tracking_uri: the tracking server, or the database of an embedded store.
        choice: the engine wanted; ``auto`` takes the fastest that can serve the model, and logs it if that is not
            the fastest of all.
        folder: where to put the files, empty.

    Raises:
        ModelNotFound: there is no such model, version, stage or alias.
        StoreUnavailable: the server or store cannot be used.
        UnusableModel: the version cannot be fetched, loaded or served.
    """
    version = resolve(uri, tracking_uri)
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    try:
        download = Prepared(version, "pyfunc", folder).model
        download.mkdir()
        mlflow.artifacts.download_artifacts(artifact_uri=version.uri, dst_path=str(download))
        return _prepare(_Download(download), version, _CANDIDATES[choice], folder)
    except RegistryError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UnusableModel(f"{version.name}/{version.number} cannot be loaded: {reason}") from error


class _Download:
    """A downloaded MLflow model.

    Raises:
        FileNotFoundError: nothing was there to download.
    """

    def __init__(self, path: Path) -> None:
        import mlflow
        from mlflow.models.model import MLMODEL_FILE_NAME

        if not (path / MLMODEL_FILE_NAME).exists():
            raise FileNotFoundError("its files are gone; `make train` makes a new version")
        self.path = path
        self._model = mlflow.models.Model.load(str(path))

    @cached_property
    def forest(self) -> Any:  # noqa: ANN401 - sklearn is untyped
        """The forest in the model.

        Raises:
            UnsupportedModel: it is no forest.
        """
        import mlflow

        if "sklearn" not in self._model.flavors:
            flavors = ", ".join(sorted(self._model.flavors))
            raise UnsupportedModel(f"the model has no scikit-learn flavour, only {flavors}")
        estimator = mlflow.sklearn.load_model(str(self.path))
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
            example = np.asarray(self._model.load_input_example(str(self.path)), dtype=np.float64)
        except (TypeError, ValueError, OSError):
            return none
        if example.ndim != 2 or example.shape[1] != none.shape[1] or not (abs(example) <= _GREATEST).all():
            return none
        rows = np.empty(example.shape, dtype=np.float32)
        rows[:, slice(None) if self.order is None else self.order] = example
        return rows


def _prepare(
    download: _Download,
    version: ModelVersion,
    candidates: Sequence[PreparedEngine],
    folder: Path,
    reason: str | None = None,
) -> Prepared:
    """Make a download ready for the first of the candidates that can serve it.

    Raises:
        UnsupportedModel: none of them can.
        ImportError: this installation lacks what the last of them needs.
    """
    engine, *slower = candidates
    prepared = Prepared(version, engine, folder)
    try:
        _PREPARE[engine](download, prepared)
    except (UnsupportedModel, ImportError) as error:
        if not slower:
            raise
        return _prepare(download, version, slower, folder, str(error))
    if reason is not None:
        logger.warning("serving %s/%s by %s: %s", version.name, version.number, _PENALTY[engine], reason)
    return prepared


def _compile(download: _Download, prepared: Prepared) -> None:
    """Compile the forest, hold it against scikit-learn and write it with the outcome."""
    forest, order, artifact = download.forest, download.order, prepared.artifact
    arrays = compile_forest(forest, order=order, columns=schema.COLUMNS)
    rows = np.vstack([download.example(), threshold_rows(forest, _DRAWN_ROWS, order=order)])
    parity = compare(CompiledEngine(arrays), SklearnEngine(forest, order), rows)
    write_artifact(artifact, arrays, Origin(prepared.version.name, prepared.version.number), parity)
    if not parity.passed:
        raise UnsupportedModel(f"compiled, it differs from scikit-learn on {parity.different} of {parity.rows} rows")
    shutil.rmtree(download.path)


def _keep_forest(download: _Download, _prepared: Prepared) -> None:
    """Make sure that scikit-learn's engine can take the download."""
    _ = download.order


def _keep(_download: _Download, _prepared: Prepared) -> None:
    """Anything will do for pyfunc."""


_PREPARE: Final[dict[PreparedEngine, Callable[[_Download, Prepared], None]]] = {
    "compiled": _compile,
    "sklearn": _keep_forest,
    "pyfunc": _keep,
}
