"""CatBoost's models that its versions wrote, read without it, and held against what they answered."""

from pathlib import Path

import numpy as np
import pytest

from forest import CompiledEngine, Ensemble, Hint, compile_forest, read_model
from forest.checks.parity import compare
from forest.checks.reference import ReferenceEngine
from forest.libraries.catboost.model import read_catboost
from tests.forest.libraries.asking import bits
from tests.forest.libraries.catboost.recorded import VERSIONS, Recorded, recorded

NEWEST = recorded(VERSIONS["1.2.10"])
MODELS = [
    pytest.param(path, name, id=f"{version}-{name}")
    for version, path in VERSIONS.items()
    for name in sorted(recorded(path))
]


def read(model: Recorded) -> Ensemble:
    """The model, as its class answers."""
    return read_catboost(model.content, answers=model.kind)


@pytest.mark.parametrize(("version", "name"), MODELS)
def test_a_file_of_a_version_answers_as_that_version_did(version: Path, name: str) -> None:
    """To the last bit, labels, numbers and probabilities, compiled or by the rule, and of one row alone."""
    model = recorded(version)[name]
    ensemble = read(model)
    rows = model.rows.astype(np.float32)
    for engine in (CompiledEngine(compile_forest(ensemble)), ReferenceEngine(ensemble)):
        for count in (1, 3, len(rows)):
            found = engine.predict(rows[:count])
            assert found.labels.dtype.kind == ("O" if model.answers.dtype.kind == "U" else model.answers.dtype.kind)
            np.testing.assert_array_equal(bits(found.labels), bits(model.answers[:count]))
            assert (found.probabilities is None) == (model.probabilities is None)
            if model.probabilities is not None and found.probabilities is not None:
                np.testing.assert_array_equal(bits(found.probabilities), bits(model.probabilities[:count]))


@pytest.mark.parametrize(
    ("version", "told"),
    [("1.2", "(unknown version)"), ("1.2.3", "(unknown version)"), ("1.2.7", "1.2.7"), ("1.2.10", "1.2.10")],
)
def test_a_file_tells_the_version_that_made_it(version: str, told: str) -> None:
    """If that was built from a release's tag, as not all were."""
    assert {read(model).made_by for model in recorded(VERSIONS[version]).values()} == {f"catboost {told}"}


def test_a_file_is_known_by_its_beginning_and_answers_as_the_class_that_loads_it(tmp_path: Path) -> None:
    """As the plainest class, whose answers are the sums, if nobody says which."""
    model = NEWEST["CatBoostRegressor Poisson"]
    path = tmp_path / "model"
    path.write_bytes(model.content)
    plain, exponential = read_model(path), read_model(path, Hint("CatBoostRegressor"))
    assert (plain.kind, exponential.kind) == ("CatBoost", "CatBoostRegressor")
    rows = model.rows.astype(np.float32)
    sums, answers = ReferenceEngine(plain).predict(rows).labels, ReferenceEngine(exponential).predict(rows).labels
    np.testing.assert_allclose(np.exp(sums), answers, rtol=1e-9)
    assert not np.array_equal(np.exp(sums), answers)


def test_a_missing_value_goes_where_training_had_it_go() -> None:
    """Below all borders or above them; a column that had none takes it for the least."""
    found = {mode: read(NEWEST[f"CatBoostRegressor SymmetricTree {mode}"]) for mode in ("Min", "Max")}
    rows = np.zeros((1, 4), dtype=np.float32)
    missing, ends = np.full_like(rows, np.nan), {"Min": -np.inf, "Max": np.inf}
    for mode, ensemble in found.items():
        engine = ReferenceEngine(ensemble)
        assert compare(engine, engine, missing).passed
        assert engine.predict(missing).labels == engine.predict(np.full_like(rows, ends[mode])).labels
