"""The checks of what schemas cannot see find each fault that they are for."""

import copy
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest

from tests.deploy.chart.consistency import CHECKS, faults
from tests.deploy.chart.custom_resources import CUSTOM, misfits
from tests.deploy.chart.rendering import VARIANTS, Object, one, render

LATEST = "1.37"


def everything(values: dict[str, Any]) -> dict[str, Object]:
    """The objects by their kinds."""
    return {each["kind"]: copy.deepcopy(each) for each in render(values)}


def pod(objects: dict[str, Object]) -> Object:
    """The pods' specification."""
    found: Object = objects["Deployment"]["spec"]["template"]["spec"]
    return found


def container(objects: dict[str, Object]) -> Object:
    """The server."""
    found: Object = pod(objects)["containers"][0]
    return found


def schema_faults(objects: dict[str, Object]) -> list[str]:
    """What the strict schemas find."""
    found = []
    for each in objects.values():
        if each["kind"] in CUSTOM:
            found += misfits(each)
            continue
        try:
            kubernetes_validate.validate(each, LATEST, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(error.message)
    return found


Plant = Callable[[dict[str, Object]], object]


@pytest.mark.parametrize(
    ("plant", "by_schema"),
    [
        pytest.param(lambda each: each["Service"]["spec"]["selector"].update(app="canopy"), False, id="selector"),
        pytest.param(lambda each: container(each)["resources"]["limits"].update(cpu="0.5 CPU"), False, id="quantity"),
        pytest.param(
            lambda each: each["HorizontalPodAutoscaler"]["spec"].update(minReplicas=11), False, id="least-above-most"
        ),
        pytest.param(lambda each: container(each).update(imagePullPolicy="Sometimes"), False, id="unknown-word"),
        pytest.param(
            lambda each: each["Service"]["spec"]["ports"][0].update(targetPort="web"), False, id="name-of-a-port"
        ),
        pytest.param(lambda each: pod(each)["volumes"].pop(), False, id="missing-volume"),
        pytest.param(lambda each: each["Deployment"]["spec"].update(minReadySeconds="ten"), True, id="type"),
        pytest.param(lambda each: container(each).update(livenesProbe={}), True, id="misspelt-key"),
    ],
)
def test_each_planted_fault_is_found(plant: Plant, *, by_schema: bool) -> None:
    """Of these eight the schemas find two; the checks find the others."""
    objects = everything(VARIANTS["cpu"])
    assert schema_faults(objects) + faults(list(objects.values())) == []
    plant(objects)
    assert (bool(schema_faults(objects)), bool(faults(list(objects.values())))) == (by_schema, not by_schema)


def change(objects: dict[str, Object], kind: str, *path: str | int, to: object) -> None:
    """Replace one value."""
    place: Any = objects[kind]
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to


@pytest.mark.parametrize(
    ("variant", "plant", "said"),
    [
        pytest.param(
            "queue",
            lambda each: change(each, "PodMonitor", "spec", "selector", "matchLabels", "app", to="x"),
            "PodMonitor: {'app.kubernetes.io/name'",
            id="monitor-that-selects-nothing",
        ),
        pytest.param(
            "least",
            lambda each: pod(each)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"].update(app="x"),
            "topologySpreadConstraints: {",
            id="constraint-of-other-pods",
        ),
        pytest.param(
            "least",
            lambda each: change(each, "NetworkPolicy", "spec", "ingress", 0, "ports", 0, "port", to="web"),
            "NetworkPolicy: spec.ingress.0.ports.0.port web is none of ['http']",
            id="policy-for-no-port",
        ),
        pytest.param(
            "least",
            lambda each: container(each)["readinessProbe"]["httpGet"].update(port="web"),
            "readinessProbe.httpGet.port web is none of ['http']",
            id="probe-of-no-port",
        ),
        pytest.param(
            "open-to-the-world",
            lambda each: change(each, "HTTPRoute", "spec", "rules", 0, "backendRefs", 0, "port", to=80),
            "HTTPRoute: port 80 is none of",
            id="route-to-no-port",
        ),
        pytest.param(
            "open-to-the-world",
            lambda each: each["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update(name="x"),
            "Ingress: no Service x",
            id="ingress-of-no-service",
        ),
        pytest.param(
            "least",
            lambda each: pod(each)["volumes"].append({"name": "other", "emptyDir": {}}),
            "volumes: other is mounted nowhere",
            id="volume-for-nobody",
        ),
        pytest.param(
            "least",
            lambda each: container(each)["volumeMounts"][1].update(mountPath="/tmp"),  # noqa: S108 - the container's
            "a mountPath comes twice",
            id="two-volumes-at-one-place",
        ),
        pytest.param(
            "least",
            lambda each: pod(each)["volumes"][1]["emptyDir"].update(sizeLimit="2 GB"),
            "'2 GB' is no quantity",
            id="size-that-is-none",
        ),
        pytest.param(
            "least",
            lambda each: container(each)["resources"]["requests"].update(cpu="100m"),
            "canopy: requests are not limits",
            id="requests-below-limits",
        ),
        pytest.param(
            "queue",
            lambda each: each["Deployment"]["spec"].update(replicas=3),
            "replicas: not one",
            id="two-that-decide",
        ),
        pytest.param(
            "queue",
            lambda each: each["ScaledObject"]["spec"].update(maxReplicaCount=1),
            "ScaledObject: at least 2 and at most 1 replicas",
            id="least-above-most-for-keda",
        ),
        pytest.param(
            "queue",
            lambda each: each["ScaledObject"]["spec"]["scaleTargetRef"].update(name="canopy"),
            "ScaledObject: no Deployment canopy",
            id="target-that-is-not-there",
        ),
        pytest.param(
            "least",
            lambda each: change(each, "Service", "spec", "type", to="Cluster"),
            "Service: spec.type: Cluster is none of",
            id="unknown-type",
        ),
        pytest.param(
            "confined",
            lambda each: change(each, "NetworkPolicy", "spec", "policyTypes", 1, to="Outgoing"),
            "NetworkPolicy: spec.policyTypes.1: Outgoing is none of",
            id="unknown-word-in-a-list",
        ),
        pytest.param(
            "least",
            lambda each: container(each)["livenessProbe"]["httpGet"].update(path="/healthz"),
            "livenessProbe: /healthz is no route",
            id="probe-of-no-route",
        ),
        pytest.param(
            "open-to-the-world",
            lambda each: container(each)["livenessProbe"]["httpGet"].update(scheme="HTTP"),
            "livenessProbe: HTTP is not what the server speaks",
            id="probe-without-tls",
        ),
        pytest.param(
            "least", lambda each: container(each).pop("startupProbe"), "canopy: no startupProbe", id="missing-probe"
        ),
        pytest.param(
            "least",
            lambda each: container(each)["env"].append({"name": "CANOPY_QUEUE", "value": "1"}),
            "canopy: CANOPY_QUEUE is no setting",
            id="variable-that-nobody-reads",
        ),
        pytest.param(
            "least",
            lambda each: container(each)["env"].append({"name": "CANOPY_WORKERS", "value": "many"}),
            "CANOPY_WORKERS: is no number, nor auto (got 'many')",
            id="value-that-the-server-refuses",
        ),
        pytest.param(
            "least",
            lambda each: container(each)["env"].append(container(each)["env"][0]),
            "comes twice",
            id="variable-that-comes-twice",
        ),
        pytest.param(
            "least",
            lambda each: pod(each).update(terminationGracePeriodSeconds=44),
            "terminationGracePeriodSeconds: 44 s are not ten more than 35",
            id="too-little-time-to-stop",
        ),
        pytest.param(
            "least",
            lambda each: each.pop("ServiceAccount"),
            "Deployment: no ServiceAccount demo-canopy",
            id="account-that-is-not-there",
        ),
    ],
)
def test_what_schemas_cannot_see_is_told(variant: str, plant: Plant, said: str) -> None:
    """In one line, which names the place."""
    objects = everything(VARIANTS[variant])
    plant(objects)
    (fault,) = faults(list(objects.values()))
    assert said in fault


def test_two_objects_of_one_name_are_told() -> None:
    """The later one would replace the other."""
    objects = render(VARIANTS["least"])
    assert faults([*objects, one(objects, "NetworkPolicy")]) == ["NetworkPolicy demo-canopy comes twice"]


@pytest.mark.parametrize(
    ("kind", "plant", "said"),
    [
        pytest.param(
            "ScaledObject",
            lambda each: each["spec"]["triggers"][0]["metadata"].update(threshold=20),
            "Expected `str`, got `int` - at `$.spec.triggers[0].metadata.threshold`",
            id="number-where-keda-wants-text",
        ),
        pytest.param(
            "ScaledObject",
            lambda each: each["spec"].update(maxReplicas=3),
            "Object contains unknown field `maxReplicas` - at `$.spec`",
            id="field-of-another-resource",
        ),
        pytest.param(
            "PodMonitor",
            lambda each: each["spec"]["podMetricsEndpoints"][0].update(interval="15"),
            "matching regex",
            id="duration-without-a-unit",
        ),
    ],
)
def test_custom_resources_are_held_to_their_definitions(
    kind: str, plant: Callable[[Object], object], said: str
) -> None:
    """Unknown fields and wrong types are told with their path."""
    found = everything(VARIANTS["queue"])[kind]
    assert misfits(found) == []
    plant(found)
    (misfit,) = misfits(found)
    assert said in misfit


def test_every_check_has_its_name_in_the_list() -> None:
    """A check that is written and not run would find nothing."""
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS) == 10
