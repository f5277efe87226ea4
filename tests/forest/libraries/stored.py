"""Models of other versions of scikit-learn, what those answered, and what is answered for them here.

numpy's exponential differs in the last bit between processors with AVX-512 and those without, and so do the answers of
scikit-learn that are made by it. Those that are kept were given without it. So where it is there, a process without it
is asked: ``python -m tests.forest.libraries.stored``, whose output is a pickle of all answers.
"""

import os
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # type: ignore[import-not-found]

from forest.checks.reference import ReferenceEngine
from forest.engine import Prediction
from forest.files.installed import is_installed
from forest.files.reading import read_model
from tests.conftest import ROOT
from tests.forest.files.archives import InArchive, in_archives

FOLDER = Path(__file__).parent / "versions"

NEWER = [name for name in __cpu_dispatch__ if __cpu_features__[name] and ("AVX512" in name or name == "X86_V4")]
"""What numpy uses of this processor, and did not use where the answers were given."""


def named(each: InArchive) -> str:
    """Which model it is."""
    return f"{each.version}/{each.name}"


@cache
def kept() -> list[InArchive]:
    """All of them."""
    return list(in_archives(FOLDER))


def why_refused(each: InArchive) -> str | None:
    """Why a model is not read; None if it is."""
    name, old = each.name.partition(".")[0], each.version.startswith("1.3.")
    if name in ("words", "zero") and old:
        return "before scikit-learn 1.4"
    if name == "hist-categories" and old:
        return "a category above 255"
    if name == "middle" and not old and not is_installed(each.version):
        return "depends on the version of scipy"
    return None


def answer(each: InArchive, folder: Path) -> Prediction:
    """What is answered for a model; its file is written to a folder."""
    path = folder / each.name
    path.write_bytes(each.content)
    ensemble = read_model(path)
    assert ensemble.version == each.version
    return ReferenceEngine(ensemble).predict(each.answers["rows"])


@cache
def answers() -> dict[str, Prediction]:
    """What is answered for each that is not refused, on a processor like the one where the answers were given."""
    if not NEWER:
        with TemporaryDirectory() as folder:
            return {named(each): answer(each, Path(folder)) for each in kept() if why_refused(each) is None}
    command = [sys.executable, "-m", "tests.forest.libraries.stored"]
    without = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(NEWER)}
    done = subprocess.run(command, env=without, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found: dict[str, Prediction] = pickle.loads(done.stdout)  # noqa: S301 - written below
    return found


if __name__ == "__main__":
    assert not NEWER, NEWER
    sys.stdout.buffer.write(pickle.dumps(answers()))
