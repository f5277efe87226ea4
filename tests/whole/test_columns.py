"""A forest that does not name its columns, in real parts: an MLflow store, the server and what its clients get."""

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dataset import Covertype
from loadtest.system.process import ServerProcess, serving
from tests.conftest import Store
from tests.helpers.isolation import MLFLOW_WARNS, isolated_mlflow
from tests.helpers.support import Client, Wire, request, until
from tests.registry.specimens import FETCHED, IN_UCI_ORDER

pytestmark = MLFLOW_WARNS

NAME = "Fetched"
ASKED = slice(10_000, 11_000)
"""Rows of the sample that no forest here was fitted on."""


@dataclass(frozen=True, slots=True)
class Registry:
    """An SQLite store with a forest that was fitted in UCI's order: version 1 without names, version 2 with them.

    Attributes:
        database: the store's file.
        client: MLflow's own.
        rows: (1000, 12) what to ask for.
        own: the forest's own labels for them, given the columns in its order.
        misled: those for what it gets if its columns are taken to be in the schema's order.
    """

    database: Path
    client: Any
    rows: NDArray[np.float64]
    own: list[int]
    misled: list[int]

    @property
    def uri(self) -> str:
        """The store's address."""
        return f"sqlite:///{self.database}"

    def promote(self, version: int) -> None:
        """Have a version served."""
        self.client.set_registered_model_alias(NAME, "production", str(version))

    @contextmanager
    def served(self, cache: Path, log: Path, *options: str, **how: Any) -> Iterator[ServerProcess]:  # noqa: ANN401
        """A server that looks five times a second what is promoted."""
        common = ("--tracking-uri", self.uri, "--model-uri", f"models:/{NAME}@production", "--cache", str(cache))
        with log.open("wb") as file, serving([*common, "--model-poll-seconds", "0.2", *options], log=file, **how) as it:
            yield it

    def labels(self, server: ServerProcess) -> list[int]:
        """What a server answers."""
        reply = Client(server).ask("POST", "/predict", json.dumps({"features": self.rows.tolist()}).encode())
        assert reply.status == 200
        found: list[int] = reply.document["prediction"]
        return found


@pytest.fixture(scope="module")
def registry(
    tmp_path_factory: pytest.TempPathFactory, store: Store, matrix: NDArray[np.float32], sample: Covertype
) -> Iterator[Registry]:
    """Fit and register the forests as scikit-learn's own example does: ``fit(*fetch_covtype(return_X_y=True))``."""
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier

    folder = tmp_path_factory.mktemp("registry")
    table = matrix[:, IN_UCI_ORDER].astype(np.float64)
    forest = RandomForestClassifier(10, max_depth=16, random_state=0)
    database = folder / "mlflow.db"
    shutil.copy(store.folder / "mlflow.db", database)  # to make one takes seconds
    with isolated_mlflow(folder):
        import mlflow

        unnamed = forest.fit(table[:8000], sample.labels[:8000])
        own, misled = (unnamed.predict(rows[ASKED]).tolist() for rows in (table, matrix))
        mlflow.set_tracking_uri(f"sqlite:///{database}")
        client = mlflow.MlflowClient()
        how: dict[str, Any] = {
            "name": "model",
            "registered_model_name": NAME,
            "serialization_format": "cloudpickle",
            "pip_requirements": ["scikit-learn"],
        }
        experiment = client.create_experiment(NAME, artifact_location=(folder / "files").as_uri())
        with warnings.catch_warnings(), mlflow.start_run(experiment_id=experiment):
            warnings.simplefilter("ignore")  # how a model is best logged is not what is tested
            mlflow.sklearn.log_model(unnamed, **how)
            named = forest.fit(pd.DataFrame(table[:8000], columns=FETCHED), sample.labels[:8000])
            mlflow.sklearn.log_model(named, **how)
        yield Registry(database, client, sample.rows[ASKED], own, misled)


def told(server: ServerProcess, path: str) -> tuple[str, str | None]:
    """What a page tells of the columns, and its warning."""
    state = server.get(path)
    return state["columns"], state["warning"]


def guessing(server: ServerProcess) -> int:
    """How many workers are in doubt of the order of the columns, as the metrics tell."""
    text = Wire(server).ask(request(method="GET", target="/metrics")).body.decode()
    (line,) = [line for line in text.splitlines() if line.startswith("canopy_model_columns_assumed ")]
    return int(float(line.split()[1]))


def is_warned_of(registry: Registry, server: ServerProcess, workers: int) -> None:
    """The server serves version 1 in the schema's order, and says everywhere that this is a guess."""
    for path in ("/health/ready", "/", "/stats") * (4 if workers > 1 else 1):  # so often that each worker was asked
        known, warning = told(server, path)
        assert known == "assumed"
        assert warning is not None
        assert warning.startswith(f"{NAME}/1 does not name its columns")
        assert "--schema covertype-uci" in warning
        assert "--schema covertype" in warning
    until(lambda: guessing(server) == workers)
    assert registry.labels(server) == registry.misled


def test_with_nothing_said_it_is_served_with_a_warning(registry: Registry, tmp_path: Path) -> None:
    """On every page that tells of the model, in the metrics and in the log."""
    registry.promote(1)
    assert sum(one != other for one, other in zip(registry.own, registry.misled, strict=True)) > 50
    with registry.served(tmp_path / "cache", tmp_path / "log") as server:
        is_warned_of(registry, server, 1)
    assert (tmp_path / "log").read_text().count(f"{NAME}/1 does not name its columns") == 1


@pytest.mark.slow
def test_the_warning_ends_with_a_version_that_names_its_columns(registry: Registry, tmp_path: Path) -> None:
    """In both workers; it is back after a rollback, and in a server that starts from the cache without a registry."""
    registry.promote(1)
    first, second = tmp_path / "first", tmp_path / "second"
    with registry.served(tmp_path / "cache", first, "--workers", "2") as server:
        is_warned_of(registry, server, 2)
        registry.promote(2)
        until(lambda: server.get("/")["model"] == f"{NAME}/2", 120)
        for path in ("/health/ready", "/", "/stats") * 4:
            until(lambda path=path: told(server, path) == ("named", None))  # type: ignore[misc]
        until(lambda: guessing(server) == 0)
        assert registry.labels(server) == registry.own
        registry.promote(1)
        until(lambda: told(server, "/")[0] == told(server, "/stats")[0] == "assumed")
        until(lambda: [each["model_version"] for each in server.get("/stats")["workers"]] == [1, 1])
        is_warned_of(registry, server, 2)
    assert first.read_text().count(f"{NAME}/1 does not name its columns") == 2
    registry.database.rename(tmp_path / "away")
    try:
        with registry.served(tmp_path / "cache", second) as server:
            is_warned_of(registry, server, 1)
    finally:
        (tmp_path / "away").rename(registry.database)
    assert second.read_text().count(f"{NAME}/1 does not name its columns") == 1


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["compiled", "sklearn", "pyfunc"])
def test_with_ucis_order_stated_every_label_is_the_forests_own(registry: Registry, tmp_path: Path, engine: str) -> None:
    """By whichever engine, with nothing to warn of."""
    registry.promote(1)
    options = ("--schema", "covertype-uci", "--engine", engine)
    with registry.served(tmp_path / "cache", tmp_path / "log", *options) as server:
        assert told(server, "/health/ready") == ("stated", None)
        assert server.get("/")["engine"] == engine
        assert registry.labels(server) == registry.own
    assert "does not name" not in (tmp_path / "log").read_text()
