"""What values the Helm chart takes, and the command that writes them as JSON Schema: ``make chart``.

Helm holds every value against ``deploy/chart/values.schema.json`` before it renders, so that a misspelt key or a wrong
type is an error at once (https://helm.sh/docs/topics/charts/#schema-files). That file is made here, of these classes
and of ``Settings``, so that a new setting of the server is a value of the chart. What each value means stands in
``deploy/chart/values.yaml``. Helm's regular expressions are Go's: they know no lookahead.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from settings import Settings

ROOT: Final = Path(__file__).resolve().parent.parent
FILE: Final = ROOT / "deploy" / "chart" / "values.schema.json"

Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
MaybeName = Annotated[str, Meta(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", max_length=253)]
# Of a Service, which must begin with a letter (RFC 1035); release and chart may both be in it.
ObjectName = Annotated[str, Meta(pattern=r"^([a-z]([-a-z0-9]*[a-z0-9])?)?$", max_length=52)]
Host = Annotated[str, Meta(pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Path_ = Annotated[str, Meta(pattern=r"^/[A-Za-z0-9_.~:@/-]*$")]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Percentage = Annotated[str, Meta(pattern=r"^[0-9]{1,2}%$|^100%$")]
Cpu = Annotated[str, Meta(pattern=r"^([1-9][0-9]*m|[0-9]+(\.[0-9]{1,3})?)$")] | Annotated[float, Meta(gt=0)]
Memory = Annotated[str, Meta(pattern=r"^[1-9][0-9]*(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$")]
Variable = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Strings = dict[str, str]
Spread = Literal["ScheduleAnyway", "DoNotSchedule", "off"]
Object = dict[str, Any]
"""Handed to Kubernetes as it is, which refuses what it does not know."""


class Part(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A part of the values. All of its keys are in values.yaml, so that none is ever missing."""


class Image(Part):
    """Which image serves."""

    repository: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?$")]
    variant: Literal["slim", "full"]
    tag: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{0,128}$")]
    digest: Annotated[str, Meta(pattern=r"^(sha256:[0-9a-f]{64})?$")]
    pull_policy: Literal["Always", "IfNotPresent", "Never"]


class Tls(Part):
    """The certificate."""

    secret_name: MaybeName


class Resources(Part):
    """Requests, and limits."""

    cpu: Cpu
    memory: Memory


class CacheVolume(Part):
    """Where prepared models are."""

    existing_claim: MaybeName
    size_limit: Memory


class Prepare(Part):
    """The init container."""

    enabled: bool
    image: str
    resources: Resources


class Service(Part):
    """How others in the cluster reach it."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"]
    port: Port
    annotations: Strings


class Ingress(Part):
    """How others reach it from outside."""

    enabled: bool
    class_name: MaybeName
    annotations: Strings
    hosts: list[Host]
    paths: Annotated[list[Path_], Meta(min_length=1)]
    tls_secret_name: MaybeName


class Gateway(Part, omit_defaults=True):
    """A Gateway to attach to."""

    name: Name
    namespace: Name = ""
    section_name: Name = ""


class HttpRoute(Part):
    """How others reach it by a Gateway."""

    enabled: bool
    parent_refs: Annotated[list[Gateway], Meta(max_length=32)]
    hostnames: Annotated[list[Host], Meta(max_length=16)]
    paths: Annotated[list[Path_], Meta(min_length=1, max_length=64)]


class PodDisruptionBudget(Part):
    """How many pods may be taken away on purpose at the same time."""

    enabled: bool
    max_unavailable: Count | Percentage


class TopologySpread(Part):
    """Which pods may be together."""

    hostname: Spread
    zone: Spread


class NetworkPolicy(Part):
    """Who may connect."""

    enabled: bool
    from_: list[Object] = msgspec.field(name="from")
    egress: list[Object]


class ServiceAccount(Part):
    """Who the pods are."""

    create: bool
    name: MaybeName
    annotations: Strings


class PodMonitor(Part):
    """How Prometheus finds the pods. A rate over a minute needs several answers in it."""

    enabled: bool
    labels: Strings
    interval_seconds: Annotated[int, Meta(ge=1, le=20)]


class CpuTarget(Part):
    """When a HorizontalPodAutoscaler adds pods."""

    target: Annotated[int, Meta(ge=1, le=100)]


class QueueTarget(Part):
    """When KEDA adds pods."""

    server_address: Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?$")]
    target: Annotated[float, Meta(gt=0)]
    shed_per_second: Annotated[float, Meta(gt=0)]
    polling_seconds: Annotated[int, Meta(ge=1, le=3_600)]
    fallback_replicas: Count
    authentication: MaybeName


class Autoscaling(Part):
    """How many pods there are."""

    enabled: bool
    by: Literal["cpu", "queue"]
    min_replicas: Count
    max_replicas: Count
    cpu: CpuTarget
    queue: QueueTarget


class Toleration(Part, omit_defaults=True):
    """A taint of nodes that pods put up with."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    toleration_seconds: int = 0


class Mount(Part, omit_defaults=True):
    """Where a volume is."""

    name: Name
    mount_path: Path_
    sub_path: str = ""
    read_only: bool = False


class Values(Part):
    """The chart's values. A chart that has this one as a part hands ``global`` on."""

    name_override: ObjectName
    fullname_override: ObjectName
    kube_version: Annotated[str, Meta(pattern=r"^(v?1\.[0-9]+(\.[0-9]+)?([-+].*)?)?$")]
    replicas: Annotated[int, Meta(ge=0, le=10_000)]
    image: Image
    image_pull_secrets: list[Name]
    settings: Settings
    environment: dict[Variable, str]
    existing_secret: MaybeName
    tls: Tls
    resources: Resources
    cache: CacheVolume
    prepare: Prepare
    service: Service
    ingress: Ingress
    http_route: HttpRoute
    pod_disruption_budget: PodDisruptionBudget
    topology_spread: TopologySpread
    network_policy: NetworkPolicy
    service_account: ServiceAccount
    pod_monitor: PodMonitor
    autoscaling: Autoscaling
    pod_annotations: Strings
    pod_labels: Strings
    priority_class_name: MaybeName
    node_selector: Strings
    tolerations: list[Toleration]
    affinity: Object
    extra_volumes: list[Object]
    extra_volume_mounts: list[Mount]
    global_: Object = msgspec.field(name="global", default_factory=dict)


NEEDED: Final = ("drain_delay_seconds", "drain_timeout_seconds", "model_uri", "port", "tracking_uri")
"""Settings of which the chart computes something: they are in values.yaml, and must not be taken out."""


def schema() -> dict[str, Any]:
    """The JSON Schema of the values."""
    made: dict[str, Any] = msgspec.json.schema(Values)
    settings = made["$defs"]["Settings"]
    settings |= {"additionalProperties": False, "required": list(NEEDED)}
    settings["description"] = "The server's settings by their names: see docs/settings.md."
    settings["properties"]["tracking_uri"].pop("minLength")  # it may come from existingSecret
    for definition in made["$defs"].values():
        for value in definition["properties"].values():
            value.pop("default", None)  # values.yaml has the defaults, and the server those of its settings
    # Nothing in it is newer than this draft, which Helm 3 knows as well.
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Canopy's chart", **made}


def text() -> str:
    """The whole file."""
    return json.dumps(schema(), indent=2) + "\n"


def main() -> int:
    """Write the file."""
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
