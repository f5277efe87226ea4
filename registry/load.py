"""Fetching a version and building the engine that serves it."""

import logging
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, Literal

from forest import Engine, EngineName, UnsupportedModel, build_engine, why_no_forest
from registry.columns import column_order
from registry.errors import RegistryError, UnusableModel
from registry.pyfunc import PyfuncEngine
from registry.resolve import ModelVersion, resolve
from registry.uri import ModelURI

logger = logging.getLogger("canopy.registry")

EngineChoice = EngineName | Literal["pyfunc"]


def load(uri: ModelURI, tracking_uri: str, engine: EngineChoice = "auto") -> tuple[ModelVersion, Engine]:
    """Resolve a model URI, fetch that version and build an engine for it.

    Loading a pickled model runs the code in it: use only registries that you trust.

    Args:
        uri: the model.
        tracking_uri: the tracking server, or the database of an embedded store.
        engine: which engine to build; ``auto`` builds the forest's fastest, or pyfunc for what is no forest.

    Raises:
        ModelNotFound: there is no such model, version, stage or alias.
        StoreUnavailable: the server or store cannot be used.
        UnusableModel: the version cannot be fetched, loaded or served.
    """
    version = resolve(uri, tracking_uri)
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    folder = Path(tempfile.mkdtemp(prefix="canopy-model-"))
    built: Engine | None = None
    try:
        path = mlflow.artifacts.download_artifacts(artifact_uri=version.uri, dst_path=str(folder))
        built = _build(path, engine)
    except RegistryError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UnusableModel(f"{version.name}/{version.number} cannot be loaded: {reason}") from error
    finally:
        if isinstance(built, PyfuncEngine):
            # Such a model may read its files at any time; they go when it does.
            weakref.finalize(built, shutil.rmtree, folder, ignore_errors=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return version, built


def _build(path: str, choice: EngineChoice) -> Engine:
    """Build an engine from a downloaded model."""
    import mlflow
    from mlflow.models.model import MLMODEL_FILE_NAME

    if not (Path(path) / MLMODEL_FILE_NAME).exists():
        raise FileNotFoundError("its files are gone; `make train` makes a new version")
    if choice != "pyfunc":
        estimator, reason = _forest(path)
        if estimator is not None:
            names = getattr(estimator, "feature_names_in_", None)
            return build_engine(choice, estimator, column_order(names, estimator.n_features_in_))
        if choice != "auto":
            raise UnsupportedModel(reason)
        logger.warning("serving through pyfunc, which takes milliseconds a call: %s", reason)
    return PyfuncEngine(mlflow.pyfunc.load_model(path))


def _forest(path: str) -> tuple[Any, str]:
    """The forest in a downloaded model; or None, and why it is none."""
    import mlflow

    flavors = mlflow.models.Model.load(path).flavors
    if "sklearn" not in flavors:
        return None, f"the model has no scikit-learn flavour, only {', '.join(sorted(flavors))}"
    estimator = mlflow.sklearn.load_model(path)
    if (reason := why_no_forest(estimator)) is not None:
        return None, reason
    return estimator, ""
