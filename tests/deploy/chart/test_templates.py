"""What the objects say that the chart renders."""

from pathlib import Path
from typing import Any, Final

import helm_python
import pytest
import yaml  # type: ignore[import-untyped]

from settings import describe
from tests.conftest import ROOT
from tests.deploy.chart.rendering import CHART, PROMETHEUS, REGISTRY, VARIANTS, Object, chart, notes, one, render

VERSION: Final = chart().version


def pod(values: dict[str, Any]) -> Object:
    """The pods' specification."""
    found: Object = one(render(values), "Deployment")["spec"]["template"]["spec"]
    return found


def test_chart_and_images_are_released_together() -> None:
    """One version: the project's."""
    (version,) = (
        line.split('"')[1] for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version")
    )
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert metadata["version"] == metadata["appVersion"] == version


@pytest.mark.parametrize(
    ("image", "server", "tools"),
    [
        pytest.param({}, f"canopy-slim:{VERSION}", f"canopy-tools:{VERSION}", id="slim"),
        pytest.param({"variant": "full"}, f"canopy:{VERSION}", f"canopy-tools:{VERSION}", id="full"),
        pytest.param(
            {"repository": "registry.example/team/canopy", "tag": "1.2.3"},
            "registry.example/team/canopy-slim:1.2.3",
            "registry.example/team/canopy-tools:1.2.3",
            id="published",
        ),
        pytest.param(
            {"digest": "sha256:" + 64 * "a"}, f"canopy-slim@sha256:{64 * 'a'}", f"canopy-tools:{VERSION}", id="digest"
        ),
    ],
)
def test_images_have_the_names_that_make_publish_gives_them(image: dict[str, str], server: str, tools: str) -> None:
    """One value names them all; the full one is a value away."""
    found = pod({"settings": REGISTRY, "image": image, "prepare": {"enabled": True}})
    assert (found["containers"][0]["image"], found["initContainers"][0]["image"]) == (server, tools)


def test_a_long_tag_makes_a_valid_label() -> None:
    """Labels are shorter than tags, and end in a letter or a number."""
    objects = render({"settings": REGISTRY, "image": {"tag": 62 * "a" + "-" + 65 * "b"}})
    assert one(objects, "Service")["metadata"]["labels"]["app.kubernetes.io/version"] == 62 * "a"


