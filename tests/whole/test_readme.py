"""What the README tells to do does what it says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from loadtest.system.process import serving
from tests.conftest import ROOT
from tests.helpers.support import PATIENCE, Client

TEXT: Final = (ROOT / "README.md").read_text()


def between(start: str, end: str, text: str = TEXT) -> str:
    """The part of a text between two others."""
    return text.partition(start)[2].partition(end)[0]


@pytest.mark.slow
def test_a_forest_of_ones_own_is_served(tmp_path: Path) -> None:
    """Registered by the README's lines, it answers the README's requests with the README's answer."""
    subprocess.run([sys.executable, "-c", between("<<'END'\n", "END\n")], cwd=tmp_path, check=True, timeout=PATIENCE)
    model, section = between("CANOPY_MODEL_URI=", " make serve"), between("make serve\n```", "What nobody can tell")
    bodies = [json.loads(body) for body in re.findall(r"-d '(.*?)'", section, re.DOTALL)]
    answer = json.loads(between("```json\n", "\n", section))
    assert list(map(list, bodies)) == [["features"], ["instances"]]
    store = f"sqlite:///{tmp_path}/.canopy/mlflow.db"
    options = ["--model-uri", model, "--tracking-uri", store, "--cache", str(tmp_path / "cache")]
    with serving(options) as server:
        for body in bodies:
            assert Client(server).ask("POST", "/predict", json.dumps(body).encode()).document == answer
