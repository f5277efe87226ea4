"""Other runtimes, to be timed beside: which are asked, and what is said of the others."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forest import Ensemble, UnsupportedModel, ensemble_of
from forest.checks.rivals import RIVALS, rival, rivals
from tests.forest.forests import Grown


@pytest.fixture(scope="module")
def ensemble(tiny: Grown) -> Ensemble:
    """The tiny forest, as it was read."""
    return ensemble_of(tiny.estimator)


@pytest.mark.parametrize("name", RIVALS)
def test_one_that_is_not_installed_is_named(
    tiny: Grown, ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With what is missing."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=f"^{name} is not installed: .*{name}"):
        rival(name, tiny.estimator, ensemble)


def test_what_makes_models_for_one_may_be_missing_as_well(
    tiny: Grown, ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime alone reads no model of scikit-learn's."""
    runtime = SimpleNamespace(SessionOptions=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"^onnxruntime is not installed: .*skl2onnx"):
        rival("onnxruntime", tiny.estimator, ensemble)


def test_a_model_of_another_library_is_not_taken_by_lleaves(
    tiny: Grown, ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It compiles LightGBM's."""
    monkeypatch.setitem(sys.modules, "lleaves", SimpleNamespace())
    with pytest.raises(UnsupportedModel, match=r"^lleaves does not take the model: .*LightGBM"):
        rival("lleaves", tiny.estimator, ensemble)


def test_those_that_can_be_asked_are_found_and_the_others_told_of(
    tiny: Grown, ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rival is asked once before it is timed: what fails then is no rival."""
    asked: list[NDArray[Any]] = []

    def fail(_matrix: NDArray[Any]) -> object:
        raise RuntimeError("no\nsuch operator")

    monkeypatch.setitem(RIVALS, "good", lambda _model, _ensemble: asked.append)
    monkeypatch.setitem(RIVALS, "bad", lambda _model, _ensemble: fail)
    told: list[str] = []
    found = rivals(["bad", "good"], tiny.estimator, ensemble, told.append)
    assert list(found) == ["good"]
    assert told == ["bad does not take the model: RuntimeError: no such operator"]
    found["good"].predict(tiny.matrix)
    assert [matrix.shape for matrix in asked] == [(1, 3), tiny.matrix.shape]
    assert asked[0].dtype == np.float32
