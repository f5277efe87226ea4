"""The command line on models of XGBoost and LightGBM, in every form in which they are stored."""

import importlib.util
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost

from forest.__main__ import main
from forest.artifact import read
from forest.checks.bench import SIZES


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    status: int
    out: list[str]
    fault: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Outcome(status, said.out.splitlines(), (said.err.splitlines() or [""])[-1].strip())

    return call


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models of three classes, and with one of a number, in every form."""
    folder = tmp_path_factory.mktemp("models")
    draw = np.random.default_rng(0)
    matrix = draw.normal(size=(300, 4)).astype(np.float32)
    labels = np.searchsorted([-0.5, 0.5], matrix.sum(axis=1) + draw.normal(size=300))
    matrix[draw.random(matrix.shape) < 0.1] = np.nan
    np.save(folder / "rows.npy", matrix)
    few: dict[str, Any] = {"n_estimators": 4, "n_jobs": 1}
    xgb = xgboost.XGBClassifier(**few, max_depth=3).fit(matrix, labels)
    xgb_number = xgboost.XGBRegressor(**few, max_depth=3).fit(matrix, labels)
    lgb = lightgbm.LGBMClassifier(**few, verbose=-1).fit(matrix, np.array(["a", "b", "c"])[labels])
    lgb_number = lightgbm.LGBMRegressor(**few, verbose=-1).fit(matrix, labels)
    for name, model in {"xgb": xgb, "lgb": lgb}.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model))
        joblib.dump(model, folder / f"{name}.joblib", compress=3)
    skops.io.dump(lgb, folder / "lgb.skops")
    (folder / "booster.pkl").write_bytes(pickle.dumps(xgb_number.get_booster()))
    for suffix in ("ubj", "json"):
        xgb.save_model(folder / f"classes.{suffix}")
        xgb_number.save_model(folder / f"number.{suffix}")
    lgb_number.booster_.save_model(folder / "number.txt")
    lgb.booster_.save_model(folder / "classes.txt")
    (folder / "damaged.json").write_bytes((folder / "number.json").read_bytes()[:-500])
    (folder / "damaged.txt").write_bytes((folder / "number.txt").read_bytes()[:400])
    for name, content, flavour in (
        ("mlflow-xgb", "classes.ubj", "xgboost: {data: model, model_class: xgboost.sklearn.XGBClassifier}"),
        ("mlflow-booster", "number.ubj", "xgboost: {data: model, model_class: xgboost.core.Booster}"),
        ("mlflow-lgb", "lgb.pkl", "lightgbm: {data: model, lgb_version: 4.6.0}"),
        ("mlflow-text", "number.txt", "lightgbm: {data: model, lgb_version: 4.6.0}"),
        ("mlflow-own", "classes.ubj", "xgboost: {data: model, model_class: mine.XGBClassifier}"),
    ):
        (folder / name).mkdir()
        (folder / name / "model").write_bytes((folder / content).read_bytes())
        (folder / name / "MLmodel").write_text(f"flavors:\n  {flavour}\n")
    return folder


MODELS = [
    pytest.param(["xgb.pkl"], "XGBClassifier", "xgboost", id="xgboost-pickle"),
    pytest.param(["xgb.joblib"], "XGBClassifier", "xgboost", id="xgboost-joblib"),
    pytest.param(["booster.pkl"], "Booster", "xgboost", id="booster-pickle"),
    pytest.param(["classes.ubj", "--class", "XGBClassifier"], "XGBClassifier", "xgboost", id="ubj-of-a-class"),
    pytest.param(["classes.json", "--class", "XGBClassifier"], "XGBClassifier", "xgboost", id="json-of-a-class"),
    pytest.param(["number.json", "--class", "XGBRegressor"], "XGBRegressor", "xgboost", id="json-of-a-regressor"),
    pytest.param(["number.ubj"], "Booster", "xgboost", id="ubj"),
    pytest.param(["number.json"], "Booster", "xgboost", id="json"),
    pytest.param(["mlflow-xgb"], "XGBClassifier", "xgboost", id="mlflow-xgboost"),
    pytest.param(["mlflow-booster"], "Booster", "xgboost", id="mlflow-booster"),
    pytest.param(["mlflow-booster", "--class", "XGBRegressor"], "XGBRegressor", "xgboost", id="mlflow-other-class"),
    pytest.param(["lgb.pkl"], "LGBMClassifier", "lightgbm", id="lightgbm-pickle"),
    pytest.param(["lgb.joblib"], "LGBMClassifier", "lightgbm", id="lightgbm-joblib"),
    pytest.param(["lgb.skops"], "LGBMClassifier", "lightgbm", id="lightgbm-skops"),
    pytest.param(["number.txt"], "Booster", "lightgbm", id="text"),
    pytest.param(["mlflow-lgb"], "LGBMClassifier", "lightgbm", id="mlflow-lightgbm"),
    pytest.param(["mlflow-text"], "Booster", "lightgbm", id="mlflow-text"),
]


@pytest.mark.parametrize(("source", "kind", "library"), MODELS)
def test_a_model_of_any_form_is_compiled_and_equals_its_library(
    run: Run, files: Path, source: list[str], kind: str, library: str
) -> None:
    """The file says what it was; it is verified on rows with missing values as well."""
    name, *options = source
    done = run("compile", files / name, "made.forest", "--count", 600, *options)
    assert done.status == 0, done.fault
    assert done.out[-1] == f"600 rows compared with {library}: equal to the last bit"
    header = read(Path("made.forest")).header
    assert (header.kind, header.library, header.parity.different) == (kind, library, 0)
    verified = run("verify", "made.forest", files / name, "--rows", files / "rows.npy", *options)
    assert (verified.status, verified.out) == (0, [f"300 rows compared with {library}: equal to the last bit"])


@pytest.mark.parametrize(
    ("source", "library"),
    [
        pytest.param(["classes.ubj", "--class", "XGBClassifier"], "xgboost", id="xgboost"),
        pytest.param(["lgb.pkl"], "lightgbm", id="lightgbm"),
    ],
)
def test_a_model_is_timed_beside_its_library(run: Run, files: Path, source: list[str], library: str) -> None:
    """By batch size; the head names the library."""
    name, *options = source
    assert run("compile", files / name, "made.forest", "--count", 60, *options).status == 0
    rows = files / "rows.npy"
    timed = run("bench", "made.forest", files / name, *options, "--rows", rows, "--seconds", "0.0001")
    assert timed.status == 0, timed.fault
    head, *lines, _, sizes = timed.out
    assert [part.strip() for part in head.split("  ") if part][2:] == [f"{library}, us a row", "times as fast"]
    assert [line.split()[0].replace(",", "") for line in lines] == [str(size) for size in SIZES]
    assert sizes.endswith(f"in {name}")


@pytest.mark.parametrize("rival", ["onnxruntime", "treelite", "lleaves"])
def test_a_runtime_that_is_not_installed_is_told_of(run: Run, files: Path, rival: str) -> None:
    """The others are timed all the same."""
    if importlib.util.find_spec(rival) is not None:
        pytest.skip("it is installed")
    assert run("compile", files / "number.txt", "made.forest", "--count", 60).status == 0
    arguments = ["--rows", files / "rows.npy", "--seconds", "0.0001", "--rivals", rival]
    timed = run("bench", "made.forest", files / "number.txt", *arguments)
    assert timed.status == 0, timed.fault
    assert timed.out[0].startswith(f"{rival} is not installed: ")
    assert len(timed.out) == len(SIZES) + 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["classes.ubj"], "only an XGBClassifier makes one class of them; if another class", id="booster"),
        pytest.param(["number.ubj", "--class", "XGBClassifier"], "which no XGBClassifier loads", id="wrong-class"),
        pytest.param(
            ["xgb.pkl", "--class", "XGBClassifier"], "no format of its own that XGBClassifier loads", id="class-known"
        ),
        pytest.param(
            ["number.txt", "--class", "Booster"], "no format of its own that Booster loads", id="class-of-text"
        ),
        pytest.param(["mlflow-own"], "'mine.XGBClassifier' is no class of XGBoost's", id="class-of-ones-own"),
        pytest.param(["classes.txt"], "classes.txt: ", id="several-numbers"),
        pytest.param(["damaged.json"], "damaged.json: ", id="damaged-json"),
        pytest.param(["damaged.txt"], "damaged.txt: ", id="damaged-text"),
    ],
)
def test_what_cannot_be_compiled_is_refused_in_one_line(
    run: Run, files: Path, arguments: list[str], message: str
) -> None:
    """It names the file and the reason, and nothing is written."""
    name, *options = arguments
    done = run("compile", files / name, "made.forest", *options)
    assert (done.status, done.out) == (1, [])
    assert done.fault.startswith(f"forest: {files / name}")
    assert message in done.fault
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("name", "library"),
    [pytest.param("xgb.pkl", "xgboost", id="xgboost"), pytest.param("number.txt", "lightgbm", id="lightgbm")],
)
def test_without_its_library_a_model_is_compared_with_what_was_read(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    """The command says so, the file records it, and there is nothing to time beside."""
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == library else find(name, *rest))
    done = run("compile", files / name, "made.forest", "--count", 60)
    assert done.status == 0, done.fault
    assert done.out[0] == f"{library} is not installed, so that the model as it was read is what to compare with"
    assert done.out[-1].startswith(f"60 rows compared with the rule of {library} ")
    assert read(Path("made.forest")).header.parity.against == "rule"
    timed = run("bench", "made.forest", files / name)
    assert (timed.status, timed.out) == (1, [])
    assert timed.fault == f"forest: {library} is not installed: there is nothing to time the compiled model beside"


def test_a_class_that_xgboost_has_not_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is read."""
    with pytest.raises(SystemExit) as raised:
        main(["compile", "a", "b", "--class", "LGBMClassifier"])
    assert raised.value.code == 2
    assert "XGBClassifier" in capsys.readouterr().err
