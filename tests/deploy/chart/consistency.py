"""What Kubernetes' schemas cannot see in objects that belong together: names that lead nowhere, numbers that clash.

Schemas know fields and types. An unknown word, a quantity that is none, a selector that selects nothing pass them; a
cluster refuses some of these when it is too late, and is silent about the rest.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from serving.metrics.content import ROUTES
from settings import Settings, SettingsError, variable
from tests.deploy.chart.others import AWS, MLFLOW, REQUESTS
from tests.deploy.chart.rendering import Object

QUANTITY: Final = re.compile(r"(\d+(\.\d*)?|\.\d+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?")
"""https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity"""

WORDS: Final = {
    "effect": {"NoSchedule", "PreferNoSchedule", "NoExecute"},
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "metricType": {"AverageValue", "Value"},
    "operator": {"Exists", "Equal", "In", "NotIn", "DoesNotExist", "Gt", "Lt"},
    "pathType": {"Exact", "Prefix", "ImplementationSpecific"},
    "policyTypes": {"Ingress", "Egress"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "scheme": {"HTTP", "HTTPS", "http", "https"},
    "selectPolicy": {"Max", "Min", "Disabled"},
    "whenUnsatisfiable": {"ScheduleAnyway", "DoNotSchedule"},
}
"""A field's name → the words that it may be (https://kubernetes.io/docs/reference/kubernetes-api)."""

TYPES: Final = {
    "Service": {"ClusterIP", "NodePort", "LoadBalancer"},
    "strategy": {"RollingUpdate", "Recreate"},
    "seccompProfile": {"RuntimeDefault", "Localhost", "Unconfined"},
    "target": {"Utilization", "Value", "AverageValue"},
    "policies": {"Percent", "Pods"},
}
"""What has a ``type`` → the words that it may be."""


def faults(objects: Sequence[Object]) -> list[str]:
    """What is wrong in objects that are applied together, a line each; nothing if all is well."""
    return [fault for check in CHECKS for fault in check(objects)]


def selectors(objects: Sequence[Object]) -> Iterator[str]:
    """Whatever selects pods selects those of the Deployment."""
    labels = _template(objects)["metadata"]["labels"]
    own = {"Deployment", "PodDisruptionBudget", "PodMonitor"}
    for each in objects:
        spec = each.get("spec", {})
        selecting = {
            "Service": [spec.get("selector")],
            "NetworkPolicy": [spec.get("podSelector", {}).get("matchLabels")],
            **dict.fromkeys(own, [spec.get("selector", {}).get("matchLabels")] if each["kind"] in own else []),
        }.get(each["kind"], [])
        for selector in selecting:
            if not selector or not selector.items() <= labels.items():
                yield f"{each['kind']}: {selector} does not select the pods, which have {labels}"
    for constraint in _pod(objects).get("topologySpreadConstraints", []):
        selector = constraint["labelSelector"]["matchLabels"]
        if not selector.items() <= labels.items():
            yield f"topologySpreadConstraints: {selector} does not select the pods, which have {labels}"


def ports(objects: Sequence[Object]) -> Iterator[str]:
    """Each port that is asked for by name or number is open, and each backend is the Service."""
    named = {port["name"] for container in _pod(objects)["containers"] for port in container["ports"]}
    (service,) = (each for each in objects if each["kind"] == "Service")
    offered = {value for port in service["spec"]["ports"] for value in (port["name"], port["port"])}
    for each in objects:
        for place, value in _fields(each):
            if place[-1] == "targetPort" and value not in named:
                yield f"Service: targetPort {value} is none of {sorted(named)}"
            if place[-1] == "port" and isinstance(value, str) and each["kind"] != "Ingress" and value not in named:
                yield f"{each['kind']}: {'.'.join(place)} {value} is none of {sorted(named)}"
            if (
                each["kind"] == "Ingress"
                and place[-2:] in {("port", "name"), ("port", "number")}
                and value not in offered
            ):
                yield f"Ingress: port {value} is none of {offered}"
            if each["kind"] == "Ingress" and place[-2:] == ("service", "name") and value != service["metadata"]["name"]:
                yield f"Ingress: no Service {value}"
            if "backendRefs" in place and place[-1] == "name" and value != service["metadata"]["name"]:
                yield f"{each['kind']}: no Service {value}"
            if "backendRefs" in place and place[-1] == "port" and value not in offered:
                yield f"{each['kind']}: port {value} is none of {offered}"


def volumes(objects: Sequence[Object]) -> Iterator[str]:
    """Each mount has its volume, at a place of its own, and no volume is there for nobody."""
    pod = _pod(objects)
    there = [volume["name"] for volume in pod["volumes"]]
    mounts = [mount for container in _containers(objects) for mount in container["volumeMounts"]]
    wanted = {mount["name"] for mount in mounts}
    if len(set(there)) < len(there):
        yield f"volumes: a name comes twice: {there}"
    for name in sorted(wanted - set(there)):
        yield f"volumeMounts: there is no volume {name}"
    for name in sorted(set(there) - wanted):
        yield f"volumes: {name} is mounted nowhere"
    for container in _containers(objects):
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        if len(set(paths)) < len(paths):
            yield f"{container['name']}: a mountPath comes twice: {paths}"


def quantities(objects: Sequence[Object]) -> Iterator[str]:
    """CPU, memory and sizes are quantities, and requests are limits."""
    for container in _containers(objects):
        if container["resources"]["requests"] != container["resources"]["limits"]:
            yield f"{container['name']}: requests are not limits"
    for each in objects:
        for place, value in _fields(each):
            asked = place[-1] == "sizeLimit" or (len(place) > 1 and place[-2] in {"requests", "limits"})
            if asked and not QUANTITY.fullmatch(str(value)):
                yield f"{each['kind']}: {'.'.join(place)}: {value!r} is no quantity"


