"""Canopy in Ray Serve, on a real cluster: ``make ray-test`` installs Ray."""

import os
import subprocess

import pytest

from tests.conftest import ROOT, Store

pytestmark = pytest.mark.ray

PYTHON = str(ROOT / ".venv-ray" / "bin" / "python")
ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""In a network of its own: Ray listens on all addresses for its own purposes."""


def test_no_request_fails_while_replicas_come_and_go_and_a_node_is_killed(store: Store) -> None:
    """One replica answers from the registry, then three do, one of them on a node that is killed, then one again."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store.tracking_uri}
    command = [*ALONE, PYTHON, str(ROOT / "tests" / "ray" / "faults.py")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, timeout=580, check=False
    )
    print(done.stdout)  # noqa: T201 - the counts are wanted
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("CANOPY_GRPC_PORT", "8001", id="grpc"),
        pytest.param("CANOPY_WORKERS", "2", id="workers"),
        pytest.param("CANOPY_TLS_CERTIFICATE", str(ROOT / "README.md"), id="a-certificate"),
    ],
)
def test_a_setting_that_ray_cannot_follow_is_refused_by_its_name(variable: str, value: str) -> None:
    """Nobody is left to think that it counts."""
    script = "import os, replica; replica.read_settings(os.environ)"
    environment = {**os.environ, variable: value}
    done = subprocess.run(
        [PYTHON, "-c", script],
        cwd=ROOT / "deploy" / "ray",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert variable in done.stderr


def test_the_configuration_is_one_of_ray_serves() -> None:
    """Its own schema takes deploy/ray/serve.yaml, field by field."""
    script = """
import sys, yaml
from ray.serve.schema import ServeDeploySchema
ServeDeploySchema.model_validate(yaml.safe_load(open(sys.argv[1])))
"""
    file = str(ROOT / "deploy" / "ray" / "serve.yaml")
    done = subprocess.run([PYTHON, "-c", script, file], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
