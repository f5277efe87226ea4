"""What an installation of the slim image's packages serves, and what it refuses."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from loadtest.system.process import serving
from preprocessing import covertype
from registry import EngineChoice
from registry.version import FORMAT, TAG, CompiledArtifactRef
from tests.helpers.isolation import MLFLOW_WARNS
from tests.helpers.slim import slim
from tests.helpers.support import PATIENCE, Client
from tests.registry.conftest import READY
from tests.registry.stub import answering
from tests.registry.support import Place, log_in_s3, prepared_in

pytestmark = MLFLOW_WARNS

EXAMPLE = json.dumps({"features": covertype.EXAMPLE}).encode()


@pytest.fixture
def variables(tmp_path: Path) -> Mapping[str, str]:
    """Those of a process that has the slim image's packages only, and a cache of its own."""
    return slim(tmp_path / "slim") | {"CANOPY_CACHE": str(tmp_path / "cache")}


def run(variables: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a module until it ends."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def refusal(variables: Mapping[str, str], place: str, uri: str, *options: str) -> tuple[str, str]:
    """The error with which the registry's command ends, and its message."""
    done = run(variables, "registry", "prepare", uri, "--tracking-uri", place, *options)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    said = json.loads(done.stdout)
    return said["error"], said["message"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--grpc-port", "0"], id="one-process"),
        pytest.param(["--workers", "2", "--http", "asgi"], id="workers"),
    ],
)
def test_a_compiled_forest_in_a_tracking_server_is_served(
    server_place: Place, variables: Mapping[str, str], options: list[str]
) -> None:
    """The server finds it, fetches it and answers, without MLflow, pandas or scikit-learn."""
    way = ["--tracking-uri", server_place.tracking_uri, "--model-uri", f"models:/{READY}@production"]
    with serving([*way, *options], environment=variables) as server:
        reply = Client(server).ask("POST", "/predict", EXAMPLE)
        pages = [server.get(page) for page in ("/health/ready", "/openapi.json")]
    assert (reply.status, reply.headers["canopy-model"]) == (200, f"{READY}/1")
    assert all(pages)


@pytest.mark.usefixtures("s3")
def test_a_compiled_forest_in_s3_is_fetched(server_place: Place, variables: Mapping[str, str], tmp_path: Path) -> None:
    """The slim image has AWS's library."""
    content = prepared_in(tmp_path / "full", f"models:/{READY}/1", server_place.tracking_uri).artifact.read_bytes()
    uri = log_in_s3(server_place, content, "InS3ForSlim")
    done = run(variables, "registry", "prepare", uri, "--tracking-uri", server_place.tracking_uri)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["engine"] == "compiled"


def test_what_the_full_image_has_compiled_into_a_shared_cache_is_served(
    server_place: Place, variables: Mapping[str, str]
) -> None:
    """As an init container with the full image prepares it."""
    uri, place = "models:/Permuted/1", server_place.tracking_uri
    prepared_in(Path(variables["CANOPY_CACHE"]), uri, place)
    with serving(["--tracking-uri", place, "--model-uri", uri], environment=variables) as server:
        reply = Client(server).ask("POST", "/predict", EXAMPLE)
    assert (reply.status, reply.headers["canopy-model"]) == (200, "Permuted/1")


def test_a_model_that_is_not_compiled_is_refused(server_place: Place, variables: Mapping[str, str]) -> None:
    """The reason comes with the image to take and the command that prepares it there."""
    error, message = refusal(variables, server_place.tracking_uri, "models:/Permuted/1")
    assert error == "NeedsFullImage"
    assert message.startswith("Permuted/1 has no compiled forest logged beside it")
    assert "the full image (canopy)" in message
    assert "python -m registry prepare models:/Permuted/1 --cache FOLDER" in message


@pytest.mark.parametrize("engine", ["sklearn", "pyfunc"])
def test_another_engine_is_refused(server_place: Place, variables: Mapping[str, str], engine: str) -> None:
    """The reason names it, and the image to take."""
    place = server_place.tracking_uri
    error, message = refusal(variables, place, f"models:/{READY}/1", "--engine", engine)
    assert error == "NeedsFullImage"
    assert message.startswith(f"{READY}/1 is to be served by the engine {engine}, which takes MLflow")
    assert message.endswith("serve it by the full image (canopy)")


def test_files_that_only_mlflow_can_read_are_refused(variables: Mapping[str, str]) -> None:
    """Their address is told, with the image to take."""
    logged = CompiledArtifactRef("forest.canopy", FORMAT, "0" * 64, 1)
    tag = {"key": TAG, "value": msgspec.json.encode(logged).decode()}
    version = {"name": "Far", "version": "1", "source": "models:/m-1", "tags": [tag]}
    pages = {
        "model-versions/get?name=Far&version=1": json.dumps({"model_version": version}).encode(),
        "get-download-uri?name=Far&version=1": b'{"artifact_uri": "gs://bucket/m"}',
    }
    with answering(pages=pages) as stub:
        error, message = refusal(variables, f"http://127.0.0.1:{stub.port}", "models:/Far/1")
    assert error == "NeedsFullImage"
    assert message.startswith("gs://bucket/m/forest.canopy can only be read by MLflow's own client")
    assert "the full image (canopy)" in message


def test_a_store_that_only_mlflow_can_ask_is_refused(variables: Mapping[str, str], tmp_path: Path) -> None:
    """The setting is named, and what to set it to."""
    error, message = refusal(variables, f"sqlite:///{tmp_path / 'mlflow.db'}", f"models:/{READY}/1")
    assert error == "BadRegistryConfig"
    assert message.startswith("MLFLOW_TRACKING_URI: sqlite:")
    assert "http:// or https://" in message


@pytest.mark.parametrize("engine", ["sklearn", "pyfunc"])
def test_what_is_prepared_for_another_engine_is_refused_and_left_to_others(
    server_place: Place, variables: Mapping[str, str], tmp_path: Path, engine: EngineChoice
) -> None:
    """The server ends, with a reason, and servers of the full image that share the cache keep what they serve."""
    uri, place, log = "models:/Permuted/1", server_place.tracking_uri, tmp_path / "log"
    prepared = prepared_in(Path(variables["CANOPY_CACHE"]), uri, place, engine)
    options = ["--tracking-uri", place, "--model-uri", uri, "--engine", engine]
    with log.open("wb") as out, serving(options, environment=variables, ready_within=None, log=out) as server:
        assert server.process.wait(PATIENCE) == 1
    assert f"Permuted/1 is to be served by the engine {engine}, which takes MLflow" in log.read_text()
    assert prepared.model.exists()
