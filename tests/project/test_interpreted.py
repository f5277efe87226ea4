"""What is compiled for speed is plain Python: where there is no C compiler it is interpreted, and does the same."""

import os
import subprocess
import sys

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
