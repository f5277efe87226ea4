"""The reference's own arrangement: artifacts in an S3 store, read with the variables that its users set."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtest.system.process import serving
from preprocessing import covertype
from registry import ModelURI, Preparation, RegistryConfig
from registry.caching.cache import Cache
from registry.opening.engines import open_engine
from registry.preparing.prepare import prepare
from tests.helpers.isolation import MLFLOW_WARNS, isolated_mlflow
from tests.helpers.object_store import BUCKET, object_store
from tests.helpers.support import Client

pytestmark = MLFLOW_WARNS


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables that lead to an empty bucket."""
    with object_store(tmp_path) as environment:
        yield environment


@pytest.fixture
def tracking_uri(s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store whose experiment keeps its artifacts in the bucket; this process's environment leads there."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with isolated_mlflow(tmp_path):
        from mlflow import MlflowClient

        MlflowClient(uri, uri).create_experiment("BestModelRF", artifact_location=f"s3://{BUCKET}/forests")
        yield uri
    assert not list(tmp_path.rglob("*.skops")), "the model is not in the bucket"


@pytest.mark.slow
def test_a_model_with_artifacts_in_s3_is_trained_and_prepared(
    tracking_uri: str, s3: dict[str, str], tmp_path: Path
) -> None:
    """Training writes the model into the bucket, and what prepares it for serving reads it from there."""
    from training.__main__ import main

    assert main(["--tracking-uri", tracking_uri, "--trees", "2"]) == 0
    config = RegistryConfig.read(tracking_uri, s3)
    prepared = prepare(
        ModelURI.parse("models:/BestModelRF/Production"), config, Preparation(), Cache(tmp_path / "cache")
    )
    assert str(prepared.version) == "BestModelRF/1"
    assert open_engine(prepared).name == "compiled"


@pytest.mark.slow
def test_a_model_with_artifacts_in_s3_is_trained_and_served(
    tracking_uri: str, train: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """So do the commands: one trains, the other serves."""
    done = train(["--tracking-uri", tracking_uri, "--trees", "4"])
    assert done.returncode == 0, done.stderr
    with serving(["--tracking-uri", tracking_uri]) as server:
        reply = Client(server).ask("POST", "/predict", json.dumps({"features": covertype.EXAMPLE}).encode())
    assert reply.status == 200
    assert reply.headers["canopy-model"] == "BestModelRF/1"
