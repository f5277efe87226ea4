"""What the files of the Docker stack promise each other; ``make stack-test`` runs the stack itself."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from serving.metrics.content import CONTENT
from serving.metrics.shared import MetricFamily
from settings import Settings, describe, variable
from tests.conftest import ROOT, Start
from tests.helpers.support import PATIENCE, until

COMPOSE = ROOT / "docker-compose.yaml"
STAND_IN = ROOT / "deploy" / "stand-in" / "compose.yaml"
HOST = ROOT / "compose.host.yaml"
ENVIRONMENT = ROOT / ".env"
FIXED = {"host", "port", "cache", "tracking_uri", "tls_certificate", "tls_key"}
"""Settings that the images or the stack decide."""


def services(path: Path) -> dict[str, Any]:
    """The services of a Compose file."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())["services"]
    return found


def knobs(*, out_of_use: bool = False) -> dict[str, str]:
    """What .env sets, and on demand what it only mentions."""
    mark = "(?:# )?" if out_of_use else ""
    return dict(re.findall(rf"^{mark}([A-Z_0-9]+)=(.*)$", ENVIRONMENT.read_text(), re.MULTILINE))


def test_every_knob_is_in_one_file() -> None:
    """Each variable that a Compose file reads has its value in .env, and .env sets none that nobody reads."""
    text = "".join(path.read_text() for path in (COMPOSE, STAND_IN, HOST))
    read = set(re.findall(r"\$\{(\w+)", text))
    passed_on = {key for key, value in services(COMPOSE)["inference"]["environment"].items() if value is None}
    assert read <= set(knobs())
    assert set(knobs()) - read - passed_on == {"COMPOSE_PROJECT_NAME"}


def test_every_setting_of_the_server_is_a_knob_with_its_default() -> None:
    """A new setting of the server has to be passed on to its containers and told in .env."""
    settings = {variable(name): default for name, default, _ in describe() if name not in FIXED}
    for service in ("inference", "replica"):
        environment = services(COMPOSE)[service]["environment"]
        assert {key for key, value in environment.items() if value is None} == set(settings)
    told = {key: value or "none" for key, value in knobs(out_of_use=True).items() if key.startswith("CANOPY_")}
    assert set(told) == set(settings)
    assert {key: value for key, value in told.items() if key not in knobs()}.items() <= settings.items()


def test_what_is_prepared_is_what_the_servers_look_for() -> None:
    """Whoever fills their cache is told all that decides what they find there."""
    of = {"CANOPY_ENGINE", "CANOPY_TRUSTED_FORMATS", "CANOPY_OTHER_VERSIONS", "CANOPY_SCHEMA"}
    assert {key for key, value in services(COMPOSE)["prepare"]["environment"].items() if value is None} == of


def test_nobody_else_can_reach_a_port() -> None:
    """All ports are bound to one address, this machine's own unless .env says otherwise."""
    ports = [port for service in services(COMPOSE).values() for port in service.get("ports", [])]
    assert ports
    assert all(re.fullmatch(r"\$\{BIND\}:\$\{\w+_PORT\}:\d+", port) for port in ports)
    assert knobs()["BIND"] == "127.0.0.1"


def test_a_server_has_time_to_drain_and_the_balancer_to_notice() -> None:
    """Compose waits ten seconds longer than a drain may take; the delay is longer than the checks that must fail."""
    delay, timeout = (float(knobs()[f"CANOPY_DRAIN_{part}_SECONDS"]) for part in ("DELAY", "TIMEOUT"))
    assert float(knobs()["STOP_GRACE_PERIOD"].removesuffix("s")) >= delay + timeout + 10
    balancer = (ROOT / "deploy" / "balancer" / "haproxy.cfg").read_text()
    check = re.search(r"check inter (\d+)s fastinter (\d+)ms fall (\d+)", balancer)
    assert check
    first, others, fall = map(int, check.groups())
    assert first + (fall - 1) * others / 1000 < delay


