"""A start with a model in the cache, whatever the way to the registry has in store."""

import json
import shutil
from pathlib import Path

import pytest

from loadtest.system.process import serving
from preprocessing import covertype
from registry import ModelURI, Preparation, Prepared, RegistryConfig
from registry.caching.cache import Cache, key
from registry.caching.resolution_cache import remember_served
from tests.helpers.support import COLUMNS, Client, until
from tests.registry.stub import answering

ODD = b'{"model_versions": [{"name": "Small", "version": "x"}]}'
URI = ModelURI.parse("models:/Small/Production")


def keep(folder: Path, prepared: Prepared, address: str) -> None:
    """Let a version be what was served last for the URI, from the registry at an address."""
    config, cache = RegistryConfig.read(address, {}), Cache(folder)
    with cache.hold(key(prepared.version, config, Preparation())) as draft:
        made = Prepared(prepared.version, "compiled", draft.folder, COLUMNS)
        shutil.copy(prepared.artifact, made.artifact)
        draft.publish(made)
    remember_served(URI, config, cache, prepared.version)


@pytest.mark.parametrize(
    ("status", "page", "user", "said"),
    [
        pytest.param(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}', "", "no model Small", id="nothing-at-all"),
        pytest.param(200, ODD, "", "ValueError", id="unforeseen"),
        pytest.param(200, b"", "warden:%E2%82%AC@", "no header can carry", id="unsendable-in-the-address"),
    ],
)
def test_what_was_served_last_is_served(
    prepared: Prepared, tmp_path: Path, status: int, page: bytes, user: str, said: str
) -> None:
    """The server is ready, answers, and tells why it does not serve what the registry has; never does it end."""
    cache, log = tmp_path / "cache", tmp_path / "log"
    with answering(status, page) as stub, log.open("wb") as out:
        address = f"http://{user}127.0.0.1:{stub.port}"
        keep(cache, prepared, address)
        options = ["--tracking-uri", address, "--model-uri", str(URI), "--cache", str(cache)]
        with serving(options, log=out) as server:
            reply = Client(server).ask("POST", "/predict", json.dumps({"features": covertype.EXAMPLE}).encode())
            until(lambda: server.get("/health/ready")["update_failure"])
            failure = server.get("/health/ready")["update_failure"]
    assert (reply.status, reply.headers["canopy-model"]) == (200, "Small/3")
    assert said in failure
    assert "serving Small/3, as it was last known, for" in log.read_text()
