"""The chart, rendered, and the values with which it is."""

import functools
import json
from collections.abc import Mapping
from typing import Any, Final

import helm_python
import yaml  # type: ignore[import-untyped]

from tests.conftest import ROOT

CHART: Final = ROOT / "deploy" / "chart"

Object = dict[str, Any]
"""An object of Kubernetes, as its file has it."""

REGISTRY: Final = {"tracking_uri": "http://mlflow:5000"}
"""What everybody has to give."""

PROMETHEUS: Final = {"serverAddress": "http://prometheus.monitoring:9090"}

SETTINGS: Final[dict[str, Any]] = {
    **REGISTRY,
    "model_uri": "models:/Price@champion",
    "host": "::",
    "port": 9000,
    "workers": "auto",
    "grpc_port": 9001,
    "model_name": "price",
    "engine": "compiled",
    "walk": "portable",
    "trusted_formats": "skops",
    "other_versions": "refuse",
    "schema": "covertype",
    "cache": "/var/lib/models",
    "model_poll_seconds": 0.5,
    "model_wait_seconds": 120,
    "look_timeout_seconds": 10,
    "prepare_timeout_seconds": 1800,
    "batching": "on",
    "inference": "thread",
    "max_batch_rows": 2048,
    "max_wait_ms": 0,
    "max_queue_rows": 100_000_000,
    "max_rows_per_request": 1_000,
    "max_body_bytes": 1 << 32,
    "deadline_ms": 1500.5,
    "http": "asgi",
    "predict_route": "/vertex/predict",
    "health_route": "/vertex/health",
    "cors_origins": "https://app.example,http://localhost:3000",
    "max_head_bytes": 1 << 20,
    "head_timeout_seconds": 5,
    "body_timeout_seconds": 60,
    "write_timeout_seconds": 60,
    "keep_alive_seconds": 30,
    "drain_delay_seconds": 7.5,
    "drain_idle_seconds": 2.25,
    "drain_timeout_seconds": 45,
    "hang_timeout_seconds": 20,
    "log_level": "debug",
}
"""Every setting that may stand in the values, each with another value than its default."""

VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "least": {"settings": REGISTRY},
    "every-setting": {"settings": SETTINGS},
    "registry-in-a-secret": {"existingSecret": "registry-access"},
    "another-image": {
        "settings": REGISTRY,
        "image": {
            "repository": "registry.example:5000/team/canopy",
            "variant": "full",
            "digest": "sha256:" + 32 * "4b",
            "pullPolicy": "Always",
        },
        "imagePullSecrets": ["registry-pull"],
    },
    "prepare-with-shared-cache": {
        "settings": REGISTRY,
        "prepare": {"enabled": True, "resources": {"cpu": 2, "memory": "4Gi"}},
        "cache": {"existingClaim": "models"},
        "existingSecret": "store-access",
        "environment": {"MLFLOW_S3_ENDPOINT_URL": "http://storage:9000", "AWS_DEFAULT_REGION": "eu-west-1"},
    },
    "cpu": {"settings": REGISTRY, "autoscaling": {"enabled": True}},
    "queue": {
        "settings": REGISTRY,
        "autoscaling": {"enabled": True, "by": "queue", "queue": PROMETHEUS | {"authentication": "prometheus"}},
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    },
    "old-cluster": {
        "settings": REGISTRY,
        "kubeVersion": "v1.20.2",
        "autoscaling": {"enabled": True, "cpu": {"target": 50}},
    },
    "open-to-the-world": {
        "settings": REGISTRY | {"grpc_port": 8001},
        "tls": {"secretName": "canopy-tls"},
        "service": {"type": "LoadBalancer", "port": 443, "annotations": {"example.com/scheme": "internet-facing"}},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "annotations": {"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS"},
            "hosts": ["canopy.example", "*.models.example"],
            "paths": ["/predict", "/v2"],
            "tlsSecretName": "public-tls",
        },
        "httpRoute": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
            "hostnames": ["canopy.example"],
        },
        "podMonitor": {"enabled": True},
    },
    "confined": {
        "settings": REGISTRY,
        "networkPolicy": {
            "from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "mlflow"}}}], "ports": [{"port": 5000}]}],
        },
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/models"}},
        "podDisruptionBudget": {"maxUnavailable": "25%"},
        "topologySpread": {"hostname": "DoNotSchedule"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}]
                }
            }
        },
        "priorityClassName": "serving",
        "podAnnotations": {"example.com/owner": "shop"},
        "podLabels": {"team": "shop"},
        "extraVolumes": [{"name": "authority", "configMap": {"name": "authority"}}],
        "extraVolumeMounts": [{"name": "authority", "mountPath": "/etc/authority", "readOnly": True}],
        "environment": {"REQUESTS_CA_BUNDLE": "/etc/authority/ca.pem"},
    },
    "nothing-optional": {
        "settings": REGISTRY,
        "replicas": 1,
        "podDisruptionBudget": {"enabled": False},
        "topologySpread": {"hostname": "off", "zone": "off"},
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "fullnameOverride": "forest",
    },
}
"""Values that an operator may have, by what they are for: together they reach every line of the templates."""


@functools.cache
def chart() -> helm_python.Chart:
    """The chart as Helm reads it."""
    return helm_python.Chart.load(CHART)


def render(values: Mapping[str, Any], name: str = "demo", namespace: str = "shop") -> list[Object]:
    """The objects that Helm would send to a cluster, and nothing of its notes.

    Raises:
        helm_python.HelmError: the values are refused.
    """
    files = _files(json.dumps(values), name, namespace)
    texts = (text for path, text in files.items() if path.endswith(".yaml"))
    return [document for text in texts for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


def notes(values: Mapping[str, Any], name: str = "demo", namespace: str = "shop") -> str:
    """What Helm tells whoever has installed it."""
    return _files(json.dumps(values), name, namespace)["canopy/templates/NOTES.txt"]


@functools.cache
def _files(values: str, name: str, namespace: str) -> dict[str, str]:
    """The text of each template; what many tests ask for is rendered once."""
    return chart().render(json.loads(values), name=name, namespace=namespace)


def one(objects: list[Object], kind: str) -> Object:
    """The only object of a kind."""
    (found,) = (each for each in objects if each["kind"] == kind)
    return found
