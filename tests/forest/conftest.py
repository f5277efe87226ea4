"""Forests and compiled ones that several modules here use."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forest import CompiledEngine, compile_forest
from forest.arrays import ForestArrays
from forest.artifact import Origin, Parity, write
from tests.forest.forests import Grown


@dataclass(frozen=True, slots=True)
class Written:
    """A forest that was written to a file.

    Attributes:
        arrays: what was written.
        path: the file.
        content: its bytes.
    """

    arrays: ForestArrays
    path: Path
    content: bytes


@pytest.fixture(scope="session")
def arrays(forest: Any) -> ForestArrays:  # noqa: ANN401 - sklearn is untyped
    """The small forest on the sample, compiled."""
    return compile_forest(forest)


@pytest.fixture(scope="session")
def compiled(arrays: ForestArrays) -> CompiledEngine:
    """The engine of the small forest on the sample."""
    return CompiledEngine(arrays)


@pytest.fixture(scope="session")
def tiny() -> Grown:
    """A forest of four trees, three columns and three classes."""
    from sklearn.ensemble import RandomForestClassifier

    draw = np.random.default_rng(0)
    matrix = draw.normal(size=(300, 3)).astype(np.float32)
    labels = np.searchsorted([-0.5, 0.5], matrix.sum(axis=1) + draw.normal(size=300))
    return Grown(RandomForestClassifier(4, max_depth=6, random_state=0).fit(matrix, labels), matrix)


@pytest.fixture(scope="session")
def written(tiny: Grown, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The tiny forest as an artifact; not to be changed."""
    arrays = compile_forest(tiny.estimator)
    path = tmp_path_factory.mktemp("written") / "tiny.forest"
    write(path, arrays, Origin("tiny", "7"), Parity(rows=12, different=0))
    return Written(arrays, path, path.read_bytes())


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the examples of one test may share."""
    return tmp_path_factory.mktemp("scratch")
