"""XGBoost's models answer as XGBoost does, to the last bit."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest.checks.reference import ReferenceEngine
from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble
from forest.files.pickles import read_pickle
from forest.libraries.xgboost.model import read_xgboost, read_xgboost_object
from tests.conftest import examples
from tests.forest.forests import shape
from tests.forest.libraries.xgboost.files import CLASSES, PLANS, Plan, rows, written

FEW = settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
ONE: dict[str, Any] = {"n_jobs": 1, "n_estimators": 8, "max_depth": 4, "verbosity": 0}


def assert_same(ensemble: Ensemble, model: Any, matrix: NDArray[np.float32]) -> None:  # noqa: ANN401 - it is untyped
    """The ensemble answers as the estimator, or the Booster, and with numbers of its type."""
    found = ReferenceEngine(ensemble).predict(matrix)
    booster = type(model) is xgboost.Booster
    wanted = model.predict(xgboost.DMatrix(matrix, nthread=1) if booster else matrix)
    assert found.labels.dtype == wanted.dtype
    np.testing.assert_array_equal(found.labels.view(np.uint8), np.ascontiguousarray(wanted).view(np.uint8))
    if ensemble.classes is not None:
        probabilities = model.predict_proba(matrix).astype(np.float64)
        assert found.probabilities is not None
        np.testing.assert_array_equal(found.probabilities.view(np.uint64), probabilities.view(np.uint64))


def training(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Rows with missing values, and positive numbers to learn."""
    draw = np.random.default_rng(seed)
    matrix = draw.normal(size=(300, 5)).astype(np.float32).round(1)
    matrix[draw.random(matrix.shape) < 0.1] = np.nan
    return matrix, np.abs(np.nan_to_num(matrix).sum(axis=1)) + 0.1


@FEW
@given(PLANS)
def test_any_trees_of_one_output_answer_as_an_estimator_that_loads_them(plan: Plan) -> None:
    """Thresholds, missing and infinite values, categories and weights are taken as XGBoost takes them."""
    content = written(plan)
    model = xgboost.XGBRegressor(n_jobs=1)
    model.load_model(bytearray(content))
    assert_same(read_xgboost(content, answers="XGBRegressor"), model, rows(plan, content))


@FEW
@given(PLANS)
def test_any_trees_of_one_output_answer_as_a_booster(plan: Plan) -> None:
    """A Booster takes no infinite values, and adds up a dart otherwise than an estimator."""
    content = written(plan)
    model = xgboost.Booster({"nthread": 1}, model_file=bytearray(content))
    matrix = rows(plan, content)
    assert_same(read_xgboost(content, answers="Booster"), model, np.where(np.isinf(matrix), np.float32(1), matrix))


@FEW
@given(CLASSES)
def test_any_trees_of_classes_answer_as_a_classifier(plan: Plan) -> None:
    """Labels and probabilities are those of an estimator that loads the file."""
    content = written(plan)
    model = xgboost.XGBClassifier(n_jobs=1)
    model.load_model(bytearray(content))
    assert_same(read_xgboost(content, answers="XGBClassifier"), model, rows(plan, content))


OBJECTIVES = [
    *("reg:squarederror", "reg:squaredlogerror", "reg:logistic", "reg:pseudohubererror", "reg:absoluteerror"),
    *("reg:quantileerror", "reg:gamma", "reg:tweedie", "count:poisson", "survival:cox"),
    *("binary:logistic", "binary:logitraw", "binary:hinge", "rank:pairwise", "rank:ndcg", "rank:map", "multi:softmax"),
]


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_booster_of_each_objective_answers_as_it_does(objective: str, booster: str) -> None:
    """From a UBJSON file, a JSON file and a pickle alike."""
    matrix, values = training(1)
    parameters: dict[str, Any] = {"objective": objective, "booster": booster, "nthread": 1, "verbosity": 0}
    if objective.startswith(("binary", "reg:logistic", "rank:map")):
        values = (values > 1).astype(float)
    if objective.startswith(("multi", "rank:n", "rank:p", "count")):
        values = values.astype(int) % 3
    extra: dict[str, dict[str, Any]] = {
        "multi:softmax": {"num_class": 3},
        "reg:quantileerror": {"quantile_alpha": 0.3},
    }
    data = xgboost.DMatrix(matrix, label=values, nthread=1)
    if objective.startswith("rank"):
        data.set_group([100] * 3)
    model = xgboost.train(parameters | extra.get(objective, {}) | {"rate_drop": 0.4}, data, 8)
    for format_ in ("ubj", "json"):
        assert_same(read_xgboost(model.save_raw(format_), answers="Booster"), model, matrix)


