"""From a fitted forest to its artifact in one step."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forest import CompiledEngine, Origin, Parity, UnsupportedModel, build, read_artifact
from preprocessing import covertype

# The package has a function of the module's name.
MODULE = importlib.import_module("forest.checks.build")


def test_a_forest_is_built(forest: Any, matrix: NDArray[np.float32], tmp_path: Path) -> None:  # noqa: ANN401
    """The file has the forest, its origin and columns, and a comparison that took the examples in."""
    file = tmp_path / "new" / "forest.canopy"
    parity = build(forest, file, Origin("Forest", "3"), columns=covertype.COLUMNS, examples=matrix[:7])
    assert parity.passed
    assert parity.rows == 7 + build(forest, tmp_path / "without", Origin("Forest")).rows
    header = read_artifact(file).header
    assert (header.parity, header.origin, header.columns) == (parity, Origin("Forest", "3"), list(covertype.COLUMNS))
    found = CompiledEngine.load(file).predict(matrix[:100]).probabilities
    assert found is not None
    assert found.tobytes() == forest.predict_proba(matrix[:100]).tobytes()


def test_a_difference_is_written_down(
    forest: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A forest that was found to differ is written with that, for who looks into it; nobody will serve it."""
    monkeypatch.setattr(MODULE, "compare", lambda *_arguments, **_how: Parity(rows=9, different=1))
    assert not build(forest, tmp_path / "file", Origin("Forest")).passed
    assert read_artifact(tmp_path / "file").header.parity == Parity(rows=9, different=1)


def test_what_cannot_be_compiled_leaves_no_file(
    forest: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An exception passes, and what was in the file stays."""

    def refuse(*_arguments: object, **_how: object) -> None:
        raise UnsupportedModel("too odd")

    (tmp_path / "file").write_text("before")
    monkeypatch.setattr(MODULE, "compile_forest", refuse)
    with pytest.raises(UnsupportedModel, match="too odd"):
        build(forest, tmp_path / "file", Origin("Forest"))
    assert (tmp_path / "file").read_text() == "before"


def test_a_library_that_fails_on_drawn_rows_is_no_comparison(
    forest: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever it raises, a slower engine may do; what it failed with is told."""

    def fail(*_arguments: object, **_how: object) -> None:
        raise TypeError("no NaN here")

    monkeypatch.setattr(MODULE, "compare", fail)
    with pytest.raises(UnsupportedModel, match=r"scikit-learn or the compiled model fails: TypeError: no NaN here"):
        build(forest, tmp_path / "file", Origin("Forest"))
    assert not (tmp_path / "file").exists()
