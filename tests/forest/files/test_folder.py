"""Folders of MLflow models: which file has the model, and what is known of it beside."""

import sys
from pathlib import Path

import pytest

from forest import Hint, UnsupportedModel
from forest.files.folder import model_in

SKLEARN = "sklearn: {pickled_model: model.pkl, sklearn_version: 1.9.1}"
XGBOOST = "xgboost: {data: model.ubj, model_class: xgboost.sklearn.XGBClassifier, xgb_version: 3.2.0}"
BOOSTER = XGBOOST.replace("sklearn.XGBClassifier", "core.Booster")
CATBOOST = "catboost: {data: model.cb, model_type: CatBoostRegressor, save_format: cbm, catboost_version: 1.2.10}"
LIGHTGBM = "lightgbm: {data: model.lgb, lgb_version: 4.7.0, model_class: lightgbm.basic.Booster}"


def folder_of(folder: Path, *flavours: str) -> Path:
    """Write an MLmodel file with some flavours, and a file for each that they may name."""
    (folder / "MLmodel").write_text("flavors:\n" + "".join(f"  {each}\n" for each in flavours) or "flavors: {}")
    for name in ("model.pkl", "model.ubj", "model.lgb", "model.cb"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("flavour", "file", "hint"),
    [
        pytest.param(SKLEARN, "model.pkl", Hint(), id="sklearn"),
        pytest.param(XGBOOST, "model.ubj", Hint("XGBClassifier"), id="xgboost"),
        pytest.param(BOOSTER, "model.ubj", Hint("Booster"), id="booster"),
        pytest.param("xgboost: {data: model.ubj}", "model.ubj", Hint(), id="no-class"),
        pytest.param("xgboost: {data: model.ubj, model_class: 3}", "model.ubj", Hint(), id="class-of-no-words"),
        # A class of somebody else's may answer otherwise, whatever it is called.
        pytest.param("xgboost: {data: model.ubj, model_class: my.Booster}", "model.ubj", Hint("my.Booster"), id="own"),
        pytest.param(LIGHTGBM, "model.lgb", Hint(version="4.7.0"), id="lightgbm"),
        pytest.param(CATBOOST, "model.cb", Hint("CatBoostRegressor"), id="catboost"),
        pytest.param("lightgbm: {data: model.pkl, lgb_version: 4.7}", "model.pkl", Hint(), id="version-of-no-words"),
    ],
)
def test_the_flavour_names_the_file_and_says_what_is_known(tmp_path: Path, flavour: str, file: str, hint: Hint) -> None:
    """The class that loads XGBoost's or CatBoost's file, and the version of LightGBM."""
    assert model_in(folder_of(tmp_path, flavour)) == (tmp_path / file, hint)


@pytest.mark.parametrize(
    ("loader", "file"),
    [
        pytest.param("mlflow.sklearn", "model.pkl", id="sklearn"),
        pytest.param("mlflow.xgboost", "model.ubj", id="xgboost"),
        pytest.param("mlflow.lightgbm", "model.lgb", id="lightgbm"),
        pytest.param("mlflow.pyfunc.model", "model.pkl", id="none-of-them"),
    ],
)
def test_of_several_flavours_the_one_that_mlflow_answers_with_is_taken(tmp_path: Path, loader: str, file: str) -> None:
    """Else the first that is known."""
    asked = f"python_function: {{loader_module: {loader}}}"
    assert model_in(folder_of(tmp_path, SKLEARN, XGBOOST, LIGHTGBM, asked))[0] == tmp_path / file


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param("flavors: {prophet: {data: a}}", "only prophet", id="other-flavour"),
        pytest.param("flavors: {xgboost: {model_class: a}}", "names no file", id="no-file"),
        pytest.param("flavors: {xgboost: 3}", "names no file", id="no-words"),
        pytest.param("flavors: {catboost: {data: a, save_format: json}}", "log it as 'cbm'", id="catboost-json"),
        pytest.param("flavors: {sklearn: {pickled_model: 3}}", "names no file", id="number-for-a-file"),
        pytest.param("flavors: {sklearn: {pickled_model: ../model.pkl}}", "outside of it", id="outside"),
        pytest.param("flavors: {sklearn: {pickled_model: /etc/hosts}}", "outside of it", id="absolute"),
        pytest.param("flavors: [sklearn]", "no flavors", id="list"),
        pytest.param("flavors", "no flavors", id="word"),
        pytest.param("", "no flavors", id="empty"),
        pytest.param("flavors: {", "no YAML", id="damaged"),
        pytest.param("a: b: c", "no YAML", id="no-yaml"),
        pytest.param("[" * 5000, "no YAML", id="deep"),
        pytest.param("a: !!python/object/apply:os.abort []", "no YAML", id="code"),
        pytest.param("a: \x00", "no YAML", id="zero"),
    ],
)
def test_a_damaged_or_foreign_mlmodel_file_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    """In words that name it, and without running anything."""
    (tmp_path / "MLmodel").write_text(content)
    with pytest.raises(UnsupportedModel, match=reason) as raised:
        model_in(tmp_path)
    assert str(raised.value).startswith(str(tmp_path))


def test_a_file_that_the_flavour_names_and_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""
    (folder_of(tmp_path, LIGHTGBM) / "model.lgb").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no .*model\.lgb$"):
        model_in(tmp_path)


def test_without_a_reader_of_yaml_the_usual_file_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there is no MLmodel file."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert model_in(folder_of(tmp_path, SKLEARN)) == (tmp_path / "model.pkl", Hint())
