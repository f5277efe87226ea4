"""Estimators from files."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io

from forest import UnsupportedModel
from forest.files.source import estimator_file, load_estimator
from tests.forest.forests import Grown

Save = Callable[[Any, Path], object]


def save_pickle(estimator: Any, path: Path) -> None:  # noqa: ANN401 - sklearn is untyped
    """Write a pickle."""
    path.write_bytes(pickle.dumps(estimator))


def save_compressed(estimator: Any, path: Path) -> None:  # noqa: ANN401 - sklearn is untyped
    """Write a compressed joblib file."""
    joblib.dump(estimator, path, compress=3)


@pytest.mark.parametrize(
    ("file", "save"),
    [
        pytest.param("a.pkl", save_pickle, id="pickle"),
        pytest.param("a.joblib", joblib.dump, id="joblib"),
        pytest.param("a.gz", save_compressed, id="compressed"),
        pytest.param("a.skops", skops.io.dump, id="skops"),
        pytest.param("without-a-suffix", joblib.dump, id="no-suffix"),
    ],
)
def test_an_estimator_is_loaded_from_its_file(tiny: Grown, tmp_path: Path, file: str, save: Save) -> None:
    """The format follows from the name, and the estimator predicts as before."""
    save(tiny.estimator, tmp_path / file)
    loaded = load_estimator(tmp_path / file)
    np.testing.assert_array_equal(loaded.predict_proba(tiny.matrix), tiny.estimator.predict_proba(tiny.matrix))


@pytest.mark.parametrize(
    ("files", "trees"),
    [
        pytest.param({"model.pkl": 1}, 1, id="pickle"),
        pytest.param({"model.skops": 2}, 2, id="skops"),
        pytest.param({"model.pkl": 1, "model.skops": 2}, 2, id="skops-before-pickle"),
    ],
)
def test_the_folder_of_a_model_has_its_estimator(
    tiny: Grown, tmp_path: Path, files: dict[str, int], trees: int
) -> None:
    """Of a folder as MLflow makes it, the estimator's file is loaded, rather the one that runs no code."""
    from sklearn.ensemble import RandomForestClassifier

    (tmp_path / "MLmodel").write_text("flavors: {}")
    for name, count in files.items():
        forest = RandomForestClassifier(count, random_state=0).fit(tiny.matrix, tiny.estimator.predict(tiny.matrix))
        (skops.io.dump if name.endswith("skops") else save_pickle)(forest, tmp_path / name)
    assert len(load_estimator(tmp_path).estimators_) == trees
    assert estimator_file(tmp_path) == tmp_path / max(files)


@pytest.mark.parametrize("look", [estimator_file, load_estimator])
def test_a_missing_file_is_named(tmp_path: Path, look: Callable[[Path], object]) -> None:
    """The message says which files were looked for."""
    with pytest.raises(FileNotFoundError) as raised:
        look(tmp_path / "missing.pkl")
    assert str(raised.value) == f"there is no {tmp_path / 'missing.pkl'}"
    with pytest.raises(FileNotFoundError) as raised:
        look(tmp_path)
    assert str(raised.value) == f"there is no {tmp_path / 'model.skops'} or {tmp_path / 'model.pkl'}"


class Trap:
    """An object that, unpickled, leaves a trace."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (Path("trace"),)


class Refusing:
    """An object that cannot be unpickled."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return int, ("refused",)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("a.pkl", b"", id="empty"),
        pytest.param("a.pkl", b"garbage", id="garbage"),
        pytest.param("a.pkl", pickle.dumps(Refusing()), id="failing"),
        pytest.param("a.pkl", b"cno_such_module\nName\n.", id="unknown-module"),
        pytest.param("a.pkl", pickle.dumps(list(range(1000)))[:-100], id="cut-off"),
        pytest.param("a.joblib", b"\x1f\x8b" + bytes(100), id="damaged-compression"),
        pytest.param("a.skops", b"", id="empty-skops"),
        pytest.param("a.skops", b"garbage", id="garbage-skops"),
    ],
)
def test_what_is_no_estimator_is_named(tmp_path: Path, file: str, content: bytes) -> None:
    """Whatever goes wrong while a file is loaded, the message names it."""
    (tmp_path / file).write_bytes(content)
    with pytest.raises(UnsupportedModel) as raised:
        load_estimator(tmp_path / file)
    assert str(raised.value).startswith(f"{tmp_path / file}: is no estimator: ")


def test_a_skops_file_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that is not known to be harmless is refused, and nothing of it has run."""
    monkeypatch.chdir(tmp_path)
    skops.io.dump([Trap()], tmp_path / "a.skops")
    with pytest.raises(UnsupportedModel, match="Untrusted"):
        load_estimator(tmp_path / "a.skops")
    assert not (tmp_path / "trace").exists()
    # A pickle does run it, which is why the help warns of those: the trap works.
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UnsupportedModel, match="is no model"):
        load_estimator(tmp_path / "a.pkl")
    assert (tmp_path / "trace").exists()