ESTIMATORS = [
    pytest.param("XGBClassifier", {}, 2, id="binary"),
    pytest.param("XGBClassifier", {"objective": "binary:hinge"}, 2, id="hinge"),
    pytest.param("XGBClassifier", {}, 3, id="three classes"),
    pytest.param("XGBClassifier", {}, 30, id="thirty classes"),
    pytest.param("XGBClassifier", {"objective": "multi:softmax"}, 4, id="softmax"),
    pytest.param("XGBClassifier", {"multi_strategy": "multi_output_tree"}, 3, id="leaves of vectors"),
    pytest.param("XGBClassifier", {"booster": "dart", "rate_drop": 0.4}, 3, id="dart of classes"),
    pytest.param("XGBRFClassifier", {}, 3, id="forest of classes"),
    pytest.param("XGBRFRegressor", {}, 0, id="forest"),
    pytest.param("XGBRegressor", {"booster": "dart", "rate_drop": 0.4, "base_score": 1.7}, 0, id="dart"),
    pytest.param("XGBRegressor", {"num_parallel_tree": 3, "subsample": 0.5}, 0, id="trees side by side"),
    pytest.param("XGBRegressor", {"tree_method": "exact", "gamma": 0.5}, 0, id="pruned"),
    pytest.param("XGBRegressor", {"grow_policy": "lossguide", "max_leaves": 17}, 0, id="by loss"),
    pytest.param("XGBRegressor", {"max_depth": 30, "min_child_weight": 0}, 0, id="deep"),
    pytest.param("XGBRegressor", {"max_depth": 1}, 0, id="stumps"),
    pytest.param("XGBRegressor", {"gamma": 1e9}, 0, id="single leaves"),
    pytest.param("XGBRegressor", {"missing": 0.0}, 0, id="zero is missing"),
    pytest.param("XGBRegressor", {"objective": "binary:logistic"}, 2, id="a regressor's probability"),
]


