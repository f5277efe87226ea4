"""Eight seconds of real users at a real server."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.locust.generator import read
from loadtest.system.process import serving
from tests.conftest import ROOT, Store
from tests.helpers.support import PATIENCE


def labels_of(store: Store) -> Path:
    """The labels that training logged with the model of the store."""
    (found,) = store.folder.rglob("sample_labels.json")
    return found


@pytest.mark.slow
def test_real_users_get_right_answers_from_a_real_server(store: Store, tmp_path: Path) -> None:
    """``make loadtest``'s own command, two generators, every label held against scikit-learn's: no failure."""
    result = tmp_path / "result.json"
    with serving(["--tracking-uri", store.tracking_uri]) as server:
        command = [sys.executable, "-m", "loadtest", "--host", f"http://{server.host}:{server.port}", "--time", "8"]
        command += ["--users", "100", "--rate", "50", "--processes", "2", "--", "--result", str(result)]
        command += ["--expected", f"BestModelRF/1={labels_of(store)}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
        batcher = server.get("/stats")["batcher"]
    assert done.returncode == 0, done.stderr
    measured = read(json.loads(result.read_bytes()))
    assert (measured.users, measured.reasons) == (100, {})
    # Each user asks at once and then, however quick all is, once a second at most.
    assert 100 <= measured.whole.requests == batcher["answered"] <= 100 * 9
    assert 0 < measured.whole.mean <= measured.whole.max
    assert measured.whole.median <= measured.whole.p99 <= measured.whole.max * 1.05 + 0.5
    assert measured.gathered is not None
    assert 0 < measured.gathered.median <= measured.gathered.p99
