"""The chart's release under load, from its installation to its end. The tests run in this order, on one release."""

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from helm_python import Config

from tests.helpers.support import until
from tests.kube.cluster import (
    IMAGE,
    NEXT_TAG,
    PATIENCE,
    SETTLE,
    TAG,
    Load,
    Namespace,
    script,
    service,
    tools_pod,
)
from tests.kube.conftest import PARTS
from tests.kube.release import Release

pytestmark = pytest.mark.kube

CLIENTS: Final = 16
MODEL: Final = "BestModelRF"


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    """A namespace for these tests, which is removed after them."""
    assert os.environ.get("KUBECONFIG"), "make kube-test says which cluster: KUBECONFIG="
    made = Namespace(f"canopy-test-{uuid.uuid4().hex[:8]}")
    made.kubectl("create", "namespace", made.name)
    try:
        yield made
    finally:
        made.kubectl("delete", "namespace", made.name)


@pytest.fixture(scope="module")
def registry(namespace: Namespace) -> str:
    """An MLflow server in the cluster with a first model; its address."""
    command = "mlflow server --host=0.0.0.0 --port=5000 --workers=1 --allowed-hosts=*"
    command += " --backend-store-uri=sqlite:////tmp/mlflow.db --artifacts-destination=/tmp/artifacts"
    pod = tools_pod("mlflow", tuple(command.split()), {})
    pod["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"path": "/health", "port": 5000}, "periodSeconds": 2}
    namespace.apply(pod, service("mlflow", 5000))
    namespace.kubectl("wait", "--for=condition=Ready", f"--timeout={PATIENCE:g}s", "pod/mlflow")
    address = f"http://{namespace.address('mlflow')}:5000"
    train(namespace, address, "first", "20")
    return address


def train(namespace: Namespace, address: str, name: str, trees: str) -> None:
    """Train, register and promote a model in the cluster."""
    command = ("python", "-m", "training", "--trees", trees, "--depth", "12")
    namespace.run(f"train-{name}", *command, MLFLOW_TRACKING_URI=address)


@pytest.fixture(scope="module")
def release(namespace: Namespace, registry: str) -> Iterator[Release]:
    """The chart, installed as its users would, with servers small enough for a cluster of two CPUs."""
    values: dict[str, Any] = {
        "image": {"repository": IMAGE, "tag": TAG},
        "settings": {"tracking_uri": registry, "model_poll_seconds": 2},
        "resources": {"cpu": "150m", "memory": "256Mi"},
        "topologySpread": {"hostname": "off", "zone": "off"},
    }
    with Config(namespace=namespace.name) as helm:
        made = Release(helm, namespace, values)
        made.install()
        yield made
        made.uninstall()


@pytest.fixture(scope="module")
def load(namespace: Namespace, release: Release, request: pytest.FixtureRequest) -> Load:
    """Clients in the cluster that ask the release's Service."""
    file = Path(__file__).with_name("asking.py")
    command = ("python", f"/script/{file.name}", namespace.address(release.name), "8000", str(CLIENTS))
    pod = tools_pod("load", command, {})
    pod["spec"]["volumes"] = [{"name": "script", "configMap": {"name": "load"}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "script", "mountPath": "/script"}]
    namespace.apply(script("load", file), pod)
    namespace.kubectl("wait", "--for=condition=Ready", f"--timeout={PATIENCE:g}s", "pod/load")
    made = Load(namespace, "load")
    until(lambda: bool(made.counts().answered), seconds=PATIENCE)
    request.config.stash[PARTS] = made.parts
    return made


def test_the_release_answers(release: Release, load: Load) -> None:
    """Two servers of the slim image answer by the registered model."""
    images = {container["image"] for pod in release.pods() for container in pod["spec"]["containers"]}
    found = load.during("two servers", lambda: time.sleep(SETTLE))
    assert images == {f"{IMAGE}-slim:{TAG}"}
    assert len(release.ready()) == 2
    assert set(found.answered) == {f"{MODEL}/1"}
    assert not found.lost


@pytest.mark.parametrize("replicas", [pytest.param(4, id="more"), pytest.param(2, id="fewer")])
def test_other_numbers_of_servers_lose_nothing(release: Release, load: Load, replicas: int) -> None:
    """Under load servers come, or are drained and go."""
    found = load.during(f"to {replicas} servers", lambda: release.upgrade(replicas=replicas))
    assert len(release.ready()) == replicas
    assert not found.lost


def test_a_deleted_pod_loses_nothing(release: Release, load: Load) -> None:
    """Under load a pod is deleted, drains, and another takes its place."""
    first, *_ = release.ready()
    found = load.during("a pod is deleted", lambda: release.delete(first))
    assert first not in release.ready()
    assert not found.lost


def test_a_new_version_of_the_model_loses_nothing(
    release: Release, load: Load, namespace: Namespace, registry: str
) -> None:
    """Under load a model is trained and promoted in the cluster; the same servers serve it from then on."""
    before = release.ready()

    def promote() -> None:
        train(namespace, registry, "second", "30")
        until(lambda: f"{MODEL}/2" in load.counts().answered, seconds=PATIENCE)

    found = load.during("a new model", promote)
    last = load.during("after it", lambda: time.sleep(SETTLE))
    assert set(found.answered) == {f"{MODEL}/1", f"{MODEL}/2"}
    assert set(last.answered) == {f"{MODEL}/2"}
    assert release.ready() == before
    assert not found.lost + last.lost


def test_a_new_image_loses_nothing(release: Release, load: Load) -> None:
    """Under load every server is replaced by one of another image."""
    before = release.ready()
    changed = {"image": {"repository": IMAGE, "tag": NEXT_TAG}, "podAnnotations": {"rolled-out": "again"}}
    found = load.during("a new image", lambda: release.upgrade(**changed))
    assert len(release.ready()) == 2
    assert not set(before) & set(release.ready())
    assert not found.lost


def test_what_is_uninstalled_answers_what_it_has_accepted(release: Release, load: Load, namespace: Namespace) -> None:
    """Under load the release goes, and nothing of it is left; later requests find nobody."""

    def uninstall() -> None:
        release.uninstall()
        until(lambda: bool(load.counts().unreached), seconds=PATIENCE)

    found = load.during("uninstalled", uninstall)
    left = namespace.get("all,configmaps,secrets,pdb,networkpolicies,serviceaccounts", *release.selector)["items"]
    assert not left
    assert not found.lost
