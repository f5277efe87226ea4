"""Strict schemas of the fields that the chart gives to resources which Kubernetes itself does not know.

Names and limits are those of the definitions of KEDA 2.20 (https://keda.sh/docs/2.20/reference/scaledobject-spec), the
Prometheus Operator 0.93 (https://prometheus-operator.dev/docs/api-reference/api) and the Gateway API 1.6
(https://gateway-api.sigs.k8s.io/reference/spec). A field that is not used is not here.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tests.deploy.chart.rendering import Object

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Subdomain = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")]
Hostname = Annotated[str, Meta(pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)]
LabelKey = Annotated[str, Meta(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")]
LabelValue = Annotated[str, Meta(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$", max_length=63)]
Labels = dict[LabelKey, LabelValue]
Natural = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Decimal = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$")]
Duration = Annotated[str, Meta(pattern=r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$", min_length=2)]


class Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """An object with these fields and no others."""


class Metadata(Strict):
    """Of any object."""

    name: Name
    namespace: Name
    labels: Labels


class LabelSelector(Strict):
    """Which pods."""

    match_labels: Labels


class ScaleTarget(Strict):
    """What is scaled."""

    api_version: Literal["apps/v1"]
    kind: Literal["Deployment"]
    name: Name


class Fallback(Strict):
    """How many pods there are while a trigger has no value; ``behavior`` is of KEDA 2.17."""

    failure_threshold: Natural
    replicas: Natural
    behavior: Literal["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]


class ScalingPolicy(Strict):
    """Of autoscaling/v2."""

    type: Literal["Percent", "Pods"]
    value: Positive
    period_seconds: Annotated[int, Meta(ge=1, le=1_800)]


class ScalingRules(Strict):
    """Of autoscaling/v2."""

    stabilization_window_seconds: Annotated[int, Meta(ge=0, le=3_600)]
    policies: Annotated[list[ScalingPolicy], Meta(min_length=1)]
    select_policy: Literal["Max", "Min", "Disabled"] = "Max"


class Behavior(Strict):
    """Of autoscaling/v2."""

    scale_up: ScalingRules
    scale_down: ScalingRules


class AutoscalerConfig(Strict):
    """The HorizontalPodAutoscaler that KEDA makes."""

    behavior: Behavior


class Advanced(Strict):
    """How it scales."""

    horizontal_pod_autoscaler_config: AutoscalerConfig


class Query(Strict):
    """What KEDA's scaler ``prometheus`` is told: all of it is text."""

    server_address: Annotated[str, Meta(pattern=r"^https?://")]
    query: Annotated[str, Meta(min_length=1)]
    threshold: Decimal
    ignore_null_values: Literal["true", "false"]


class Authentication(Strict):
    """A TriggerAuthentication."""

    name: Name


class Trigger(Strict):
    """What is scaled by. A fallback for the type ``Value`` is of KEDA 2.18."""

    type: Literal["prometheus"]
    name: Name
    metric_type: Literal["AverageValue", "Value"]
    metadata: Query
    authentication_ref: Authentication | None = None


class ScaledObjectSpec(Strict):
    """See ``ScaledObject``."""

    scale_target_ref: ScaleTarget
    polling_interval: Positive
    min_replica_count: Natural
    max_replica_count: Positive
    fallback: Fallback
    advanced: Advanced
    triggers: Annotated[list[Trigger], Meta(min_length=1)]


class ScaledObject(Strict):
    """KEDA's."""

    api_version: Literal["keda.sh/v1alpha1"]
    kind: Literal["ScaledObject"]
    metadata: Metadata
    spec: ScaledObjectSpec


class ScrapeTls(Strict):
    """Whether certificates matter."""

    insecure_skip_verify: bool


class MetricsEndpoint(Strict):
    """What is asked of a pod."""

    port: Name
    path: Annotated[str, Meta(pattern=r"^/")]
    scheme: Literal["http", "https", "HTTP", "HTTPS"]
    interval: Duration
    tls_config: ScrapeTls | None = None


class PodMonitorSpec(Strict):
    """See ``PodMonitor``."""

    selector: LabelSelector
    pod_target_labels: list[LabelKey]
    pod_metrics_endpoints: list[MetricsEndpoint]


class PodMonitor(Strict):
    """The Prometheus Operator's."""

    api_version: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PodMonitor"]
    metadata: Metadata
    spec: PodMonitorSpec


class ParentReference(Strict):
    """A Gateway."""

    name: Annotated[str, Meta(min_length=1, max_length=253)]
    namespace: Name = ""
    section_name: Subdomain = ""


class PathMatch(Strict):
    """Which paths."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"]
    value: Annotated[str, Meta(pattern=r"^/", max_length=1024)]


class RouteMatch(Strict):
    """Which requests."""

    path: PathMatch


class Backend(Strict):
    """A Service."""

    name: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65_535)]


class RouteRule(Strict):
    """Which requests go where."""

    matches: Annotated[list[RouteMatch], Meta(max_length=64)]
    backend_refs: Annotated[list[Backend], Meta(max_length=16)]


class HTTPRouteSpec(Strict):
    """See ``HTTPRoute``."""

    parent_refs: Annotated[list[ParentReference], Meta(max_length=32)]
    rules: Annotated[list[RouteRule], Meta(min_length=1, max_length=16)]
    hostnames: Annotated[list[Hostname], Meta(max_length=16)] = msgspec.field(default_factory=list)


class HTTPRoute(Strict):
    """The Gateway API's."""

    api_version: Literal["gateway.networking.k8s.io/v1"]
    kind: Literal["HTTPRoute"]
    metadata: Metadata
    spec: HTTPRouteSpec


CUSTOM: Final = {"HTTPRoute": HTTPRoute, "PodMonitor": PodMonitor, "ScaledObject": ScaledObject}
"""Kinds that have a schema here."""


def misfits(document: Object) -> list[str]:
    """What is wrong with an object of one of these kinds: nothing, or the first fault, with its path."""
    try:
        msgspec.convert(document, CUSTOM[document["kind"]])
    except msgspec.ValidationError as error:
        return [f"{document['kind']}: {error}"]
    return []
