"""Which values the chart takes: all settings of the server, of the right type, and nothing else."""

import json
import runpy
from pathlib import Path
from typing import Any

import helm_python
import msgspec
import pytest
import yaml  # type: ignore[import-untyped]

from settings import Settings, variable
from tests.conftest import ROOT
from tests.deploy.chart.rendering import CHART, REGISTRY, SETTINGS, VARIANTS, Object, one, render

NOT_BY_VALUE = {"admin_token", "tls_certificate", "tls_key"}
"""Settings that come from Secrets."""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema that is in the chart."""
    read: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return read


def environment(objects: list[Object]) -> dict[str, str]:
    """The server's variables."""
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def test_the_schema_is_what_the_command_makes_of_the_settings() -> None:
    """``make chart`` writes it anew; it tells nothing of the machine that has made it."""
    made = runpy.run_path(str(ROOT / "deploy" / "values_schema.py"))["text"]()
    assert (CHART / "values.schema.json").read_text() == made
    assert str(ROOT) not in made


def test_every_object_in_the_schema_refuses_other_keys(schema: dict[str, Any]) -> None:
    """But for what is Kubernetes' own: those objects it checks itself."""
    assert all(definition["additionalProperties"] is False for definition in schema["$defs"].values())
    free = {
        f"{name}.{key}"
        for name, definition in schema["$defs"].items()
        for key, value in definition["properties"].items()
        if value == {"type": "object"} or value.get("items") == {"type": "object"}
    }
    assert free == {
        "NetworkPolicy.egress",
        "NetworkPolicy.from",
        "Values.affinity",
        "Values.extraVolumes",
        "Values.global",
    }


