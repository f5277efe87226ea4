"""A release of the chart, by Helm's own library."""

from typing import Any, Final

from helm_python import Config

from tests.conftest import ROOT
from tests.helpers.support import until
from tests.kube.cluster import PATIENCE, Namespace

CHART: Final = ROOT / "deploy" / "chart"


class Release:
    """The chart with some values, in a namespace.

    Attributes:
        name: the release's, and its objects'.
        selector: for kubectl, what all its objects are labelled with.
    """

    name = "canopy"
    selector = ("--selector", "app.kubernetes.io/instance=canopy")

    def __init__(self, helm: Config, namespace: Namespace, values: dict[str, Any]) -> None:
        self._helm = helm
        self._namespace = namespace
        self._values = values
        self._installed = False

    def install(self) -> None:
        """Install it, and wait until its servers are ready."""
        self._helm.install(CHART, self.name, self._values, namespace=self._namespace.name)
        self._installed = True
        self._rolled_out()

    def upgrade(self, **values: object) -> None:
        """Change some values, and wait until that has come about."""
        self._values |= values
        self._helm.upgrade(CHART, self.name, self._values, namespace=self._namespace.name, reset_values=True)
        self._rolled_out()

    def uninstall(self) -> None:
        """Remove it, unless it is gone, and wait until its pods have ended."""
        if self._installed:
            self._helm.uninstall(self.name)
            self._installed = False
        until(lambda: not self.pods(), seconds=PATIENCE)

    def delete(self, pod: str) -> None:
        """Delete a pod, and wait until it is gone and there are as many as before."""
        self._namespace.kubectl("delete", "pod", pod)
        self._rolled_out()

    def pods(self) -> list[dict[str, Any]]:
        """Its pods, as the cluster tells of them."""
        found: list[dict[str, Any]] = self._namespace.get("pods", *self.selector)["items"]
        return found

    def ready(self) -> list[str]:
        """The names of the pods that are ready and stay, in order."""
        return sorted(
            pod["metadata"]["name"]
            for pod in self.pods()
            if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod)
        )

    def _rolled_out(self) -> None:
        """Wait until what is wanted is there, and what is not wanted any more has gone."""
        self._namespace.kubectl("rollout", "status", f"deployment/{self.name}", f"--timeout={PATIENCE:g}s")
        wanted = self._values.get("replicas", 2)
        until(lambda: len(self.pods()) == wanted == len(self.ready()), seconds=PATIENCE)


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
