"""Which engine a model is prepared for, and what becomes of its files."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import forest
from forest import Origin, Parity, read_artifact
from registry import EngineChoice, Prepared, UnusableModel
from registry.opening.engines import open_engine
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.conftest import NAME
from tests.registry.specimens import EXAMPLES, OWN, Specimen
from tests.registry.support import FORESTS, Place, loaded, prepared_in

pytestmark = MLFLOW_WARNS

# The package has a function of the module's name.
MODULE = importlib.import_module("forest.checks.build")

DRAWN = 30
"""Rows to draw for a comparison: what it finds is not tested here, and drawing thousands takes its time."""


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw few rows."""
    monkeypatch.setattr(MODULE, "_DRAWN_ROWS", DRAWN)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the room's log has to say, from warnings on."""
    caplog.set_level("WARNING", "canopy.registry")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "canopy.registry"]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float32]]:
    """The rows of each comparison with scikit-learn."""
    found: list[NDArray[np.float32]] = []
    real = MODULE.compare

    def compare(engine: Any, reference: Any, rows: NDArray[np.float32], **how: Any) -> Parity:  # noqa: ANN401
        found.append(rows.copy())
        parity = real(engine, reference, rows, **how)
        assert isinstance(parity, Parity)
        return parity

    monkeypatch.setattr(MODULE, "compare", compare)
    return found


def prepare_first(place: Place, name: str, choice: EngineChoice, folder: Path) -> Prepared:
    """The first version of a model, prepared in a folder of the test's own."""
    return prepared_in(folder, f"models:/{name}/1", place.tracking_uri, choice)


@pytest.mark.parametrize("choice", [pytest.param("auto", id="auto"), pytest.param("compiled", id="compiled")])
@pytest.mark.parametrize("name", FORESTS)
def test_a_forest_is_compiled_and_its_download_removed(
    sqlite_place: Place, tmp_path: Path, told: Callable[[], list[str]], name: str, choice: EngineChoice
) -> None:
    """Of a forest, only the compiled one is left: for the schema's columns, found equal, with its origin in it."""
    made = prepare_first(sqlite_place, name, choice, tmp_path / "files")
    assert (str(made.version), made.engine, made.warning) == (f"{name}/1", "compiled", "")
    assert made.columns.known == ("assumed" if name == "Unnamed" else "named")
    assert made.folder.parent == tmp_path / "files" / name
    assert sorted(made.folder.iterdir()) == [made.artifact, made.folder / "prepared.json"]
    artifact = read_artifact(made.artifact)
    assert artifact.header.origin == Origin(name, "1")
    assert artifact.header.parity.passed
    assert artifact.header.parity.rows >= DRAWN
    assert artifact.arrays.columns == tuple(OWN)
    assert told() == []


@pytest.mark.parametrize("name", [*FORESTS, pytest.param(NAME, id="trained")])
def test_scikit_learn_serves_the_same_bits_as_the_compiled_forest(
    sqlite_place: Place, rows: NDArray[np.float32], tmp_path: Path, told: Callable[[], list[str]], name: str
) -> None:
    """Asked for, scikit-learn's engine serves the model as it was downloaded, equal to the compiled one in all bits."""
    made = prepare_first(sqlite_place, name, "sklearn", tmp_path / "files")
    assert made.engine == "sklearn"
    assert (made.model / "MLmodel").is_file()
    assert not made.artifact.exists()
    engine, compiled = open_engine(made), loaded(sqlite_place, name, "compiled")
    assert (engine.name, compiled.name) == ("sklearn", "compiled")
    assert (engine.bounded, compiled.bounded) == (False, True)
    theirs, ours = engine.predict(rows), compiled.predict(rows)
    assert theirs.probabilities is not None
    assert ours.probabilities is not None
    assert theirs.probabilities.tobytes() == ours.probabilities.tobytes()
    assert theirs.labels.tolist() == ours.labels.tolist()
    assert engine.classes is not None
    assert compiled.classes is not None
    assert engine.classes.tolist() == compiled.classes.tolist()
    assert told() == []


def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without a C compiler."""
    monkeypatch.setitem(sys.modules, "forest.native._kernel", None)
    monkeypatch.delattr(forest.native, "_kernel", raising=False)


def a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiled forest that is not scikit-learn's."""
    monkeypatch.setattr(MODULE, "compare", lambda *_arguments, **_how: Parity(rows=10, different=1))


OBSTACLES = [
    pytest.param(no_kernel, "Permuted", "forest.native._kernel", id="no-kernel"),
    pytest.param(a_difference, "Permuted", "it differs from scikit-learn on 1 of 10 rows", id="difference"),
]
"""Why a forest cannot be compiled: what to change for it, a specimen, and what is said of it."""


def test_a_forest_trained_on_missing_values_is_compiled(
    sqlite_place: Place, zoo: dict[str, Specimen], rows: NDArray[np.float32], tmp_path: Path
) -> None:
    """It answers as scikit-learn does, without a warning."""
    made = prepare_first(sqlite_place, "Missing", "auto", tmp_path / "files")
    engine = open_engine(made)
    assert (engine.name, made.warnings) == ("compiled", [])
    np.testing.assert_array_equal(engine.predict(rows).labels, zoo["Missing"].labels(rows))


