"""What KEDA would ask, asked of a real Prometheus that watches a real server under load."""

import http.client
import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import yaml  # type: ignore[import-untyped]

from loadtest.system.ports import LOOPBACK, reserved_port
from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.deploy.chart.rendering import VARIANTS, one, render
from tests.helpers.support import PATIENCE, Client, rows, until

CLIENTS: Final = 64
MOST_WAITING: Final = 40
"""Rows that the server lets wait; each request has one."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs."""

    port: int

    def figure(self, query: str) -> float | None:
        """The only figure that a query has, as KEDA takes it; None while it has none."""
        try:
            with urllib.request.urlopen(
                f"http://{LOOPBACK}:{self.port}/api/v1/query?{urlencode({'query': query})}", timeout=PATIENCE
            ) as response:
                result = json.load(response)["data"]["result"]
        except OSError:  # it does not listen yet, or has not read its storage
            return None
        return float(result[0]["value"][1]) if result else None

    def figures(self, queries: Mapping[str, str]) -> dict[str, float | None]:
        """Those of several queries. Prometheus has new ones once a second."""
        time.sleep(0.5)
        return {name: self.figure(query) for name, query in queries.items()}


@contextmanager
def prometheus(server: ServerProcess, labels: dict[str, str], folder: Path) -> Iterator[Prometheus]:
    """Have Prometheus ask a server every second, and give its series these labels."""
    scrape = {"job_name": "pods", "static_configs": [{"targets": [f"{server.host}:{server.port}"], "labels": labels}]}
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}))
    with reserved_port() as port, (folder / "log").open("wb") as log:
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
        command.append(f"--web.listen-address={LOOPBACK}:{port}")
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield Prometheus(port)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


@contextmanager
def crowd(server: ServerProcess) -> Iterator[None]:
    """Clients that ask again as soon as they are answered, or a little after they were sent away."""
    over = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
        while not over.is_set():
            connection.request("POST", "/predict", rows(3.0), {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            if response.status == http.client.SERVICE_UNAVAILABLE:
                over.wait(0.1)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def queries() -> tuple[dict[str, str], dict[str, str]]:
    """The triggers' queries as the chart renders them, and the labels that its PodMonitor gives to the series."""
    objects = render(VARIANTS["queue"])
    triggers: list[dict[str, Any]] = one(objects, "ScaledObject")["spec"]["triggers"]
    pods = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    handed_on = one(objects, "PodMonitor")["spec"]["podTargetLabels"]
    labels = {name.translate(str.maketrans("./", "__")): pods[name] for name in handed_on}
    namespace = one(objects, "PodMonitor")["metadata"]["namespace"]
    return {each["name"]: each["metadata"]["query"] for each in triggers}, labels | {"namespace": namespace}


def nothing(figures: Mapping[str, float | None]) -> bool:
    """Whether nobody waits or is sent away."""
    return figures["waiting"] == figures["shed"] == 0


@pytest.mark.tool("prometheus")
def test_what_keda_asks_rises_under_load_and_falls_after_it(start: Start, tmp_path: Path) -> None:
    """From nothing to what waits and what is sent away, and back within the minute that is averaged; likewise the CPU.

    The server lets 40 requests wait, and 64 clients ask: so 40 wait on average while they do (Little's law).
    """
    asked, labels = queries()
    limits = ["--max-batch-rows", "8", "--max-rows-per-request", "8", "--max-queue-rows", str(MOST_WAITING)]
    with start(*limits, fixed=0.02) as server, prometheus(server, labels, tmp_path) as watching:
        Client(server).predict(3.0)
        until(lambda: nothing(watching.figures(asked)))
        with crowd(server):
            until(lambda: (watching.figures(asked)["waiting"] or 0) > MOST_WAITING * 3 / 4)
            loaded = watching.figures(asked)
        assert (loaded["waiting"] or 0) < MOST_WAITING + 8
        assert (loaded["shed"] or 0) > 1
        until(lambda: nothing(watching.figures(asked)))
        assert (watching.figure(asked["cpu"]) or 0) < (loaded["cpu"] or 0)


@pytest.mark.tool("prometheus")
def test_a_prometheus_that_does_not_see_the_pods_has_no_figure(start: Start, tmp_path: Path) -> None:
    """Rather than 0, which would take pods away: KEDA falls back instead."""
    asked, labels = queries()
    with start() as server, prometheus(server, labels | {"namespace": "elsewhere"}, tmp_path) as watching:
        until(lambda: watching.figure("sum(canopy_connections)") is not None)
        assert watching.figures(asked) == {"waiting": None, "shed": None, "cpu": None}