@pytest.mark.parametrize(("kind", "parameters", "classes"), ESTIMATORS)
def test_an_estimator_answers_as_it_does_from_a_file_and_from_a_pickle(
    kind: str, parameters: dict[str, Any], classes: int, tmp_path: Path
) -> None:
    """What a file does not tell, such as what is missing, is as in a new estimator; a pickle has all of it."""
    matrix, values = training(2)
    model = getattr(xgboost, kind)(**{**ONE, **parameters})
    model.fit(matrix, (np.argsort(np.argsort(values)) % classes) if classes else values)
    asked = np.random.default_rng(3).choice(
        np.array([0, -0.0, 0.1, 0.2, -0.7, 1.3, np.nan, np.inf, -np.inf], dtype=np.float32), size=(500, 5)
    )
    for name in ("model.ubj", "model.json"):
        model.save_model(tmp_path / name)
        loaded = type(model)(n_jobs=1)
        loaded.load_model(tmp_path / name)
        assert_same(read_xgboost((tmp_path / name).read_bytes(), answers=kind), loaded, asked)
    for protocol in (2, 4, 5):
        (tmp_path / "model.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
        assert_same(read_xgboost_object(read_pickle(tmp_path / "model.pkl")[0]), model, asked)


def test_an_estimator_that_stopped_early_answers_with_its_best_rounds_and_a_booster_with_all() -> None:
    """The same file, asked as one and as the other."""
    matrix, values = training(4)
    model = xgboost.XGBRegressor(n_jobs=1, n_estimators=40, early_stopping_rounds=5, learning_rate=1.0)
    model.fit(matrix, values, eval_set=[(matrix, np.flip(values))], verbose=False)
    content = model.get_booster().save_raw()
    ensemble = read_xgboost(content, answers="XGBRegressor")
    assert len(ensemble.trees) < len(read_xgboost(content, answers="Booster").trees)
    assert_same(ensemble, model, matrix)
    assert_same(read_xgboost(content, answers="Booster"), model.get_booster(), matrix)


def test_the_names_of_categories_are_those_of_the_table_that_it_was_fitted_on() -> None:
    """In the order of their codes."""
    import pandas

    draw = np.random.default_rng(5)
    colours = pandas.Categorical(draw.choice(["red", "blue"], 100), categories=["red", "blue", "green"])
    table = pandas.DataFrame({"size": draw.normal(size=100), "colour": colours})
    data = xgboost.DMatrix(table, label=draw.normal(size=100), enable_categorical=True, nthread=1)
    ensemble = read_xgboost(xgboost.train({"nthread": 1}, data, 3).save_raw(), answers="Booster")
    assert ensemble.columns == ("size", "colour")
    assert ensemble.categorical == {1: ("red", "blue", "green")}


def test_categories_that_are_numbers_are_refused() -> None:
    """Of 7 and 9, 1 may be none, or the code of 9."""
    import pandas

    draw = np.random.default_rng(5)
    table = pandas.DataFrame({"size": draw.normal(size=100), "year": pandas.Categorical([7, 9] * 50)})
    data = xgboost.DMatrix(table, label=draw.normal(size=100), enable_categorical=True, nthread=1)
    content = xgboost.train({"nthread": 1}, data, 3).save_raw()
    with pytest.raises(UnsupportedModel, match="pandas' categories that are numbers"):
        read_xgboost(content, answers="Booster")


REFUSED = [
    pytest.param("XGBRegressor", {"booster": "gblinear"}, 0, "no trees", id="linear"),
    pytest.param("XGBClassifier", {"objective": "binary:logitraw"}, 2, "no probabilities", id="margins"),
    pytest.param(
        "XGBClassifier", {"objective": "multi:softprob", "num_class": 2}, 2, "several labels", id="two classes"
    ),
    pytest.param("XGBRegressor", {"missing": -9.0}, 0, "for missing", id="a number is missing"),
    pytest.param(
        "XGBRegressor", {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.8]}, 0, "2 numbers", id="quantiles"
    ),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "parameters", "classes", "reason"), REFUSED)
def test_what_an_ensemble_cannot_answer_is_refused(
    kind: str, parameters: dict[str, Any], classes: int, reason: str, tmp_path: Path
) -> None:
    """With the reason."""
    matrix, values = training(6)
    parameters = {"n_jobs": 1, "n_estimators": 3, "verbosity": 0, **parameters}
    model = getattr(xgboost, kind)(**parameters).fit(matrix, np.arange(300) % classes if classes else values)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    with pytest.raises(UnsupportedModel, match=reason):
        read_xgboost_object(read_pickle(tmp_path / "model.pkl")[0])


def test_a_booster_of_many_numbers_a_row_is_refused() -> None:
    """Its probabilities are no number; a classifier makes a class of them."""
    matrix, values = training(7)
    data = xgboost.DMatrix(matrix, label=values.astype(int) % 3, nthread=1)
    content = xgboost.train({"objective": "multi:softprob", "num_class": 3, "nthread": 1}, data, 2).save_raw()
    with pytest.raises(UnsupportedModel, match="3 numbers a row"):
        read_xgboost(content, answers="Booster")
    assert read_xgboost(content, answers="XGBClassifier").classes is not None