@pytest.mark.parametrize(("obstruct", "name", "reason"), OBSTACLES)
def test_what_cannot_be_compiled_is_served_by_scikit_learn_and_told_once(
    sqlite_place: Place,
    zoo: dict[str, Specimen],
    rows: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    obstruct: Callable[[pytest.MonkeyPatch], None],
    name: str,
    reason: str,
) -> None:
    """With auto, such a forest is served by scikit-learn, and one warning says so, what it costs and why."""
    obstruct(monkeypatch)
    made = prepare_first(sqlite_place, name, "auto", tmp_path / "files")
    engine = open_engine(made)
    assert engine.name == "sklearn"
    np.testing.assert_array_equal(engine.predict(rows).labels, zoo[name].labels(rows))
    (line,) = made.warnings
    assert line.startswith(f"serving {name}/1 by scikit-learn, many times slower than compiled: ")
    assert reason in line
    assert "\n" not in line


@pytest.mark.parametrize(("obstruct", "name", "reason"), OBSTACLES)
def test_what_cannot_be_compiled_is_refused_where_that_was_asked_for(
    sqlite_place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: Callable[[], list[str]],
    obstruct: Callable[[pytest.MonkeyPatch], None],
    name: str,
    reason: str,
) -> None:
    """With the choice compiled, such a forest raises UnusableModel, in one line that names the version and says why."""
    obstruct(monkeypatch)
    with pytest.raises(UnusableModel) as raised:
        prepare_first(sqlite_place, name, "compiled", tmp_path / "files")
    message = str(raised.value)
    assert message.startswith(f"{name}/1 cannot be loaded: ")
    assert reason in message
    assert "\n" not in message
    assert told() == []


@pytest.mark.parametrize(("obstruct", "name", "_reason"), OBSTACLES)
def test_scikit_learn_asked_for_needs_no_compiled_forest(
    sqlite_place: Place,
    monkeypatch: pytest.MonkeyPatch,
    told: Callable[[], list[str]],
    obstruct: Callable[[pytest.MonkeyPatch], None],
    name: str,
    _reason: str,
) -> None:
    """What stands in the way of compiling does not concern scikit-learn's engine, nor is it told."""
    obstruct(monkeypatch)
    assert loaded(sqlite_place, name, "sklearn").name == "sklearn"
    assert told() == []


# The input example.


@pytest.mark.parametrize(
    "version",
    [
        # Beside which no compiled forest is known.
        pytest.param(f"{NAME}/2", id="trained"),
        pytest.param("Permuted/1", id="permuted-columns"),
    ],
)
def test_the_models_input_example_is_among_the_rows_compared(
    sqlite_place: Place,
    matrix: NDArray[np.float32],
    tmp_path: Path,
    compared: list[NDArray[np.float32]],
    version: str,
) -> None:
    """The example that was logged with a model comes first among the rows compared, with the schema's columns."""
    made = prepared_in(tmp_path / "files", f"models:/{version}", sqlite_place.tracking_uri, "compiled")
    (rows,) = compared
    np.testing.assert_array_equal(rows[:EXAMPLES], matrix[:EXAMPLES])
    assert len(rows) == EXAMPLES + DRAWN
    assert read_artifact(made.artifact).header.parity == Parity(rows=len(rows), different=0)


def missing_file() -> Any:  # noqa: ANN401 - never returns
    """What MLflow does if an example was logged, but its file is gone."""
    raise FileNotFoundError("input_example.json")


def frame(value: object, columns: int = 54) -> Any:  # noqa: ANN401 - pandas is untyped
    """An example of two rows with one value all over."""
    import pandas as pd

    return pd.DataFrame([[value] * columns] * 2)


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(lambda: None, id="none"),
        pytest.param(lambda: frame("spruce"), id="strings"),
        pytest.param(lambda: frame(1.0, columns=12), id="twelve-columns"),
        pytest.param(lambda: frame(float("nan")), id="not-a-number"),
        pytest.param(lambda: frame(float("inf")), id="infinite"),
        pytest.param(lambda: frame(1e300), id="beyond-float32"),
        pytest.param(lambda: np.ones(54), id="one-dimension"),
        pytest.param(lambda: np.ones((1, 54, 1)), id="three-dimensions"),
        pytest.param(lambda: {"rows": [1.0] * 54}, id="dictionary"),
        pytest.param(missing_file, id="file-gone"),
    ],
)
def test_an_input_example_that_is_no_rows_is_ignored(
    sqlite_place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    compared: list[NDArray[np.float32]],
    example: Callable[[], Any],
) -> None:
    """A forest whose example is nothing that it could be asked is compiled all the same, and compared without it."""
    import mlflow

    monkeypatch.setattr(mlflow.models.Model, "load_input_example", lambda _self, _path: example())
    assert prepare_first(sqlite_place, "Permuted", "auto", tmp_path / "files").engine == "compiled"
    assert [len(rows) for rows in compared] == [DRAWN]
