"""The reference's own arrangement: artifacts in an S3 store, read with the variables that its users set."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtest.process import serving
from preprocessing import schema
from registry import ModelURI, ModelVersion
from registry.engines import open_engine
from registry.prepare import prepare
from tests.isolation import MLFLOW_WARNS, isolated_mlflow
from tests.support import Client

BUCKET = "models"

pytestmark = MLFLOW_WARNS


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A real S3 API over HTTP with an empty bucket; yields the variables that lead there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "minio",
        "AWS_SECRET_ACCESS_KEY": "minio-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with (tmp_path / "s3.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log)
    try:
        make_bucket(environment)
        yield environment
    finally:
        process.terminate()
        process.wait(timeout=10)


def make_bucket(environment: dict[str, str]) -> None:
    """Create the bucket as soon as the store answers."""
    import boto3
    from botocore.exceptions import EndpointConnectionError

    client = boto3.client(
        "s3",
        endpoint_url=environment["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    give_up = time.monotonic() + 30
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
        except EndpointConnectionError:
            assert time.monotonic() < give_up, "the store does not answer"
        else:
            return


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


def test_a_model_with_artifacts_in_s3_is_trained_and_prepared(tracking_uri: str, tmp_path: Path) -> None:
    """Training writes the model into the bucket, and what prepares it for serving reads it from there."""
    from training.__main__ import main

    assert main(["--tracking-uri", tracking_uri, "--trees", "2"]) == 0
    folder = tmp_path / "prepared"
    folder.mkdir()
    prepared = prepare(ModelURI.parse("models:/BestModelRF/Production"), tracking_uri, "auto", folder)
    assert prepared.version == ModelVersion("BestModelRF", "1")
    assert open_engine(prepared).name == "compiled"


@pytest.mark.slow
def test_a_model_with_artifacts_in_s3_is_trained_and_served(
    tracking_uri: str, train: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """So do the commands: one trains, the other serves."""
    done = train(["--tracking-uri", tracking_uri, "--trees", "4"])
    assert done.returncode == 0, done.stderr
    with serving(["--tracking-uri", tracking_uri]) as server:
        reply = Client(server).ask("POST", "/predict", json.dumps({"features": schema.EXAMPLE}).encode())
    assert reply.status == 200
    assert reply.headers["canopy-model"] == "BestModelRF/1"
