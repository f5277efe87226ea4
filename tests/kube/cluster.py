"""What the tests ask of a cluster, by kubectl, and of a load within it."""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.helpers.support import until

KUBECTL: Final = os.environ.get("KUBECTL", "kubectl")
IMAGE: Final = os.environ.get("IMAGE", "canopy")
TAG: Final = os.environ.get("TAG", "latest")
NEXT_TAG: Final = os.environ.get("NEXT_TAG") or TAG
"""The tag of another image of the servers, to roll out; if there is none, the same image is rolled out again."""

PATIENCE: Final = 600.0
"""Seconds that a cluster may take for anything: nodes may have to pull images first."""

SETTLE: Final = 5.0
"""Seconds of load before and after something happens."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of requests; see ``tests.kube.asking.Tally``."""

    answered: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    unreached: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, line: str) -> "Counts":
        """Take a line that the clients have printed."""
        told = json.loads(line)
        return cls(Counter(told["answered"]), told["refused"], told["unreached"], Counter(told["lost"]))

    def since(self, earlier: "Counts") -> "Counts":
        """Those that were added since."""
        return Counts(
            self.answered - earlier.answered,
            self.refused - earlier.refused,
            self.unreached - earlier.unreached,
            self.lost - earlier.lost,
        )

    def __str__(self) -> str:
        models = ", ".join(f"{name} {count:,}" for name, count in self.answered.items())
        said = f"{self.answered.total():,} answered ({models}), {self.refused} refused, {self.unreached} unreached"
        return f"{said}, {self.lost.total()} lost {dict(self.lost) or ''}".rstrip()


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace of the cluster's, and kubectl in it."""

    name: str

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """The output of a command that must succeed; ``given`` is what it reads."""
        command = [KUBECTL, "--namespace", self.name, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create objects, or change them."""
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename", "-", given=json.dumps(document))

    def get(self, *what: str) -> dict[str, Any]:
        """An object, or a list of them."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *what, "--output", "json"))
        return found

    def address(self, service: str) -> str:
        """The address of a Service: some test clusters have no name server."""
        return str(self.get("service", service)["spec"]["clusterIP"])

    def run(self, name: str, *command: str, **variables: str) -> None:
        """Run a command of the tools' image in a pod, until it has succeeded.

        Raises:
            AssertionError: it fails.
        """
        self.apply(tools_pod(name, command, variables))
        try:
            until(lambda: self._phase(name) in {"Succeeded", "Failed"}, seconds=PATIENCE)
            assert self._phase(name) == "Succeeded", self.kubectl("logs", name)
        finally:
            self.kubectl("delete", "pod", name, "--wait=false")

    def _phase(self, pod: str) -> str:
        time.sleep(0.5)
        return str(self.get("pod", pod)["status"]["phase"])


@dataclass
class Load:
    """Clients in the cluster, and what became of their requests in each part of a test."""

    namespace: Namespace
    pod: str
    parts: list[tuple[str, Counts, float]] = field(default_factory=list)

    def counts(self) -> Counts:
        """Everything so far: what the clients print next, so that all that was asked before has ended or counts."""
        before = self._last()
        line = before
        give_up = time.monotonic() + PATIENCE
        while line == before or not line:
            assert time.monotonic() < give_up, "the clients say nothing any more"
            time.sleep(0.2)
            line = self._last()
        return Counts.read(line)

    def during(self, name: str, happens: Callable[[], object]) -> Counts:
        """What becomes of requests while something happens, a few seconds before it and after it."""
        earlier = self.counts()
        time.sleep(SETTLE)
        start = time.monotonic()
        happens()
        seconds = time.monotonic() - start
        time.sleep(SETTLE)
        found = self.counts().since(earlier)
        self.parts.append((name, found, seconds))
        return found

    def _last(self) -> str:
        return self.namespace.kubectl("logs", "--tail=1", self.pod).strip()


def tools_pod(name: str, command: tuple[str, ...], variables: dict[str, str]) -> dict[str, Any]:
    """A pod that runs a command of the tools' image once, and may write to nothing but its own folder."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 2,
            "containers": [
                {
                    "name": "main",
                    "image": f"{IMAGE}-tools:{TAG}",
                    "imagePullPolicy": "IfNotPresent",
                    "command": list(command),
                    "env": [{"name": key, "value": value} for key, value in variables.items()],
                    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                    "workingDir": "/tmp",  # noqa: S108 - its own
                }
            ],
        },
    }


def service(name: str, port: int) -> dict[str, Any]:
    """A Service in front of the pod of that name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": port}]},
    }


def script(name: str, file: Path) -> dict[str, Any]:
    """A ConfigMap with a file in it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {file.name: file.read_text()},
    }
