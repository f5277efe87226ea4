"""What running servers say of themselves: the version that they serve, and how many requests have failed."""

import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
import requests
from prometheus_client.parser import text_string_to_metric_families

PREDICTIONS: Final = frozenset(
    {
        "/predict",
        "/v2/models/{model}/infer",
        "/invocations",
        "/v1/models/{model}:predict",
        "/inference.GRPCInferenceService/ModelInfer",
    }
)
"""The routes that answer predictions, as the label of ``canopy_requests_total`` has them."""

FAILURES: Final = frozenset({"422", "500", "503", "504"})
"""Statuses of predictions that count as errors.

A version with another table answers 422 to rows that were right before; clients that are wrong by themselves were so
before, and are in the rate that this one is compared with.
"""

_TIMEOUT: Final = 10
"""Longest wait for a server, in s."""


class Unreachable(OSError):
    """A server does not answer, or is none of Canopy's; the message names it."""


class Counts(msgspec.Struct, frozen=True):
    """Predictions that a server has answered since it started, and how many of them with an error."""

    requests: int = 0
    errors: int = 0

    @property
    def rate(self) -> float:
        """The share of errors, 0 to 1; 0 if nobody has asked."""
        return self.errors / self.requests if self.requests else 0.0

    def since(self, before: "Counts") -> "Counts":
        """What has been added; a server that has counted less than before has started anew."""
        if self.requests < before.requests:
            return self
        return Counts(self.requests - before.requests, self.errors - before.errors)


class Address(NamedTuple):
    """Where one server is.

    Attributes:
        url: leads there.
        host: the Host header.
    """

    url: str
    host: str


class State(NamedTuple):
    """What a server says.

    Attributes:
        models: NAME/VERSION of each of its workers; none if it is not ready.
        counts: of all its workers together.
        trouble: why it does not serve what it should, if it says so.
    """

    models: frozenset[str]
    counts: Counts
    trouble: str | None


def resolve(servers: Iterable[str]) -> list[Address]:
    """The servers behind some addresses: a host name may stand for several, as a headless Service's does.

    Over TLS a host name is asked as it is, for its certificate is for that name.

    Raises:
        Unreachable: a name is not known.
    """
    found: dict[str, Address] = {}
    for server in servers:
        parts = urlsplit(server)
        if parts.scheme != "http":
            found[server] = Address(server.rstrip("/"), parts.netloc)
            continue
        try:
            port = parts.port or 80
            known = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:  # ValueError: the port is no number
            raise Unreachable(f"{server}: {error}") from None
        for family, *_, place in known:
            ip = str(place[0])
            host = f"[{ip}]" if family == socket.AF_INET6 else ip
            url = f"http://{host}:{port}{parts.path.rstrip('/')}"
            found[url] = Address(url, parts.netloc)
    return list(found.values())


def ask(address: Address) -> State:
    """Ask one server for its state and its figures.

    Raises:
        Unreachable: it does not answer as Canopy does.
    """
    try:
        # 503 has a body too: it tells why the server is not ready.
        ready: dict[str, Any] = _get(address, "/health/ready", {200, 503}).json()
        families = list(text_string_to_metric_families(_get(address, "/metrics", {200}).text))
    except (requests.RequestException, ValueError) as error:
        raise Unreachable(f"{address.url} does not answer as a server of Canopy's: {error}") from None
    samples = [sample for family in families for sample in family.samples]
    predictions = [
        (sample.labels["code"], int(sample.value))
        for sample in samples
        if sample.name == "canopy_requests_total" and sample.labels["route"] in PREDICTIONS
    ]
    counts = Counts(
        sum(value for _, value in predictions),
        sum(value for code, value in predictions if code in FAILURES),
    )
    if ready.get("status") != "ready":
        return State(frozenset(), counts, ready.get("update_failure") or f"it is {ready.get('status')}")
    name = str(ready["model"]).rpartition("/")[0]
    workers = {f"{name}/{int(sample.value)}" for sample in samples if sample.name == "canopy_worker_model_version"}
    return State(frozenset(workers | {ready["model"]}), counts, ready.get("update_failure"))


def count(servers: Sequence[str]) -> dict[str, Counts]:
    """The figures of each server, by where it is.

    Raises:
        Unreachable: one does not answer.
    """
    return {address.url: ask(address).counts for address in resolve(servers)}


def _get(address: Address, path: str, statuses: set[int]) -> requests.Response:
    answer = requests.get(
        address.url + path, headers={"Host": address.host, "Accept": "*/*"}, timeout=_TIMEOUT, allow_redirects=False
    )
    if answer.status_code not in statuses:
        raise requests.RequestException(f"{path} is answered {answer.status_code}")
    return answer
