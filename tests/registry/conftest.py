"""Two places that hold the same models: an SQLite store in a file, and a real MLflow server on the loopback."""

import hashlib
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from dataset import Covertype
from registry.version import FORMAT, TAG, CompiledArtifactRef
from tests.conftest import Store
from tests.helpers.isolation import isolated_mlflow
from tests.helpers.object_store import object_store
from tests.helpers.tracking_server import TrackingServer, tracking_server
from tests.registry.specimens import Specimen, specimens
from tests.registry.support import Place, prepared_in
from training.__main__ import main as train

NAME = "BestModelRF"
"""Of its ten versions, the first is in production, the ninth in Staging and called candidate, the others nowhere."""


READY = "Ready"
"""Permuted again, but with its compiled forest logged beside it."""


@pytest.fixture(autouse=True)
def _isolation(tmp_path: Path) -> Iterator[None]:
    """Leave no trace of what MLflow does in a test of this room."""
    with isolated_mlflow(tmp_path):
        yield


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nothing listens, and which no other process can take meanwhile."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def rows(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of the sample that no specimen was fitted on."""
    return np.ascontiguousarray(matrix[10_000:14_000])


@pytest.fixture(scope="session")
def zoo(
    matrix: NDArray[np.float32], sample: Covertype, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Specimen]:
    """The specimens by name."""
    with isolated_mlflow(tmp_path_factory.mktemp("zoo")):
        return specimens(matrix[:3000], sample.labels[:3000])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """A tracking server that hands out artifacts itself."""
    with tracking_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_place(
    server: TrackingServer,  # noqa: ARG001 - it may start meanwhile
    store: Store,
    zoo: dict[str, Specimen],
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    """A copy of the trained store, with the specimens."""
    folder = tmp_path_factory.mktemp("registry")
    shutil.copy(store.folder / "mlflow.db", folder)
    place = Place(f"sqlite:///{folder / 'mlflow.db'}", folder / "files")
    with isolated_mlflow(folder):
        _settle(place, zoo, place.files.as_uri())
    return place


@pytest.fixture(scope="session")
def server_place(server: TrackingServer, zoo: dict[str, Specimen]) -> Place:
    """The tracking server, trained into by the training's own command, with the specimens."""
    server.wait()
    place = Place(server.uri, server.folder / "files")
    with isolated_mlflow(server.folder):
        assert train(["--tracking-uri", place.tracking_uri, "--trees", "2", "--depth", "8"]) == 0
        _settle(place, zoo, None)
    return place


@pytest.fixture(params=["sqlite_place", "server_place"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of the two places in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Place)
    return found


def _settle(place: Place, zoo: dict[str, Specimen], location: str | None) -> None:
    """Register nine more versions of the trained model, a model without versions and the specimens."""
    import mlflow

    mlflow.set_tracking_uri(place.tracking_uri)
    mlflow.set_registry_uri(place.tracking_uri)
    client = mlflow.MlflowClient()
    first = client.get_model_version(NAME, "1")
    for _ in range(9):
        client.create_model_version(NAME, first.source, first.run_id, model_id=_logged(first.source))
    client.set_registered_model_alias(NAME, "candidate", "9")
    client.create_registered_model("Empty")
    with warnings.catch_warnings():
        # Stages are deprecated in favour of aliases; Canopy serves both.
        warnings.filterwarnings("ignore", ".*transition_model_version_stage", FutureWarning)
        # How a specimen is best logged is not what is tested.
        warnings.filterwarnings("ignore", ".*An input example was not provided", UserWarning)
        client.transition_model_version_stage(NAME, "9", "Staging")
        experiment = client.create_experiment("specimens", artifact_location=location)
        with mlflow.start_run(experiment_id=experiment):
            for name, specimen in zoo.items():
                specimen.register(name)
    (folder,) = place.files.rglob(_logged(client.get_model_version("Gone", "1").source))
    shutil.rmtree(folder)
    _log_compiled(place, client)


def _log_compiled(place: Place, client: Any) -> None:  # noqa: ANN401 - mlflow is untyped
    """Register READY: Permuted's model with its compiled forest beside it, as training logs it."""
    source = client.get_model_version("Permuted", "1").source
    with tempfile.TemporaryDirectory() as folder:
        artifact = prepared_in(Path(folder), "models:/Permuted/1", place.tracking_uri).artifact
        content = artifact.read_bytes()
        client.log_model_artifact(_logged(source), str(artifact), "canopy")
    logged = CompiledArtifactRef("canopy/forest.canopy", FORMAT, hashlib.sha256(content).hexdigest(), len(content))
    client.create_registered_model(READY)
    tags = {TAG: msgspec.json.encode(logged).decode()}
    client.create_model_version(READY, source, model_id=_logged(source), tags=tags)
    client.set_registered_model_alias(READY, "production", "1")


@pytest.fixture(scope="session")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An S3 store for all tests."""
    with object_store(tmp_path_factory.mktemp("s3")) as environment:
        yield environment


@pytest.fixture
def s3(_store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A bucket; the variables that lead there, which are also in this process's environment."""
    for name, value in _store.items():
        monkeypatch.setenv(name, value)
    return _store


def _logged(source: str) -> str:
    """The logged model that is the source of a version."""
    return source.removeprefix("models:/")
