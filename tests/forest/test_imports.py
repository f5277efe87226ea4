"""What of the room works without the kernel, and what it loads."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.forest.conftest import Written
from tests.forest.forests import Grown


def run(code: str, *arguments: Path) -> Any:  # noqa: ANN401 - whatever the code prints as JSON
    """Run some code in a fresh process; returns what it prints as JSON."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


WITHOUT_KERNEL = """
import json, pickle, sys
from pathlib import Path
sys.modules["forest.native._kernel"] = sys.modules["forest.native._layout"] = None
import forest
from forest.artifact import read

def raises(call, argument):
    try:
        call(argument)
    except ImportError:
        return True
    return False

estimator, matrix = pickle.loads(Path(sys.argv[1]).read_bytes())
artifact = Path(sys.argv[2])
print(json.dumps({
    "labels": forest.SklearnEngine(estimator).predict(matrix).labels.tolist(),
    "nodes": read(artifact).header.nodes,
    "raises": [
        raises(forest.compile_forest, estimator),
        raises(forest.CompiledEngine, read(artifact).arrays),
        raises(forest.CompiledEngine.load, artifact),
    ],
}))
"""


def test_without_the_kernel_scikit_learn_serves(written: Written, tiny: Grown, tmp_path: Path) -> None:
    """Where nothing was built, scikit-learn's engine works and artifacts are read; what needs the kernel says so."""
    (tmp_path / "tiny.pkl").write_bytes(pickle.dumps((tiny.estimator, tiny.matrix[:20])))
    assert run(WITHOUT_KERNEL, tmp_path / "tiny.pkl", written.path) == {
        "labels": tiny.estimator.predict(tiny.matrix[:20]).tolist(),
        "nodes": written.arrays.nodes,
        "raises": [True, True, True],
    }


PREDICT = """
import json, sys
from pathlib import Path
import numpy as np
import forest

labels = forest.CompiledEngine.load(Path(sys.argv[1])).predict(np.load(sys.argv[2])).labels
print(json.dumps([labels.tolist(), sorted({name.partition(".")[0] for name in sys.modules})]))
"""

HEAVY = {"sklearn", "scipy", "pandas", "mlflow", "joblib", "skops", "tqdm", "Cython"}
"""What costs a server memory and time to import."""


def test_an_artifact_is_served_without_scikit_learn(written: Written, tiny: Grown, tmp_path: Path) -> None:
    """To load a compiled forest and predict takes numpy, msgspec and the kernel."""
    np.save(tmp_path / "rows.npy", tiny.matrix)
    labels, loaded = run(PREDICT, written.path, tmp_path / "rows.npy")
    assert labels == tiny.estimator.predict(tiny.matrix).tolist()
    assert {"forest", "numpy", "msgspec"} <= set(loaded)
    assert not HEAVY & set(loaded)


@pytest.mark.parametrize(
    "name",
    [
        "compile",
        "compiled",
        "artifact",
        "libraries.scikit_learn.estimator",
        "checks.parity",
        "checks.bench",
        "files.source",
    ],
)
def test_no_module_loads_what_it_may_not_need(name: str) -> None:
    """Each module imports the heavy libraries only where it uses them."""
    code = f"import json, sys, forest.{name}; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    assert not HEAVY & set(run(code))
