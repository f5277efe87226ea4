"""What is compiled for speed is plain Python: where there is no C compiler it is interpreted, and does the same."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.conftest import ROOT

PROGRAM = """
import sys
import pytest
from sitecustomize import INTERPRETED

status = pytest.main(sys.argv[1:])
files = {name: sys.modules[name].__file__ for name in INTERPRETED}
assert all(file.endswith(".py") for file in files.values()), files
sys.exit(status)
"""

TESTS = ("tests/batcher", "tests/serving/test_inference.py", "tests/serving/fastpath")


def test_tests_of_what_is_compiled_pass_without_a_compiler() -> None:
    """The batcher's, and the hot path's with their servers."""
    folder = ROOT / "tests" / "helpers" / "interpreted"
    command = [sys.executable, "-c", PROGRAM, "-q", "-p", "no:cacheprovider", *TESTS]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_half_of_what_is_compiled_is_removed(tmp_path: Path) -> None:
    """Compiled modules call each other directly: without one of them the others could not be imported."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    extensions = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    sources = [tmp_path / each["sources"][0] for each in extensions]
    for source in sources:
        source.parent.mkdir(parents=True, exist_ok=True)
        source.with_suffix(".cpython-311.so").touch()

    def left() -> tuple[int, list[str]]:
        done = subprocess.run([sys.executable, ROOT / "scripts" / "all_or_none.py"], cwd=tmp_path, check=False)
        return done.returncode, [path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.so")]

    status, rooms = left()
    assert (status, len(rooms)) == (0, len(sources))
    (tmp_path / "batcher" / "queue.cpython-311.so").unlink()
    for _ in range(2):
        status, rooms = left()
        assert (status, set(rooms)) == (1, {"forest"})
