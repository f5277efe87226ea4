"""What deploy/kserve has KServe run: manifests that its own models take, and the container's very command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from loadtest.system.process import ServerProcess, serving
from tests.conftest import ROOT, Store
from tests.helpers.formats import row_of
from tests.helpers.support import Client

pytestmark = pytest.mark.clients

PYTHON = str(ROOT / ".venv-clients" / "bin" / "python")
HERE = Path(__file__).parent
MANIFESTS = sorted((ROOT / "deploy" / "kserve").glob("*.yaml"))
FEATURES = [row_of(elevation) for elevation in (2000.0, 2600.0, 3200.0)]


def manifest(name: str) -> dict[str, Any]:
    """One of the manifests."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "kserve" / f"{name}.yaml").read_text())
    return document


def arguments(service: dict[str, Any], folder: Path) -> list[str]:
    """What the container is given but for its address: the runtime's arguments with the service's behind them.

    So KServe joins them, and it fills in the service's name (MergeRuntimeContainers and ReplacePlaceholders in its
    controller). The folder of this machine stands for /mnt/models.
    """
    (container,) = manifest("runtime")["spec"]["containers"]
    given = [*container["args"], *service["spec"]["predictor"]["model"].get("args", [])]
    filled = [each.replace("{{.Name}}", service["metadata"]["name"]) for each in given]
    filled = [each.replace("/mnt/models", str(folder)) for each in filled]
    kept = [each for each in filled if not each.startswith(("--host=", "--port=", "--cache="))]
    return [*kept, f"--cache={folder.parent / 'cache'}"]


@pytest.fixture(scope="module")
def models(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as KServe's storage initializer fills it."""
    folder = tmp_path_factory.mktemp("mnt") / "models"
    script = "import sys, mlflow; mlflow.artifacts.download_artifacts('models:/BestModelRF/1', dst_path=sys.argv[1])"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store.tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run([sys.executable, "-c", script, str(folder)], env=environment, timeout=240, check=True)
    return folder


@pytest.fixture(scope="module")
def labels(store: Store) -> list[int]:
    """What a bare server says of the same version."""
    with serving(["--tracking-uri", store.tracking_uri]) as server:
        reply = Client(server).ask("POST", "/predict", json.dumps({"features": FEATURES}).encode())
    found: list[int] = reply.document["prediction"]
    return found


@pytest.fixture
def server(models: Path, store: Store, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """The container's program, for one of the services."""
    environment = {"MLFLOW_TRACKING_URI": store.tracking_uri, "CANOPY_DRAIN_IDLE_SECONDS": "0"}
    with serving(arguments(manifest(request.param), models), environment=environment) as server:
        yield server


def check(*files: Path) -> str:
    """What KServe's models have to say of manifests."""
    command = [PYTHON, str(HERE / "kserve_manifests.py"), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stderr.strip()


def test_kserves_models_take_the_manifests() -> None:
    """Each field is known to them, and of the right type."""
    assert MANIFESTS
    assert check(*MANIFESTS) == ""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param("storageUri", "storageURI", "storageURI: no field", id="a-misspelt-field"),
        pytest.param("maxReplicas: 4", "maxReplicas: many", "'many' is no int", id="a-word-for-a-number"),
        pytest.param("modelFormat:", "modelformat:", "modelformat: no field", id="a-field-in-small-letters"),
    ],
)
def test_a_fault_in_a_manifest_is_found(tmp_path: Path, before: str, after: str, said: str) -> None:
    """The check above sees what it should."""
    file = tmp_path / "service.yaml"
    file.write_text((ROOT / "deploy" / "kserve" / "from-storage.yaml").read_text().replace(before, after))
    assert said in check(file)


@pytest.mark.parametrize("server", ["from-storage", "from-registry"], indirect=True)
def test_kserves_client_is_answered_under_the_services_name(server: ServerProcess, labels: list[int]) -> None:
    """The model is called as the InferenceService is, whichever way it came; both ways give the same labels."""
    address = f"{server.host}:{server.port}"
    command = [PYTHON, str(HERE / "kserve_rest.py"), address, "cover-type", json.dumps(FEATURES), json.dumps(labels)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    name, _, version = server.get("/health/ready")["model"].partition("/")
    assert name == "cover-type"
    assert server.get("/v2/models/cover-type")["versions"] == [version]


def test_the_probes_ask_for_what_is_there(models: Path) -> None:
    """Both paths are answered while it serves."""
    (container,) = manifest("runtime")["spec"]["containers"]
    with serving(arguments(manifest("from-storage"), models)) as server:
        for probe in ("readinessProbe", "livenessProbe"):
            assert server.get(container[probe]["httpGet"]["path"])


def test_a_folder_without_a_model_ends_the_server_with_the_remedy(models: Path, tmp_path: Path) -> None:
    """KServe shows the container's last words."""
    folder = tmp_path / "models"
    shutil.copytree(models, folder / "model")
    options = arguments(manifest("from-storage"), folder)
    with (
        (tmp_path / "log").open("wb") as log,
        pytest.raises(RuntimeError, match="status 1"),
        serving(options, log=log),
    ):
        pass
    assert "has no MLmodel, but model in it has: name that folder" in (tmp_path / "log").read_text()
