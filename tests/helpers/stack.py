"""What the tests of the running stack ask of Docker, of its servers and of Prometheus, and a load on them."""

import http.client
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.conftest import ROOT
from tests.helpers.support import until

STACK = os.environ.get("STACK_TEST", "")
"""How to call scripts/stack.sh."""

HOST = "127.0.0.1"
SERVER, BALANCER, PROMETHEUS = 8000, 8080, 9090
EXAMPLE = b'{"features": [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0]}'
PATIENCE = 90.0
"""Seconds that a container may take to be well again."""


def run(*command: str) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def stack(*arguments: str) -> str:
    """Call Compose."""
    return run("/bin/sh", "-c", f'{STACK} "$@"', "sh", *arguments)


def containers(service: str) -> list[str]:
    """The containers of a service."""
    return stack("ps", "-q", service).split()


def inspect(container: str, path: str) -> str:
    """One fact about a container."""
    return run("docker", "inspect", "--format", f"{{{{{path}}}}}", container).strip()


def address(container: str) -> str:
    """A container's own address on the stack's network."""
    return inspect(container, "range .NetworkSettings.Networks}}{{.IPAddress}}{{end")


def healthy(container: str) -> bool:
    """Whether a container's health check succeeds."""
    return inspect(container, ".State.Status") == "running" and inspect(container, ".State.Health.Status") == "healthy"


def ask(host: str = HOST, port: int = SERVER) -> tuple[int, bytes, str]:
    """Ask for one prediction: status, body and the model that answered."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("POST", "/predict", EXAMPLE, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read(), response.headers["Canopy-Model"]
    finally:
        connection.close()


def answers(host: str = HOST, port: int = SERVER) -> bool:
    """Whether a prediction succeeds."""
    try:
        return ask(host, port)[0] == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def answered(container: str) -> int:
    """The predictions that a server has made."""
    connection = http.client.HTTPConnection(address(container), 8000, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return int(float(next(line for line in lines if line.startswith("canopy_answered_total ")).split()[1]))


@dataclass
class Load:
    """What clients got that ask one request after another, each over a connection of its own."""

    good: int = 0
    refused: int = 0
    bad: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, host: str, port: int) -> None:
        """Ask until told to stop, or until nobody listens."""
        while not self.over.wait(0.01):
            connection = http.client.HTTPConnection(host, port, timeout=30)
            try:
                connection.connect()
            except OSError:
                with self.lock:
                    self.refused += 1
                return
            try:
                connection.request("POST", "/predict", EXAMPLE, {"Content-Type": "application/json"})
                response = connection.getresponse()
                said = "" if response.status == http.client.OK else f"{response.status} {response.read()!r}"
            except (OSError, http.client.HTTPException) as error:
                said = repr(error)
            finally:
                connection.close()
            with self.lock:
                self.good += not said
                self.bad += [said] if said else []


@contextmanager
def load(host: str, port: int, clients: int = 8) -> Iterator[Load]:
    """Let clients ask, from before the block until after it."""
    result = Load()
    threads = [threading.Thread(target=result.ask, args=(host, port)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: result.good >= clients * 5, seconds=30)
        yield result
    finally:
        result.over.set()
        for thread in threads:
            thread.join()


def prometheus(path: str, **parameters: str) -> dict[str, Any]:
    """What Prometheus answers; nothing while it starts.

    Raises:
        AssertionError: it does not understand the question.
    """
    connection = http.client.HTTPConnection(HOST, PROMETHEUS, timeout=10)
    try:
        connection.request("GET", f"/api/v1/{path}?{urlencode(parameters)}")
        response = connection.getresponse()
        if response.status == http.client.SERVICE_UNAVAILABLE:
            return {}
        document = json.loads(response.read())
    except (OSError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    assert document["status"] == "success", (parameters, document)
    told: dict[str, Any] = document["data"]
    return told


def scraped() -> set[str]:
    """The targets that Prometheus reaches."""
    targets = prometheus("targets").get("activeTargets", [])
    return {target["labels"]["instance"] for target in targets if target["health"] == "up"}


def figures(expression: str) -> list[float]:
    """The value of each series that an expression has now."""
    return [float(series["value"][1]) for series in prometheus("query", query=expression)["result"]]
