"""The training pipeline in a real Airflow, with a real tracking server and real servers: ``make airflow-test``."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from dataset import Covertype
from dataset.draw import write_csv
from loadtest.system.process import ServerProcess, serving
from tests.conftest import ROOT
from tests.helpers.crowd import all_go_on, crowd
from tests.helpers.support import Client
from tests.helpers.tracking_server import tracking_server

pytestmark = pytest.mark.airflow

NAME = "BestModelRF"
BIN = ROOT / ".venv-airflow" / "bin"
DAGS = ROOT / "deploy" / "airflow" / "dags"
PATIENCE = 1800
ROW = json.dumps({"features": [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0]}).encode()


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of the DAG has come to.

    Attributes:
        state: of the run.
        tasks: task → its state.
        log: all that was said.
    """

    state: str
    tasks: dict[str, str]
    log: str


@dataclass(frozen=True, slots=True)
class Airflow:
    """An Airflow of its own in a folder, without examples, and with a database there."""

    home: Path
    environment: dict[str, str]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``airflow`` with some words, or another program of its environment."""
        return subprocess.run(
            [str(BIN / words[0]), *words[1:]],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def run(self, **parameters: Any) -> Ran:  # noqa: ANN401 - JSON
        """Run the DAG once, as ``airflow dags test`` does."""
        done = self.command("airflow", "dags", "test", "canopy_training", "--conf", json.dumps(parameters))
        with sqlite3.connect(self.home / "airflow.db") as database:
            ((run, state),) = database.execute("select run_id, state from dag_run order by id desc limit 1").fetchall()
            tasks = dict(database.execute("select task_id, state from task_instance where run_id = ?", [run]))
        return Ran(state, tasks, done.stdout)


@dataclass(frozen=True, slots=True)
class Place:
    """Where models are trained and kept.

    Attributes:
        uri: of the tracking server, which has version 1: one tree of depth 2, in production.
        data: a CSV file of 3,000 rows.
        folder: for caches.
    """

    uri: str
    data: Path
    folder: Path

    def in_production(self) -> str:
        """The number of the version with the alias, as the tracking server tells it."""
        url = f"{self.uri}/api/2.0/mlflow/registered-models/alias?name={NAME}&alias=production"
        return str(requests.get(url, timeout=60).json()["model_version"]["version"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sample: Covertype) -> Iterator[Place]:
    """A tracking server with a first version that the ordinary command has trained."""
    folder = tmp_path_factory.mktemp("place")
    data = folder / "plots.csv.gz"
    write_csv(sample.take(np.arange(3000)), data)
    with tracking_server(folder) as tracking:
        tracking.wait()
        first = ["--tracking-uri", tracking.uri, "--data", str(data), "--trees", "1", "--depth", "2"]
        subprocess.run([sys.executable, "-m", "training", *first], cwd=folder, check=True, timeout=PATIENCE)
        yield Place(tracking.uri, data, folder)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Airflow:
    """Airflow, which knows which Python is Canopy's and where the tracking server is."""
    home = tmp_path_factory.mktemp("airflow")
    own = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW_VAR_CANOPY_PYTHON": sys.executable,
        "MLFLOW_TRACKING_URI": place.uri,
        "CANOPY_CACHE": str(place.folder / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    made = Airflow(home, {**os.environ, **own})
    migrated = made.command("airflow", "db", "migrate")
    assert migrated.returncode == 0, migrated.stdout
    return made


def server(place: Place, *options: str) -> Any:  # noqa: ANN401 - a context manager
    """A server that looks every second what is in production."""
    common = ("--tracking-uri", place.uri, "--model-uri", f"models:/{NAME}@production", "--model-poll-seconds", "1")
    return serving([*common, "--cache", str(place.folder / "cache"), *options], ready_within=600)


@pytest.fixture(scope="module")
def served(place: Place) -> Iterator[ServerProcess]:
    """A server of compiled forests."""
    with server(place) as served:
        yield served


def asked(place: Place, served: ServerProcess, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The parameters of a run on the small file, in which little is waited for."""
    address = f"http://{served.host}:{served.port}"
    return {"data": str(place.data), "servers": [address], "watch_seconds": 5, **parameters}


def test_the_dag_is_parsed_without_what_models_need(airflow: Airflow) -> None:
    """Airflow finds it, and no package of Canopy's, MLflow's or of numbers is imported then."""
    script = f"""
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({str(DAGS)!r})
assert not bag.import_errors, bag.import_errors
assert list(bag.dags) == ["canopy_training"], bag.dags
print("found", sorted({{name.partition(".")[0] for name in sys.modules}} & set(
    "numpy pandas sklearn scipy mlflow training registry forest dataset".split())))
"""
    done = airflow.command("python", "-c", script)
    assert done.stdout.splitlines()[-1:] == ["found []"], done.stdout


def test_a_better_version_is_promoted_and_served(airflow: Airflow, place: Place, served: ServerProcess) -> None:
    """The server names it at the end."""
    ran = airflow.run(**asked(place, served, trees=3, depth=5, margin=0.001))
    assert ran.state == "success", ran.log
    assert ran.tasks == dict.fromkeys(ran.tasks, "success") | {"roll_back": "skipped"}, ran.log
    version = place.in_production()
    assert f"{NAME}/{version} is in production, for it is better by" in ran.log
    assert served.get("/health/ready")["model"] == f"{NAME}/{version}"


def test_a_version_that_is_not_better_is_not_promoted(airflow: Airflow, place: Place, served: ServerProcess) -> None:
    """It is registered, it is said why it goes no further, and production and server stay as they are."""
    before = place.in_production()
    ran = airflow.run(**asked(place, served, trees=1, depth=1))
    assert ran.state == "success", ran.log
    assert ran.tasks["outcome"] == ran.tasks["register"] == "success", ran.log
    assert {ran.tasks[task] for task in ("prepare", "promote", "served", "watch", "roll_back")} == {"skipped"}
    assert "is not promoted: not better: accuracy" in ran.log
    assert place.in_production() == before
    assert served.get("/health/ready")["model"] == f"{NAME}/{before}"


def test_a_version_that_is_too_slow_for_its_clients_is_rolled_back(airflow: Airflow, place: Place) -> None:
    """Its clients wait 30 ms at most, which the trees of the better version exceed; the former serves again."""
    before = place.in_production()

    def ask(client: Client, _number: int) -> int:
        headers = {"Content-Type": "application/json", "Canopy-Deadline-Ms": "30"}
        return client.ask("POST", "/predict", ROW, headers).status

    with server(place, "--engine", "sklearn") as slow_one, crowd(slow_one, ask) as seen:
        all_go_on(seen)
        slow = {"trees": 2000, "depth": 6, "allowed_error_rise": 0.2, "watch_seconds": 60}
        ran = airflow.run(**asked(place, slow_one, **slow))
        assert ran.tasks["watch"] == ran.tasks["outcome"] == ran.state == "failed", ran.log
        assert ran.tasks["roll_back"] == ran.tasks["promote"] == "success", ran.log
        assert "errors have risen: " in ran.log
        assert slow_one.get("/health/ready")["model"] == f"{NAME}/{before}"
        assert place.in_production() == before
        all_go_on(seen)