def replicas(objects: Sequence[Object]) -> Iterator[str]:
    """One decides how many pods there are, and the least is not above the most."""
    deciding = [each for each in objects if each["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"}]
    if len(deciding) + ("replicas" in _deployment(objects)["spec"]) != 1:
        yield "replicas: not one, but several or none decide how many pods there are"
    for each in deciding:
        spec = each["spec"]
        least = spec.get("minReplicas", spec.get("minReplicaCount", 1))
        most = spec.get("maxReplicas", spec.get("maxReplicaCount", 100))
        if not 1 <= least <= most:
            yield f"{each['kind']}: at least {least} and at most {most} replicas"


def words(objects: Sequence[Object]) -> Iterator[str]:
    """What is one of some words is one of them."""
    for each in objects:
        for place, value in _fields(each):
            owner = next((part for part in reversed(place[:-1]) if not part.isdecimal()), "")
            known = WORDS.get(place[-1] if not place[-1].isdecimal() else owner)
            if place[-1] == "type":
                known = TYPES.get(each["kind"] if owner == "spec" else owner)
            if known and isinstance(value, str) and value not in known:
                yield f"{each['kind']}: {'.'.join(place)}: {value} is none of {sorted(known)}"


def probes(objects: Sequence[Object]) -> Iterator[str]:
    """Probes, and whoever gathers figures, ask for routes that there are, and speak what the server speaks."""
    for container in _pod(objects)["containers"]:
        secure = "CANOPY_TLS_CERTIFICATE" in {each["name"] for each in container["env"]}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            if kind not in container:
                yield f"{container['name']}: no {kind}"
                continue
            asked = container[kind]["httpGet"]
            if asked["path"] not in ROUTES:
                yield f"{kind}: {asked['path']} is no route"
            if asked["scheme"] != ("HTTPS" if secure else "HTTP"):
                yield f"{kind}: {asked['scheme']} is not what the server speaks"
    for monitor in (each for each in objects if each["kind"] == "PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            if endpoint["path"] not in ROUTES:
                yield f"PodMonitor: {endpoint['path']} is no route"


def environment(objects: Sequence[Object]) -> Iterator[str]:
    """Each variable is a setting, with a value that the server takes, or one that a library reads; none comes twice."""
    known = {variable(field.name) for field in msgspec.structs.fields(Settings)} | MLFLOW | AWS | REQUESTS
    for container in _containers(objects):
        names = [each["name"] for each in container["env"]]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{container['name']}: {name} comes twice"
        for name in names:
            if name not in known:
                yield f"{container['name']}: {name} is no setting, nor a variable of MLflow, AWS or requests"
        # The certificate's files are in the pod only.
        given = {each["name"]: each["value"] for each in container["env"] if "_TLS_" not in each["name"]}
        try:
            Settings.read([], given)
        except SettingsError as error:
            yield f"{container['name']}: {error}"


def grace(objects: Sequence[Object]) -> Iterator[str]:
    """A pod has ten seconds more to stop than its drain may take."""
    given = {each["name"]: each.get("value") for each in _pod(objects)["containers"][0]["env"]}
    defaults = Settings()
    delay = float(given.get("CANOPY_DRAIN_DELAY_SECONDS") or defaults.drain_delay_seconds)
    timeout = float(given.get("CANOPY_DRAIN_TIMEOUT_SECONDS") or defaults.drain_timeout_seconds)
    seconds = _pod(objects).get("terminationGracePeriodSeconds", 30)
    if seconds < delay + timeout + 10:
        yield f"terminationGracePeriodSeconds: {seconds} s are not ten more than {delay + timeout:g}"


def references(objects: Sequence[Object]) -> Iterator[str]:
    """What an object names is there, and no two of a kind have one name."""
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    for kind, name in sorted({each for each in names if names.count(each) > 1}):
        yield f"{kind} {name} comes twice"
    for each in objects:
        target = each.get("spec", {}).get("scaleTargetRef")
        if target and (target["kind"], target["name"]) not in names:
            yield f"{each['kind']}: no {target['kind']} {target['name']}"
    account = _pod(objects)["serviceAccountName"]
    if account != "default" and ("ServiceAccount", account) not in names:
        yield f"Deployment: no ServiceAccount {account}"


CHECKS: Final[tuple[Callable[[Sequence[Object]], Iterator[str]], ...]] = (
    selectors,
    ports,
    volumes,
    quantities,
    replicas,
    words,
    probes,
    environment,
    grace,
    references,
)


def _deployment(objects: Sequence[Object]) -> Object:
    (found,) = (each for each in objects if each["kind"] == "Deployment")
    return found


def _template(objects: Sequence[Object]) -> Object:
    template: Object = _deployment(objects)["spec"]["template"]
    return template


def _pod(objects: Sequence[Object]) -> Object:
    pod: Object = _template(objects)["spec"]
    return pod


def _containers(objects: Sequence[Object]) -> list[Object]:
    """Those that begin, and those that stay."""
    pod = _pod(objects)
    return [*pod.get("initContainers", []), *pod["containers"]]


def _fields(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - YAML
    """Each scalar of a document, with the keys and indices that lead to it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _fields(each, (*place, str(key)))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _fields(each, (*place, str(index)))
    else:
        yield place, value