def test_each_value_has_a_default_in_one_file(schema: dict[str, Any]) -> None:
    """values.yaml has every key that the schema has, but for the settings, whose defaults are the server's."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())

    def compare(values: dict[str, Any], name: str) -> None:
        properties = schema["$defs"][name]["properties"]
        assert set(values) == set(properties) - {"global"}
        for key, value in properties.items():
            part = value.get("$ref", "").rpartition("/")[2]
            if part and part != "Settings":
                compare(values[key], part)

    compare(defaults, "Values")
    assert set(defaults["settings"]) == set(schema["$defs"]["Settings"]["required"])
    taken = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    same = {
        key: value for key, value in defaults["settings"].items() if key not in {"tracking_uri", "drain_delay_seconds"}
    }
    assert same.items() <= taken.items()


def test_every_setting_reaches_the_server_as_it_was_given() -> None:
    """Large numbers and fractions too, which Go would write in another way than the server reads."""
    names = {field.name for field in msgspec.structs.fields(Settings)}
    assert set(SETTINGS) == names - NOT_BY_VALUE
    given = environment(render(VARIANTS["every-setting"]))
    assert set(given) == {variable(name) for name in SETTINGS}
    assert msgspec.structs.asdict(Settings.read([], given)).items() >= SETTINGS.items()


def test_values_have_defaults_of_the_server_by_saying_nothing() -> None:
    """What is not given sets no variable."""
    assert set(environment(render(VARIANTS["least"]))) == {
        "CANOPY_DRAIN_DELAY_SECONDS",
        "CANOPY_DRAIN_TIMEOUT_SECONDS",
        "CANOPY_MODEL_URI",
        "CANOPY_PORT",
        "MLFLOW_TRACKING_URI",
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({"replica": 3}, "additional properties 'replica' not allowed", id="misspelt"),
        pytest.param({"service": {"prot": 80}}, "additional properties 'prot' not allowed", id="misspelt-within"),
        pytest.param({"settings": {"max_batch": 8}}, "additional properties 'max_batch' not allowed", id="no-setting"),
        pytest.param({"settings": {"workers": "2"}}, "/settings/workers", id="text-for-a-number"),
        pytest.param({"settings": {"max_batch_rows": 0}}, "minimum: got 0, want 1", id="below-the-least"),
        pytest.param({"settings": {"engine": "gpu"}}, "value must be one of", id="unknown-word"),
        pytest.param({"settings": {"port": None}}, "missing property 'port'", id="taken-away"),
        pytest.param({"replicas": 2.5}, "got number, want integer", id="half-a-pod"),
        pytest.param({"resources": {"cpu": "half"}}, "/resources/cpu", id="no-quantity-of-cpu"),
        pytest.param({"resources": {"memory": "256 MB"}}, "/resources/memory", id="no-quantity-of-memory"),
        pytest.param({"image": {"variant": "fat"}}, "value must be one of 'full', 'slim'", id="no-such-image"),
        pytest.param({"fullnameOverride": "Canopy"}, "/fullnameOverride", id="no-name"),
        pytest.param({"podMonitor": {"intervalSeconds": 60}}, "maximum: got 60, want 20", id="too-few-for-a-rate"),
        pytest.param({"environment": {"A-B": "x"}}, "A-B", id="no-name-of-a-variable"),
        pytest.param({"environment": {"NO_PROXY": 1}}, "got number, want string", id="number-for-text"),
    ],
)
def test_a_typing_error_is_refused_before_anything_is_rendered(values: dict[str, Any], said: str) -> None:
    """By the schema, with the place."""
    settings = REGISTRY | values.get("settings", {})
    with pytest.raises(helm_python.HelmError) as refusal:
        render(values | {"settings": settings})
    assert said in str(refusal.value).replace('"', "'")


QUEUE = {"enabled": True, "by": "queue"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({}, "settings.tracking_uri: say where MLflow is", id="no-registry"),
        pytest.param(
            {"settings": {"tracking_uri": "https://me:pass@mlflow"}}, "holds a password: put", id="password-in-address"
        ),
        pytest.param({"settings": REGISTRY | {"admin_token": "x"}}, "admin_token is a secret", id="token"),
        pytest.param({"settings": REGISTRY | {"tls_key": "/key.pem"}}, "name that in tls.secretName", id="key"),
        pytest.param({"settings": REGISTRY | {"port": 0}}, "settings.port: 0 takes a free port", id="free-port"),
        pytest.param({"settings": REGISTRY | {"grpc_port": 0}}, "settings.grpc_port: 0 takes", id="free-port-of-grpc"),
        pytest.param(
            {"environment": {"CANOPY_MAX_BATCH_ROWS": "8"}}, "give it as settings.max_batch_rows", id="setting"
        ),
        pytest.param({"environment": {"MLFLOW_TRACKING_URI": "x"}}, "settings.tracking_uri", id="registry-by-variable"),
        pytest.param({"environment": {"AWS_SECRET_ACCESS_KEY": "x"}}, "is a secret: put it into", id="key-of-a-store"),
        pytest.param(
            {"environment": {"HTTPS_PROXY": "http://me:pass@proxy:3128"}}, "HTTPS_PROXY holds a password", id="proxy"
        ),
        pytest.param(
            {"podLabels": {"app.kubernetes.io/name": "x"}}, "the chart sets app.kubernetes.io/name", id="label"
        ),
        pytest.param(
            {"podMonitor": {"labels": {"helm.sh/chart": "x"}}}, "the chart sets helm.sh/chart", id="label-of-a-monitor"
        ),
        pytest.param(
            {"autoscaling": {"enabled": True, "minReplicas": 11}},
            "autoscaling.minReplicas (11) is above maxReplicas (10)",
            id="least-above-most",
        ),
        pytest.param({"autoscaling": QUEUE}, "say where Prometheus is", id="no-prometheus"),
        pytest.param({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs: name the Gateway", id="no-gateway"),
        pytest.param({"ingress": {"enabled": True, "tlsSecretName": "x"}}, "ingress.hosts: name", id="no-host"),
    ],
)
def test_what_cannot_be_done_rightly_is_refused_with_the_remedy(values: dict[str, Any], said: str) -> None:
    """In words, instead of a pod that ends at once or a secret that everybody can read."""
    with pytest.raises(helm_python.HelmError) as refusal:
        render({"settings": REGISTRY if values else {}} | values)
    assert said in str(refusal.value)
    assert "me:pass" not in str(refusal.value)


def test_a_chart_of_others_may_contain_this_one(tmp_path: Path) -> None:
    """Helm hands a part of a chart what is global, which no schema may refuse."""
    outer = tmp_path / "shop"
    (outer / "charts").mkdir(parents=True)
    (outer / "charts" / "canopy").symlink_to(CHART)
    (outer / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    (outer / "values.yaml").write_text(json.dumps({"global": {"team": "shop"}, "canopy": VARIANTS["least"]}))
    with helm_python.Chart.load(outer) as chart:
        files = chart.render({}, name="demo", namespace="shop")
    assert "name: demo-canopy" in files["shop/charts/canopy/templates/deployment.yaml"]
