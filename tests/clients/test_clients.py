"""The clients that people have, unchanged: ``make test-clients`` installs those that Canopy itself does without."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.system.process import ServerProcess, serving
from preprocessing import covertype
from tests.conftest import ROOT, Start, Store
from tests.helpers.formats import MODEL, row_of
from tests.helpers.support import label

pytestmark = pytest.mark.clients

BIN = ROOT / ".venv-clients" / "bin"
HERE = Path(__file__).parent
ELEVATIONS = [3.0, 4.0, 12.0]
FEATURES = [row_of(elevation) for elevation in ELEVATIONS]
LABELS = [label(elevation) for elevation in ELEVATIONS]


@pytest.fixture(scope="module")
def server(start: Start) -> Iterator[ServerProcess]:
    """One that speaks everything, with a stand-in engine."""
    with start("--grpc-port", "0") as server:
        yield server


@pytest.fixture(scope="module")
def real(store: Store) -> Iterator[ServerProcess]:
    """One with a real model; whatever fits the API's description may come, however long it is."""
    with serving(["--tracking-uri", store.tracking_uri, "--max-body-bytes", "10000000"]) as server:
        yield server


def run(*command: str, cwd: Path = ROOT) -> None:
    """Run a program that raises if anything is wrong."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", ["triton.py", "kserving.py"])
def test_clients_of_the_open_inference_protocol(server: ServerProcess, script: str) -> None:
    """Over HTTP and gRPC, in JSON and in binary form, blocking and for asyncio."""
    addresses = f"{server.host}:{server.port}", f"{server.host}:{server.get('/')['grpc_port']}"
    run(str(BIN / "python"), str(HERE / script), *addresses, MODEL, json.dumps(FEATURES), json.dumps(LABELS))


def test_mlflows_client(server: ServerProcess) -> None:
    """What ``mlflow models serve`` is tested with."""
    frame = json.dumps({"columns": covertype.FIELDS, "data": FEATURES})
    run(sys.executable, str(HERE / "scoring.py"), server.host, str(server.port), frame, json.dumps(LABELS))


def test_the_apis_description_is_valid_and_true(real: ServerProcess, tmp_path: Path) -> None:
    """OpenAPI's validator and schemathesis have nothing to say."""
    address = f"http://{real.host}:{real.port}"
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(real.get("/openapi.json")))
    run(str(BIN / "openapi-spec-validator"), str(document))
    seed = str(int(time.time()))
    options = ("--url", address, "--max-examples", "30", "--seed", seed)
    run(
        str(BIN / "schemathesis"),
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        str(document),
        *options,
        cwd=tmp_path,
    )


def test_a_client_can_be_generated(server: ServerProcess, tmp_path: Path) -> None:
    """And asks what it is asked to."""
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(server.get("/openapi.json")))
    out = tmp_path / "generated"
    run(str(BIN / "openapi-python-client"), "generate", "--path", str(document), "--output-path", str(out))
    (package,) = (path.name for path in out.iterdir() if (path / "client.py").is_file())
    script = f"""
import sys
sys.path.insert(0, {str(out)!r})
from {package} import Client
from {package}.api.server import ready
from {package}.api.predictions import predict
client = Client("http://{server.host}:{server.port}")
assert ready.sync_detailed(client=client).status_code == 200
"""
    run(str(BIN / "python"), "-c", script)
