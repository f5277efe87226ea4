"""A model's life in real parts: an MLflow server, an S3 store, training's own command, a crowd and the server."""

import json
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset import Covertype
from loadtest.system.process import ServerProcess, serving
from tests.helpers.crowd import all_go_on, crowd, in_order
from tests.helpers.dripping import dripping
from tests.helpers.isolation import MLFLOW_WARNS, isolated_mlflow
from tests.helpers.object_store import BUCKET, object_store
from tests.helpers.support import Client, children, lives, until
from tests.helpers.tracking_server import tracking_server
from training.__main__ import main as train

pytestmark = MLFLOW_WARNS

NAME = "BestModelRF"
ASKED = 1000
"""Rows of the sample that clients ask for."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A tracking server with four versions of a model: two that differ, one without a model in it, one that crashes.

    Attributes:
        uri: of the tracking server.
        environment: variables that lead to the artifacts.
        client: MLflow's own.
        rows: (1000, 12) what to ask for.
        labels: by version, scikit-learn's own labels for them.
    """

    uri: str
    environment: dict[str, str]
    client: Any
    rows: np.ndarray[Any, Any]
    labels: dict[int, list[int]]

    def promote(self, version: int) -> None:
        """Give a version the stage and the alias, as training does."""
        self.client.set_registered_model_alias(NAME, "production", str(version))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated
            self.client.transition_model_version_stage(NAME, str(version), "Production", archive_existing_versions=True)

    def check(self, client: Client, number: int) -> int:
        """Ask for a row; the answer must be that of the version that it names, which is returned."""
        row = number % ASKED
        reply = client.ask("POST", "/predict", json.dumps({"features": self.rows[row].tolist()}).encode())
        assert reply.status == 200
        assert reply.headers["canopy-engine"] == "compiled"
        name, _, version = reply.headers["canopy-model"].partition("/")
        assert name == NAME
        assert reply.document == {"prediction": [self.labels[int(version)][row]]}
        return int(version)

    @contextmanager
    def served(
        self, tmp_path: Path, *options: str, selector: str = "@production", by: str = ""
    ) -> Iterator[ServerProcess]:
        """A server that looks twice a second what is promoted, perhaps by way of another address."""
        common = ("--tracking-uri", by or self.uri, "--cache", str(tmp_path / "cache"), "--model-poll-seconds", "0.5")
        uri = ("--model-uri", f"models:/{NAME}{selector}")
        with serving([*common, *uri, *options], environment=self.environment) as server:
            yield server


WAYS = {
    "proxied": ("--artifacts-destination", f"s3://{BUCKET}/proxied"),
    "direct": ("--no-serve-artifacts", "--default-artifact-root", f"s3://{BUCKET}/direct"),
}
"""How artifacts come from the S3 store: by way of the tracking server, or from the store itself."""


@pytest.fixture(scope="module", params=["proxied", pytest.param("direct", marks=pytest.mark.slow)])
def registry(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    sample: Covertype,
) -> Iterator[Registry]:
    """Train two versions and register a third."""
    folder = tmp_path_factory.mktemp("registry")
    with object_store(folder) as s3, tracking_server(folder, *WAYS[request.param], environment=s3) as tracking:
        tracking.wait()
        environment = s3 if request.param == "direct" else {}
        with isolated_mlflow(folder):
            import mlflow

            os.environ.update(s3)
            for trees in ("3", "5"):
                assert train(["--tracking-uri", tracking.uri, "--trees", trees, "--depth", "8"]) == 0
            client = mlflow.MlflowClient(tracking.uri, tracking.uri)
            labels = {}
            for version in (1, 2):
                run = client.get_model_version(NAME, str(version)).run_id
                file = client.download_artifacts(run, "expected/sample_labels.json", str(folder))
                labels[version] = json.loads(Path(file).read_text())["labels"][:ASKED]
            client.create_model_version(NAME, f"{client.get_run(run).info.artifact_uri}/expected", run)
            _log_one_that_crashes(client)
            assert sum(one != other for one, other in zip(labels[1], labels[2], strict=True)) > 20
            yield Registry(tracking.uri, environment, client, sample.rows[:ASKED], labels)


