"""The stack of docker-compose.yaml, as a benchmark sees it: replicas of any size behind their balancer."""

import csv
import io
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import DockerException

from loadtest.system.cgroup import MIB, Counters, Group, group_of

_SCRIPT: Final = Path(__file__).resolve().parents[2] / "scripts" / "stack.sh"
_PATIENCE: Final = 120
"""Seconds that replicas may take to be there, and the balancer to notice."""


class NoStack(RuntimeError):
    """The stack does not run, or does not do what it was told; the message says what is missing."""


Readings = Sequence[tuple[Counters, int]]
"""Of each container of a service, what it has used since it was started, and the bytes that it holds."""


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """What the containers of a service used between two readings, all together.

    Attributes:
        cpu: in cores.
        throttled_share: periods in which one had to wait, among all in which one wanted to run, 0..1.
        memory_mib: what they held in the end, with file pages.
    """

    cpu: float
    throttled_share: float
    memory_mib: float


def read(groups: Sequence[Group]) -> Readings:
    """Read the counters of containers."""
    return [(group.counters(), group.held()) for group in groups]


def used(before: Readings, after: Readings, seconds: float) -> ContainerUsage:
    """What was used between two readings, which lie some seconds apart."""
    pairs = [(then, now) for (then, _), (now, _) in zip(before, after, strict=True)]
    periods = sum(now.periods - then.periods for then, now in pairs)
    return ContainerUsage(
        sum(now.cpu_seconds - then.cpu_seconds for then, now in pairs) / seconds,
        sum(now.throttled_periods - then.throttled_periods for then, now in pairs) / max(1, periods),
        sum(held for _, held in after) / MIB,
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

    @cached_property
    def balancer(self) -> str:
        """The balancer's address on the stack's own network: no port of this machine is between.

        Raises:
            NoStack: it does not run.
        """
        found = self._containers("balancer")
        if len(found) != 1:
            raise NoStack(f"{len(found)} balancers run; first: make stack PROFILES=replicas")
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

    def pin(self, service: str, cores: set[int]) -> None:
        """Have a service's containers run on some cores only."""
        for each in self._containers(service):
            each.update(cpuset_cpus=",".join(map(str, sorted(cores))))

    def rest(self, *services: str) -> None:
        """Stop services that are not measured, but would take CPU."""
        self._compose("stop", *services)

    def groups(self, service: str) -> list[Group]:
        """The control groups of a service's containers.

        Raises:
            NoControlGroups: the engine runs elsewhere, or in a way of its own.
        """
        return [group_of(each.attrs["State"]["Pid"]) for each in self._containers(service)]

    def answered(self) -> Mapping[str, int]:
        """The answers with status 200 to 299 that the balancer has had from each replica at work, by its address.

        They are in the format of HAProxy's management guide, section 9.1.
        """
        with urllib.request.urlopen(f"http://{self.balancer}:8404/;csv", timeout=10) as response:
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
