"""Loading a model as a server does at its start, but in one process."""

import shutil
import tempfile
import weakref
from pathlib import Path

import pytest

from forest import Engine
from registry import EngineChoice, ModelURI, ModelVersion
from registry.engines import open_engine
from registry.prepare import prepare
from tests.registry.conftest import Place

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
    assert version == ModelVersion(name, "1")
    return engine


def load(uri: str, tracking_uri: str, choice: EngineChoice = "auto") -> tuple[ModelVersion, Engine]:
    """The version that a URI means, and its engine. The files go with the engine."""
    folder = Path(tempfile.mkdtemp(prefix="canopy-model-"))
    prepared = prepare(ModelURI.parse(uri), tracking_uri, choice, folder)
    engine = open_engine(prepared)
    weakref.finalize(engine, shutil.rmtree, folder, ignore_errors=True)
    return prepared.version, engine