@settings(max_examples=examples(400), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_damaged_file_is_refused_or_answers(tampered: tuple[bytes, bytes], seed: int, text: bool) -> None:
    """Nothing else is ever raised."""
    draw = np.random.default_rng(seed)
    content = bytearray(tampered[text])
    match draw.integers(4):
        case 0:
            content = content[: draw.integers(len(content))]
        case 1:
            content[draw.integers(len(content))] ^= 1 << int(draw.integers(8))
        case 2:
            for _ in range(8):
                content[draw.integers(len(content))] = draw.integers(256)
        case _:
            at = draw.integers(len(content) - 8)
            content[at : at + 8] = bytes([draw.choice([0, 127, 255])] * 8)
    kind = str(draw.choice(["Booster", "XGBClassifier"]))
    try:
        ensemble = read_xgboost(content, answers=kind)
    except UnsupportedModel:
        return
    answers = ReferenceEngine(ensemble).predict(np.zeros((3, ensemble.width), dtype=np.float32))
    assert len(answers.labels) == 3


@pytest.fixture(scope="module")
def tampered() -> tuple[bytes, bytes]:
    """A small file with everything in it, as UBJSON and as JSON."""
    draw = np.random.default_rng(8)
    matrix = np.column_stack([draw.normal(size=200), draw.integers(9, size=200)]).astype(np.float32)
    data = xgboost.DMatrix(
        matrix, label=draw.integers(3, size=200), feature_types=["q", "c"], enable_categorical=True, nthread=1
    )
    model = xgboost.train({"objective": "multi:softmax", "num_class": 3, "nthread": 1, "max_depth": 3}, data, 2)
    return bytes(model.save_raw("ubj")), bytes(model.save_raw("json"))


def test_a_file_that_says_something_twice_is_refused() -> None:
    """Libraries do not agree on which of the two holds."""
    with pytest.raises(UnsupportedModel, match="twice"):
        read_xgboost(b'{"version": [3, 2, 0], "version": [3, 1, 0]}', answers="Booster")


def test_a_file_of_deep_nesting_is_refused() -> None:
    """In both formats."""
    for content in (b'{"a":' + b"[" * 100_000, b"{L" + (1).to_bytes(8, "big") + b"a" + b"[" * 100_000):
        with pytest.raises(UnsupportedModel):
            read_xgboost(content, answers="Booster")


def test_another_version_is_refused() -> None:
    """It may compute otherwise."""
    content = json.dumps({"version": [9, 0, 0]}).encode()
    with pytest.raises(UnsupportedModel, match=r"9\.0\.0, known are 1\.7 to 3\.2"):
        read_xgboost(content, answers="Booster")


def test_a_tree_whose_children_are_not_side_by_side_is_refused() -> None:
    """XGBoost would take the node behind the left child for the right one."""
    content = json.loads(written(Plan([shape(1, "balanced", "none", 0)], 1, 0, "reg:squarederror", "5E-1", False, 0)))
    (tree,) = content["learner"]["gradient_booster"]["model"]["trees"]
    tree["left_children"], tree["right_children"] = [2, -1, -1], [1, -1, -1]
    with pytest.raises(UnsupportedModel, match="side by side"):
        read_xgboost(json.dumps(content).encode(), answers="Booster")


@pytest.mark.parametrize("large", [2**62, 2**63 - 1, 2**64 - 1, 10**30, -(2**63)])
@pytest.mark.parametrize(
    "name",
    ["left_children", "right_children", "categories_segments", "categories_sizes", "categories", "split_indices"],
)
def test_a_number_beyond_all_bounds_is_refused(name: str, large: int) -> None:
    """Sums of it would begin anew below zero."""
    plan = Plan([shape(40, "balanced", "none", 0)], 1, 0, "reg:squarederror", "5E-1", False, 0)
    content = json.loads(written(plan))
    (tree,) = content["learner"]["gradient_booster"]["model"]["trees"]
    tree[name][0] = large
    with pytest.raises(UnsupportedModel):
        read_xgboost(json.dumps(content).encode(), answers="Booster")
