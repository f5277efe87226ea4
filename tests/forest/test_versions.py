"""Forests of other versions of scikit-learn, held against what those versions answered."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forest import CompiledEngine, compile_forest, read_artifact, read_model
from forest.__main__ import main
from forest.checks.reference import ReferenceEngine
from forest.engine import Engine
from forest.files.installed import is_installed
from forest.libraries.scikit_learn.forests import NEWEST, OLDEST
from tests.conftest import ROOT
from tests.forest.files.archives import Archived, archived, forest_of

FORESTS = [pytest.param(each, id=str(each)) for each in archived()]


def test_every_known_version_is_there() -> None:
    """What is said to be known was tried."""
    found = {tuple(map(int, each.version.split(".")[:2])) for each in archived()}
    assert found == {(1, minor) for minor in range(OLDEST[1], NEWEST[1] + 1)}


def assert_answers(engine: Engine, expected: Archived) -> None:
    """The engine has all bits of the probabilities, and the labels."""
    prediction = engine.predict(expected.rows)
    assert prediction.probabilities is not None
    np.testing.assert_array_equal(prediction.probabilities.view(np.uint64), expected.probabilities.view(np.uint64))
    np.testing.assert_array_equal(prediction.labels.astype(str), expected.labels)


@pytest.mark.parametrize("expected", FORESTS)
def test_a_forest_answers_as_its_own_version_did(expected: Archived, tmp_path: Path) -> None:
    """Read from its file, compiled or walked by numpy, it gives the labels and all bits that its version gave."""
    forest = read_model(expected.write(tmp_path))
    assert forest.version == expected.version
    assert_answers(CompiledEngine(compile_forest(forest)), expected)
    assert_answers(ReferenceEngine(forest), expected)


@pytest.mark.parametrize("expected", FORESTS)
def test_one_row_alone_has_the_same_bits(expected: Archived, tmp_path: Path) -> None:
    """A batch of one is no other case."""
    engine = CompiledEngine(compile_forest(read_model(expected.write(tmp_path))))
    for row, probabilities in zip(expected.rows, expected.probabilities, strict=True):
        found = engine.predict(row[np.newaxis]).probabilities
        assert found is not None
        assert found.tobytes() == probabilities.tobytes()


@pytest.mark.parametrize(
    "expected", [param for param in FORESTS if "named" in str(param.id) or "skops" in str(param.id)]
)
def test_names_and_labels_come_along(expected: Archived, tmp_path: Path) -> None:
    """Column names and labels are read as they were given."""
    forest = read_model(expected.write(tmp_path))
    assert forest.columns == ("a", "b", "Größe", "d e", "f")
    assert forest.classes is not None
    assert forest.classes.tolist() in (["ash", "elm", "fir", "oak"], [-1.0, 0.0, 1.0, 2.0])


@pytest.mark.parametrize("version", ["1.1", "1.3", "1.4", "1.9"])
def test_the_command_compiles_a_forest_of_any_version(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says against what it has held the result, and the file says which version made the forest."""
    expected = forest_of(version, "plain.pkl")
    assert main(["compile", str(expected.write(tmp_path)), str(tmp_path / "made"), "--count", "60"]) == 0
    against = "scikit-learn" if is_installed(expected.version) else f"the rule of scikit-learn {expected.version}"
    assert f"compared with {against}: equal to the last bit" in capsys.readouterr().out
    assert read_artifact(tmp_path / "made").header.versions["scikit-learn"] == expected.version
    assert_answers(CompiledEngine.load(tmp_path / "made"), expected)


WITHOUT_SCIKIT_LEARN = """
import json, sys
from pathlib import Path
sys.modules["sklearn"] = sys.modules["joblib"] = sys.modules["skops"] = None
import numpy as np
import forest

made = forest.compile_forest(forest.read_model(Path(sys.argv[1])))
rows = np.load(sys.argv[2])
print(json.dumps(forest.CompiledEngine(made).predict(rows).probabilities.tolist()))
"""


@pytest.mark.parametrize("name", ["plain.pkl", "balanced.gz", "leafy.joblib", "skops.skops"])
def test_no_scikit_learn_is_needed(name: str, tmp_path: Path) -> None:
    """A forest of any format is read and compiled by numpy alone."""
    expected = forest_of("1.3", name)
    np.save(tmp_path / "rows.npy", expected.rows)
    command = [sys.executable, "-c", WITHOUT_SCIKIT_LEARN, str(expected.write(tmp_path)), str(tmp_path / "rows.npy")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected.probabilities.tolist()
