"""The stack of docker-compose.yaml, as a benchmark sees it: replicas of any size behind their balancer."""

import csv
import io
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import DockerException

_SCRIPT: Final = Path(__file__).resolve().parent.parent / "scripts" / "stack.sh"
_PATIENCE: Final = 120
"""Seconds that replicas may take to be there, and the balancer to notice."""


class NoStack(RuntimeError):
    """The stack does not run, or does not do what it was told; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of a container.

    Attributes:
        moment: when they were read, in seconds.
        cpu_seconds: used since it was started.
        periods: of 100 ms, in which it wanted to run and was limited.
        throttled: those in which it had to wait.
        memory_mib: what it holds, with file pages.
    """

    moment: float
    cpu_seconds: float
    periods: int
    throttled: int
    memory_mib: float


Readings = Mapping[str, Reading]
"""Of each container of a service."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the containers of a service used between two readings, all together.

    Attributes:
        cpu: in cores.
        throttled_share: periods in which one had to wait, among all in which one wanted to run, 0..1.
        memory_mib: what they held in the end, with file pages.
    """

    cpu: float
    throttled_share: float
    memory_mib: float


def used(before: Readings, after: Readings) -> Usage:
    """What was used between two readings. Each container is read at moments of its own, which may take a second."""
    pairs = [(before[name], now) for name, now in after.items()]
    periods = sum(now.periods - then.periods for then, now in pairs)
    return Usage(
        sum((now.cpu_seconds - then.cpu_seconds) / (now.moment - then.moment) for then, now in pairs),
        sum(now.throttled - then.throttled for then, now in pairs) / max(1, periods),
        sum(now.memory_mib for _, now in pairs),
    )


class Stack:
    """Speaks with a stack that was started with the profile ``replicas``, on this machine's Docker Engine.

    Raises:
        NoStack: no engine answers.
    """

    def __init__(self) -> None:
        try:
            self._engine = docker.from_env()
        except DockerException as error:
            raise NoStack(f"no Docker Engine answers: {error}") from error

    def address(self, service: str) -> str:
        """The address of a service's only container on the stack's own network: no port of this machine is between.

        Raises:
            NoStack: it does not run.
        """
        found = self._containers(service)
        if len(found) != 1:
            raise NoStack(f"{len(found)} containers of {service} run; first: make stack PROFILES=replicas")
        return _address(found[0])

    def resize(self, number: int, cpu: float, memory_mib: int) -> None:
        """Have so many replicas of this size, and wait until the balancer sends requests to them, and to no others.

        Raises:
            NoStack: Compose refuses, or it takes too long.
        """
        size = {"REPLICAS": str(number), "REPLICA_CPUS": f"{cpu:g}", "REPLICA_MEMORY": f"{memory_mib}M"}
        self._compose("up", "--detach", "--no-deps", "--no-build", "--scale", f"replica={number}", "replica", **size)
        give_up = time.monotonic() + _PATIENCE
        while set(self.answered()) != {_address(each) for each in self._containers("replica")}:
            if time.monotonic() > give_up:
                raise NoStack(f"the balancer does not find {number} replicas; scripts/stack.sh logs tells more")
            time.sleep(0.2)

    def rest(self, *services: str) -> None:
        """Stop services that are not measured, but would take CPU."""
        self._compose("stop", *services)

    def read(self, service: str) -> Readings:
        """The counters of a service's containers."""
        return {each.id: _reading(each.stats(stream=False, one_shot=True)) for each in self._containers(service)}

    def answered(self) -> Mapping[str, int]:
        """The answers with status 200 to 299 that the balancer has had from each replica at work, by its address.

        They are in the format of HAProxy's management guide, section 9.1.
        """
        with urllib.request.urlopen(f"http://{self.address('balancer')}:8404/;csv", timeout=10) as response:
            table = csv.DictReader(io.StringIO(response.read().decode().removeprefix("# ")))
        return {
            line["addr"].partition(":")[0]: int(line["hrsp_2xx"])
            for line in table
            if line["pxname"] == "replicas" and line["svname"] != "BACKEND" and line["status"] == "UP"
        }

    def _containers(self, service: str) -> list[Any]:
        return [self._engine.containers.get(each) for each in self._compose("ps", "--quiet", service).split()]

    def _compose(self, *arguments: str, **knobs: str) -> str:
        variables = [f"{name}={value}" for name, value in {"PROFILES": "replicas", **knobs}.items()]
        command = ["/usr/bin/env", *variables, "/bin/sh", str(_SCRIPT), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
        if done.returncode:
            raise NoStack(done.stderr.strip())
        return done.stdout


def _address(container: Any) -> str:  # noqa: ANN401 - docker is untyped
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    address: str = network["IPAddress"]
    return address


def _reading(told: Mapping[str, Any]) -> Reading:
    """From what the engine's API tells of a container's statistics."""
    cpu = told["cpu_stats"]
    return Reading(
        datetime.fromisoformat(told["read"][:26].rstrip("Z")).timestamp(),  # it has nanoseconds, in UTC
        cpu["cpu_usage"]["total_usage"] / 1e9,
        cpu["throttling_data"]["periods"],
        cpu["throttling_data"]["throttled_periods"],
        told["memory_stats"]["usage"] / 2**20,
    )