def test_images_of_others_are_pinned_to_a_whole_version() -> None:
    """The stack is tomorrow what it is today."""
    images = [service["image"] for service in services(COMPOSE).values()]
    others = [image for image in images if not image.startswith("${IMAGE}")]
    assert len(others) == 4
    bases = re.findall(r"^ARG PYTHON_IMAGE=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for image in others + bases:
        assert re.search(r":v?\d+\.\d+\.\d+(-[a-z-]+)?$", image), image


def test_the_stand_in_stack_differs_in_its_images_only() -> None:
    """Same services, commands, limits and health checks, on the same stand-in for the base."""
    for name, service in services(STAND_IN).items():
        assert name in services(COMPOSE)
        assert set(service) <= {"image", "build"}
    bases = {
        re.search(r"^ARG PYTHON_IMAGE=(.*)$", path.read_text(), re.MULTILINE)[1]  # type: ignore[index]
        for path in (ROOT / "Dockerfile", STAND_IN.parent / "Dockerfile")
    }
    assert len(bases) == 1


def test_the_build_is_given_all_packages_and_nothing_private() -> None:
    """.dockerignore lets in what is installed, by name."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert "*" in lines
    folders = {package.partition(".")[0] for package in packages}
    assert let_in == {*folders, "*.py", "LICENSE", "README.md", "pyproject.toml", "requirements"} | {
        "deploy/*.py",
        "deploy/stand-in/*.py",
    }


def metrics() -> Iterator[str]:
    """The name of every series that a server has."""
    yield "canopy_model_info"
    for part in CONTENT:
        if isinstance(part, MetricFamily):
            yield f"canopy_{part.name}" + ("_total" if part.kind == "counter" else "")
        else:
            yield from (f"canopy_{part.name}_{end}" for end in ("bucket", "count", "sum"))


@pytest.mark.parametrize(
    "path", ["deploy/observe/alerts.yaml", "deploy/observe/grafana/provisioning/dashboards/canopy.json"]
)
def test_alerts_and_dashboard_ask_for_metrics_that_there_are(path: str) -> None:
    """A metric cannot be renamed behind their back."""
    text = (ROOT / path).read_text()
    asked = set(re.findall(r"\bcanopy_\w+", text))
    assert asked
    assert asked <= set(metrics())


def test_the_dashboard_is_whole() -> None:
    """Each panel has a place of its own and asks the provisioned data source, which knows how often it looks."""
    folder = ROOT / "deploy" / "observe" / "grafana" / "provisioning"
    dashboard = json.loads((folder / "dashboards" / "canopy.json").read_text())
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    scrapes = yaml.safe_load((ROOT / "deploy" / "observe" / "prometheus.yaml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scrapes["scrape_interval"]
    panels = dashboard["panels"]
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels) >= 7
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {source["uid"]}


def healthy(port: int) -> int:
    """The exit status of a container's health check."""
    command = [sys.executable, "-S", str(ROOT / "deploy" / "healthy.py")]
    return subprocess.run(command, env={"CANOPY_PORT": str(port)}, timeout=PATIENCE, check=False).returncode


def test_the_health_check_asks_whether_the_server_is_ready(start: Start) -> None:
    """0 while it is, 1 while it drains and when it is gone."""
    with start("--drain-delay-seconds", "60") as server:
        assert healthy(server.port) == 0
        server.process.terminate()
        until(lambda: healthy(server.port) == 1)
        server.process.terminate()
        server.process.wait(timeout=PATIENCE)
        assert healthy(server.port) == 1


def test_the_health_check_asks_at_the_port_where_the_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """At that of the setting, if there is one: a Service named canopy sets none."""
    asked = []

    def refuse(address: tuple[str, int], **_: object) -> None:
        asked.append(address[1])
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.create_connection", refuse)
    main = runpy.run_path(str(ROOT / "deploy" / "healthy.py"))["main"]
    for value in ("9000", "", "tcp://10.96.12.7:80", "tcp://[fd00::7]:80"):
        monkeypatch.setenv("CANOPY_PORT", value)
        assert main() == 1
        assert asked.pop() == Settings.read([], os.environ).port
