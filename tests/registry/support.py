"""Loading a model as a server does at its start, but in one process."""

import hashlib
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from forest import Engine
from preprocessing.matrix import MatrixBuilder
from registry import EngineChoice, ModelURI, ModelVersion, Preparation, Prepared, RegistryConfig
from registry.caching.cache import Cache
from registry.caching.entry_builder import sizes
from registry.opening.engines import open_engine
from registry.preparing.prepare import prepare
from registry.version import FORMAT, TAG, CompiledArtifactRef
from tests.helpers.object_store import BUCKET


@dataclass(frozen=True, slots=True)
class Place:
    """A store with BestModelRF and all specimens in it.

    Attributes:
        tracking_uri: its address.
        files: where it keeps the specimens' files.
    """

    tracking_uri: str
    files: Path


FORESTS = [
    pytest.param("Permuted", id="permuted-columns-skops"),
    pytest.param("PermutedPickle", id="permuted-columns-cloudpickle"),
    pytest.param("UCI", id="UCI-names-skops"),
    pytest.param("UCIPickle", id="UCI-names-cloudpickle"),
    pytest.param("Fetched", id="fetch_covtype-names"),
    pytest.param("Unnamed", id="no-names"),
]
"""Specimens that can be compiled."""


def loaded(place: Place, name: str, choice: EngineChoice = "auto") -> Engine:
    """The engine for the first version of a model."""
    version, engine = load(f"models:/{name}/1", place.tracking_uri, choice)
    assert str(version) == f"{name}/1"
    return engine


def load(uri: str, tracking_uri: str, choice: EngineChoice = "auto") -> tuple[ModelVersion, Engine]:
    """The version that a URI means, and its engine. The files go with the engine."""
    folder = Path(tempfile.mkdtemp(prefix="canopy-model-"))
    prepared = prepared_in(folder, uri, tracking_uri, choice)
    engine = open_engine(prepared)
    weakref.finalize(engine, shutil.rmtree, folder, ignore_errors=True)
    return prepared.version, engine


def prepared_in(
    folder: Path, uri: str, tracking_uri: str, choice: EngineChoice = "auto", *, anew: bool = False
) -> Prepared:
    """What a URI means, prepared in a cache in a folder."""
    return prepare(ModelURI.parse(uri), way(tracking_uri), Preparation(choice), Cache(folder), anew=anew)


def spoil(folder: Path) -> None:
    """Change what is in an entry's files, but not their sizes."""
    for path in sizes(folder):
        file = folder / path
        file.write_bytes(bytes(file.stat().st_size))


def way(tracking_uri: str, **environment: str) -> RegistryConfig:
    """The way to a registry, from some variables and none of this process's own."""
    return RegistryConfig.read(tracking_uri, environment)


def matrix(made: Prepared, rows: list[list[float]], dtype: type[np.floating]) -> NDArray[Any]:
    """The matrix of some rows of a client's, as the server builds it."""
    plain = [tuple(None if value != value else value for value in row) for row in rows]
    builder = MatrixBuilder(made.schema, len(plain))
    return builder.build([plain], dtype)  # type: ignore[list-item]


def log_in_s3(place: Place, content: bytes, name: str) -> str:
    """Register a version whose artifacts are in S3, with nothing but a compiled forest; returns its URI."""
    from mlflow import MlflowClient

    client = MlflowClient(place.tracking_uri, place.tracking_uri)
    experiment = client.create_experiment(name, artifact_location=f"s3://{BUCKET}/{name}/in s3")
    model = client.create_logged_model(experiment, "model")
    file = Path("forest.canopy")
    file.write_bytes(content)
    client.log_model_artifact(model.model_id, str(file), "canopy")
    client.finalize_logged_model(model.model_id, "READY")
    logged = CompiledArtifactRef("canopy/forest.canopy", FORMAT, hashlib.sha256(content).hexdigest(), len(content))
    client.create_registered_model(name)
    tags = {TAG: msgspec.json.encode(logged).decode()}
    client.create_model_version(name, f"models:/{model.model_id}", model_id=model.model_id, tags=tags)
    return f"models:/{name}/1"