@pytest.mark.parametrize(
    ("delay", "timeout", "seconds"),
    [
        pytest.param(5, 30, 45, id="default"),
        pytest.param(0, 0.5, 11, id="fraction"),
        pytest.param(2.5, 30.5, 43, id="whole-sum"),
        pytest.param(3600, 3600, 7210, id="longest"),
    ],
)
def test_a_pod_has_ten_seconds_more_than_its_drain(delay: float, timeout: float, seconds: int) -> None:
    """Rounded up."""
    settings = REGISTRY | {"drain_delay_seconds": delay, "drain_timeout_seconds": timeout}
    assert pod({"settings": settings})["terminationGracePeriodSeconds"] == seconds


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values in VARIANTS.items()])
def test_every_container_is_confined(values: dict[str, Any]) -> None:
    """As the restricted Pod Security Standard asks, and more: no root, no capability, no token, writes to volumes only.

    See https://kubernetes.io/docs/concepts/security/pod-security-standards.
    """
    found = pod(values)
    assert found["automountServiceAccountToken"] is False
    assert found["enableServiceLinks"] is False
    assert found["securityContext"].items() >= {"runAsNonRoot": True, "runAsUser": 10001}.items()
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*found.get("initContainers", []), *found["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"/tmp"} < {mount["mountPath"] for mount in container["volumeMounts"]}  # noqa: S108 - the container's


def test_what_is_prepared_is_what_the_server_looks_for() -> None:
    """The init container has the server's variables, Secret and cache, and compiles the same model."""
    found = pod(VARIANTS["prepare-with-shared-cache"])
    (prepare,), (server,) = found["initContainers"], found["containers"]
    assert prepare["command"] == ["python", "-m", "registry", "prepare", "models:/BestModelRF/Production"]
    for part in ("env", "envFrom", "volumeMounts"):
        assert prepare[part] == server[part]
    assert {"name": "cache", "persistentVolumeClaim": {"claimName": "models"}} in found["volumes"]


def test_no_secret_is_among_the_values() -> None:
    """Credentials come by reference: the chart makes no Secret, and reads none."""
    objects = render(VARIANTS["prepare-with-shared-cache"])
    assert not [each for each in objects if each["kind"] == "Secret"]
    assert pod(VARIANTS["prepare-with-shared-cache"])["containers"][0]["envFrom"] == [
        {"secretRef": {"name": "store-access"}}
    ]
    assert {"admin_token"} <= {name for name, *_ in describe()}


def test_with_a_certificate_everybody_speaks_https() -> None:
    """Server, probes, Service and Prometheus."""
    objects = render(VARIANTS["open-to-the-world"])
    (server,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each["value"] for each in server["env"]}
    assert given["CANOPY_TLS_CERTIFICATE"] == "/etc/canopy/tls/tls.crt"
    assert given["CANOPY_TLS_KEY"] == "/etc/canopy/tls/tls.key"
    assert {"name": "tls", "mountPath": "/etc/canopy/tls", "readOnly": True} in server["volumeMounts"]
    assert {server[probe]["httpGet"]["scheme"] for probe in server if probe.endswith("Probe")} == {"HTTPS"}
    assert [port["name"] for port in one(objects, "Service")["spec"]["ports"]] == ["https", "grpc"]
    assert one(objects, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["scheme"] == "https"


def test_a_restart_loses_no_replica() -> None:
    """New pods come before old ones go, and evictions take one at a time."""
    objects = render(VARIANTS["least"])
    assert one(objects, "Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize(
    ("version", "budget", "autoscaler"),
    [
        pytest.param("v1.20.2", "policy/v1beta1", "autoscaling/v1", id="1.20"),
        pytest.param("1.21.0", "policy/v1", "autoscaling/v1", id="1.21"),
        pytest.param("v1.22.17-eks-0", "policy/v1", "autoscaling/v1", id="1.22"),
        pytest.param("v1.23.0", "policy/v1", "autoscaling/v2", id="1.23"),
        pytest.param("", "policy/v1", "autoscaling/v2", id="the-clusters-own"),
    ],
)
def test_old_clusters_get_the_versions_that_they_know(version: str, budget: str, autoscaler: str) -> None:
    """By a value, or by what the cluster says of itself."""
    objects = render({"settings": REGISTRY, "kubeVersion": version, "autoscaling": {"enabled": True}})
    assert one(objects, "PodDisruptionBudget")["apiVersion"] == budget
    scaler = one(objects, "HorizontalPodAutoscaler")
    assert scaler["apiVersion"] == autoscaler
    target = scaler["spec"].get("targetCPUUtilizationPercentage")
    assert (target == 70) is (autoscaler == "autoscaling/v1")


def test_keda_falls_back_on_more_pods_and_takes_silence_for_no_figure() -> None:
    """Without Prometheus, or if Prometheus does not see the pods, no pod is taken away."""
    spec = one(render(VARIANTS["queue"]), "ScaledObject")["spec"]
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 4, "behavior": "currentReplicasIfHigher"}
    assert {trigger["metadata"]["ignoreNullValues"] for trigger in spec["triggers"]} == {"false"}
    assert {trigger["metadata"]["serverAddress"] for trigger in spec["triggers"]} == {PROMETHEUS["serverAddress"]}


@pytest.mark.parametrize(
    ("cpu", "cores"),
    [
        pytest.param("500m", "0.35", id="thousandths"),
        pytest.param("0.25", "0.175", id="fraction-as-text"),
        pytest.param(2, "1.4", id="number"),
    ],
)
def test_pods_are_added_for_the_cpu_that_is_used_as_well(cpu: object, cores: str) -> None:
    """Requests that wait in sockets, unread, are in no figure of the queue: 70 % of each pod's CPU is enough."""
    values = VARIANTS["queue"] | {"resources": {"cpu": cpu, "memory": "256Mi"}}
    (trigger,) = (each for each in one(render(values), "ScaledObject")["spec"]["triggers"] if each["name"] == "cpu")
    assert float(trigger["metadata"]["threshold"]) == pytest.approx(float(cores))


def test_series_have_the_labels_that_the_triggers_ask_for() -> None:
    """The PodMonitor hands on those of the pods, as Prometheus writes them."""
    objects = render(VARIANTS["queue"], name="demo", namespace="shop")
    handed_on = one(objects, "PodMonitor")["spec"]["podTargetLabels"]
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    series = {label.translate(str.maketrans("./", "__")): labels[label] for label in handed_on} | {"namespace": "shop"}
    for trigger in one(objects, "ScaledObject")["spec"]["triggers"]:
        assert all(f'{label}="{value}"' in trigger["metadata"]["query"] for label, value in series.items())


def test_the_notes_tell_how_to_ask() -> None:
    """With the scheme, name, namespace and port of this release."""
    said = notes({"settings": REGISTRY}, name="demo", namespace="shop")
    assert "kubectl --namespace shop port-forward service/demo-canopy 8000:8000" in said
    assert "curl -s http://127.0.0.1:8000/predict" in said
    assert "curl --insecure -s https://127.0.0.1:8000/predict" in notes(VARIANTS["open-to-the-world"])


def test_the_chart_can_be_packed(tmp_path: Path) -> None:
    """Into one file, with its schema."""
    archive = helm_python.package(CHART, destination=tmp_path)
    with helm_python.Chart.load(archive) as packed:
        assert (packed.name, packed.version) == ("canopy", VERSION)
        assert packed.schema is not None