def _log_one_that_crashes(client: Any) -> None:  # noqa: ANN401 - mlflow is untyped
    """Register version 4, which ends its process when it is loaded."""
    import mlflow

    class Crashes(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow is untyped
        def load_context(self, context: object) -> None:  # noqa: ARG002
            os.kill(os.getpid(), signal.SIGSEGV)

        def predict(self, model_input: Any) -> Any:  # noqa: ANN401
            return model_input

    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(python_model=Crashes(), name="model", pip_requirements=["mlflow"])
    client.create_model_version(NAME, info.model_uri, model_id=info.model_id)


def versions(server: ServerProcess) -> list[int]:
    """What the workers serve."""
    return [worker["model_version"] for worker in server.get("/stats")["workers"]]


def test_promotions_and_rollbacks_cost_no_request(registry: Registry, tmp_path: Path) -> None:
    """Every answer is that of the version which it names, which is soon the promoted one; a broken one never serves."""
    registry.promote(1)
    with registry.served(tmp_path) as server, crowd(server, registry.check) as seen:
        all_go_on(seen)
        for wanted in (2, 1):
            registry.promote(wanted)
            until(lambda: versions(server) == [wanted])  # noqa: B023 - it is called here
            all_go_on(seen)
        registry.promote(3)
        until(lambda: server.get("/health/ready")["update_failure"] is not None)
        reason = server.get("/health/ready")["update_failure"]
        assert reason.startswith(f"{NAME}/3 cannot be loaded: ")
        assert versions(server) == [1]
        registry.promote(2)
        until(lambda: versions(server) == [2])
        until(lambda: server.get("/health/ready")["update_failure"] is None)
        all_go_on(seen)
    for mine in seen:
        assert in_order(mine) == [1, 2, 1, 2]


@pytest.mark.slow
def test_of_two_workers_one_may_be_killed_in_the_middle_of_a_swap(registry: Registry, tmp_path: Path) -> None:
    """Both end up on the promoted version, and no answer is wrong; only the killed worker's connections break."""
    registry.promote(1)
    with registry.served(tmp_path, "--workers", "2", selector="/Production") as server:
        until(lambda: versions(server) == [1, 1])
        cache = tmp_path / "cache" / NAME
        registry.promote(2)
        until(lambda: any(cache.glob("2-*/prepared.json")))  # which is when both are told to get ready
        victim = children(server.process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: versions(server) == [2, 2])
        until(lambda: victim not in children(server.process.pid) and len(children(server.process.pid)) == 2)
        with crowd(server, registry.check) as seen:
            until(lambda: all(len(mine) > 20 for mine in seen))
    assert {version for mine in seen for version in mine} == {2}


def test_a_worker_is_replaced_though_somebody_has_emptied_the_cache(registry: Registry, tmp_path: Path) -> None:
    """What all serve is made ready again for its replacement; who has come to its socket meanwhile waits for that."""
    registry.promote(1)
    with registry.served(tmp_path, "--workers", "2") as server:
        until(lambda: versions(server) == [1, 1])
        (tmp_path / "cache").rename(tmp_path / "away")  # in one step, for the server may be writing
        victim = children(server.process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: not lives(victim))
        with crowd(server, registry.check) as seen:
            until(lambda: all(len(mine) > 20 for mine in seen))


@pytest.mark.parametrize("moment", ["child", pytest.param("prepared", marks=pytest.mark.slow)])
def test_a_server_killed_in_the_middle_of_an_update_starts_again(
    registry: Registry, tmp_path: Path, moment: str
) -> None:
    """Killed while its child is at work, or when the version is ready to be opened: nothing is in the way then."""
    registry.promote(1)
    with registry.served(tmp_path) as server:
        cache = tmp_path / "cache" / NAME
        reached = {
            "child": lambda: bool(children(server.process.pid)),
            "prepared": lambda: any(cache.glob("2-*/prepared.json")),
        }
        registry.promote(2)
        until(reached[moment])
        left = children(server.process.pid)
        server.process.kill()
        server.process.wait()
        until(lambda: not any(map(lives, left)))
    with registry.served(tmp_path) as server:
        assert registry.check(Client(server), 5) == 2
        assert [path.name.split("-")[0] for path in sorted(cache.glob("[!.]*"))] == ["1", "2"]


@pytest.mark.slow
def test_a_server_starts_from_its_cache_while_everything_else_is_down(registry: Registry, tmp_path: Path) -> None:
    """It serves what was served last, says why that may not be the newest, and is ready without having waited."""
    registry.promote(2)
    with registry.served(tmp_path) as server:
        assert versions(server) == [2]
    away = (
        "--tracking-uri",
        registry.uri,
        "--cache",
        str(tmp_path / "cache"),
        "--model-uri",
        f"models:/{NAME}@production",
    )
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    with serving([*away], environment=nowhere) as server:
        state = server.get("/health/ready")
        assert state["model"] == f"{NAME}/2"
        until(lambda: "cannot be" in (server.get("/health/ready")["update_failure"] or ""))
        assert registry.check(Client(server), 5) == 2


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_version_that_ends_its_process_harms_no_server(registry: Registry, tmp_path: Path, workers: str) -> None:
    """A child has tried it out: no request is lost, no worker, and the reason is told."""
    registry.promote(1)
    with registry.served(tmp_path, "--workers", workers) as server, crowd(server, registry.check) as seen:
        before = server.process.pid, children(server.process.pid) if workers == "2" else []
        registry.promote(4)
        reason = f"{NAME}/4 cannot be served: it ends the process that opens it, by SIGSEGV"
        until(lambda: server.get("/health/ready")["update_failure"] == reason)
        assert set(before[1]) <= set(children(server.process.pid))
        registry.promote(2)
        until(lambda: versions(server) == [2] * int(workers))
        until(lambda: server.get("/health/ready")["update_failure"] is None)
    for mine in seen:
        assert in_order(mine) == [1, 2]


@pytest.mark.slow
def test_a_registry_that_drips_blocks_nothing(registry: Registry, tmp_path: Path) -> None:
    """It is told while it does, and what was promoted meanwhile is served when it is well again.

    A server that starts meanwhile serves what was served last. What hangs on the old connections goes on hanging.
    """
    registry.promote(1)
    options = ("--look-timeout-seconds", "1", "--model-wait-seconds", "3")
    with dripping(registry.uri) as proxy:
        with registry.served(tmp_path, *options, by=proxy.uri) as server:
            assert versions(server) == [1]
            proxy.drips = True
            until(lambda: "has not told within 1 s" in (server.get("/health/ready")["update_failure"] or ""))
            registry.promote(2)
            assert registry.check(Client(server), 5) == 1
            proxy.drips = False
            until(lambda: versions(server) == [2])
            until(lambda: server.get("/health/ready")["update_failure"] is None)
            assert proxy.dripping > 0
            assert len(list(Path(f"/proc/{server.process.pid}/task").iterdir())) < 12
        proxy.drips = True
        with registry.served(tmp_path, *options, by=proxy.uri) as server:
            assert registry.check(Client(server), 5) == 2
            until(lambda: "has not told" in (server.get("/health/ready")["update_failure"] or ""))
