"""LightGBM's fitted models of every kind, as files store them, held against the library's own calls."""

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest import UnsupportedModel
from forest.ensemble import Ensemble
from forest.files.pickles import read_pickle
from forest.files.skops_file import read_skops
from forest.libraries.lightgbm.model import read_lightgbm, read_stored
from tests.conftest import examples
from tests.forest.forests import LABELS
from tests.forest.libraries.lightgbm.models import CODES, EDGES, assert_answers, rows_of

QUIET = {"verbose": -1, "num_leaves": 15, "min_data_in_leaf": 3, "min_data_per_group": 5, "num_threads": 1}

OBJECTIVES = (
    *("regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie"),
    *("binary", "cross_entropy", "cross_entropy_lambda", "lambdarank", "rank_xendcg", "none"),
)
TARGETS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "binary": lambda target: (target > 1).astype(np.float64),
    "cross_entropy": lambda target: target % 1,
    "cross_entropy_lambda": lambda target: target % 1,
    "lambdarank": lambda target: np.floor(target % 4),
    "rank_xendcg": lambda target: np.floor(target % 4),
}
"""What an objective can be trained on, made of positive numbers."""

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "zero is missing": {"zero_as_missing": True},
    "nothing is missing": {"use_missing": False},
    "random forest": {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    "dart": {"boosting": "dart", "drop_rate": 0.5},
    "goss": {"boosting": "goss"},
    "square root": {"reg_sqrt": True},
    "no average": {"boost_from_average": False},
    "extremely random": {"extra_trees": True},
    "steep sigmoid": {"sigmoid": 2.123456789},
    "monotone": {"monotone_constraints": [1, 0, 0, 0]},
    "deep": {"num_leaves": 300, "min_data_in_leaf": 1, "max_depth": 30},
}


def training_matrix(draw: np.random.Generator, rows: int) -> NDArray[np.float64]:
    """Numbers, categories in the second column, numbers about 0 in the third, and missing and infinite ones."""
    matrix = draw.normal(size=(rows, 4))
    matrix[:, 1] = draw.integers(-1, 70, size=rows)
    matrix[:, 2] = draw.choice(EDGES[:12], size=rows)
    matrix[draw.random(matrix.shape) < 0.05] = np.nan
    matrix[draw.random(matrix.shape) < 0.02] = np.inf
    return matrix


def target_of(draw: np.random.Generator, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive numbers that hang on the first three columns."""
    known = np.where(np.isfinite(matrix), matrix, 0.5)
    return np.asarray(np.abs(known[:, 0]) + (known[:, 1] % 7) / 7 + (known[:, 2] > 0) + 0.1 + draw.random(len(matrix)))


def train(objective: str, options: dict[str, Any], seed: int, rounds: int) -> Any:  # noqa: ANN401
    """A Booster."""
    draw = np.random.default_rng(seed)
    matrix = training_matrix(draw, 400)
    target = target_of(draw, matrix)
    if objective in TARGETS:
        target = TARGETS[objective](target)
    group = [40] * 10 if "rank" in objective else None
    params: dict[str, Any] = {**QUIET, "objective": objective, "seed": seed, **options}
    if objective == "none":
        params["objective"] = lambda predicted, data: (predicted - data.get_label(), np.ones(len(predicted)))
    data = lightgbm.Dataset(matrix, target, categorical_feature=[1], group=group)
    return lightgbm.train(params, data, rounds)


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(deadline=None, max_examples=examples(5))
@given(option=st.sampled_from(list(OPTIONS)), seed=st.integers(0, 2**31 - 1), rounds=st.integers(1, 12))
def test_a_boosters_file_answers_as_the_booster_that_is_loaded_from_it(
    objective: str, option: str, seed: int, rounds: int, scratch: Path
) -> None:
    """Of every objective and kind of boosting."""
    path = scratch / "model.lgb"
    try:
        train(objective, OPTIONS[option], seed, rounds).save_model(path)
    except lightgbm.basic.LightGBMError:
        reject()  # some options do not go with some objectives
    ensemble = read_lightgbm(path.read_bytes())
    matrix = rows_of(ensemble, 300, seed)
    assert_answers(ensemble, matrix, lightgbm.Booster(model_file=path).predict(matrix))


WRITERS: dict[str, Callable[[Any, Path], object]] = {
    "pickle": lambda model, path: path.write_bytes(pickle.dumps(model)),
    "protocol 2": lambda model, path: path.write_bytes(pickle.dumps(model, protocol=2)),
    "cloudpickle": lambda model, path: path.write_bytes(cloudpickle.dumps(model)),
    "joblib": joblib.dump,
    "compressed": lambda model, path: joblib.dump(model, path, compress=3),
    "skops": skops.io.dump,
}
"""What stores a model in a file."""


def stored(model: Any, how: str, folder: Path) -> Ensemble:  # noqa: ANN401
    """The model, stored in a file and read from it."""
    path = folder / "stored"
    WRITERS[how](model, path)
    return read_stored((read_skops if how == "skops" else read_pickle)(path)[0])


def wrapper(kind: str, classes: int, labels: str, seed: int, **options: Any) -> Any:  # noqa: ANN401
    """A fitted wrapper."""
    draw = np.random.default_rng(seed)
    matrix = training_matrix(draw, 300)
    target = target_of(draw, matrix)
    more: dict[str, Any] = {}
    if kind == "LGBMClassifier":
        ranks = np.argsort(np.argsort(target, kind="stable"))
        codes: NDArray[np.int64] = ranks * classes // len(target)
        target = LABELS[labels](codes)
    if kind == "LGBMRanker":
        target, more = np.floor(target % 4), {"group": [30] * 10}
    params = {"n_estimators": 4, "min_child_samples": 3, "n_jobs": 1, "verbose": -1, "random_state": seed, **options}
    return getattr(lightgbm, kind)(**params).fit(matrix, target, categorical_feature=[1], **more)


@pytest.mark.parametrize("how", list(WRITERS))
@pytest.mark.parametrize(
    ("classes", "labels", "options"),
    [
        pytest.param(2, "string", {}, id="two classes"),
        pytest.param(2, "bool", {"objective": "cross_entropy"}, id="cross entropy"),
        pytest.param(2, "int", {"objective": "multiclass", "num_class": 2}, id="two classes as many"),
        pytest.param(3, "object", {}, id="three classes"),
        pytest.param(30, "uint8", {}, id="thirty classes"),
        pytest.param(4, "float", {"objective": "ova", "sigmoid": 0.3}, id="one against all"),
        pytest.param(3, "int", {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}, id="random forest"),
        pytest.param(2, "int", {"boosting_type": "dart", "class_weight": "balanced"}, id="weighted classes"),
    ],
)
def test_a_classifier_that_a_file_stores_answers_as_its_own_calls_do(
    how: str, classes: int, labels: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """Labels, of their type, and probabilities."""
    model = wrapper("LGBMClassifier", classes, labels, 3, **options)
    ensemble = stored(model, how, tmp_path)
    matrix = rows_of(ensemble, 400, 5)
    assert_answers(ensemble, matrix, model.predict(matrix), model.predict_proba(matrix))


@pytest.mark.parametrize("how", list(WRITERS))
@pytest.mark.parametrize("kind", ["LGBMRegressor", "LGBMRanker", "Booster"])
def test_a_regressor_ranker_or_booster_that_a_file_stores_answers_as_its_own_call_does(
    how: str, kind: str, tmp_path: Path
) -> None:
    """A number a row."""
    model = wrapper("LGBMRegressor" if kind == "Booster" else kind, 0, "", 4)
    model = model.booster_ if kind == "Booster" else model
    ensemble = stored(model, how, tmp_path)
    matrix = rows_of(ensemble, 400, 5)
    assert_answers(ensemble, matrix, model.predict(matrix))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("how", ["pickle", "skops", "file"])
def test_the_best_iteration_is_the_last_that_answers(how: str, keep: bool, tmp_path: Path) -> None:
    """A stored Booster has all its trees, and says how many are best; its own file has those only."""
    draw = np.random.default_rng(0)
    matrix = training_matrix(draw, 300)
    data = lightgbm.Dataset(matrix, draw.random(300))
    check = lightgbm.Dataset(matrix, draw.random(300), reference=data)
    stop = lightgbm.early_stopping(5, verbose=False)
    model = lightgbm.train(QUIET, data, 40, valid_sets=[check], callbacks=[stop], keep_training_booster=keep)
    assert 0 < model.best_iteration <= model.num_trees()
    assert model.num_trees() == model.best_iteration + 5 * keep
    if how == "file":
        model.save_model(tmp_path / "model.lgb")
        ensemble = read_lightgbm((tmp_path / "model.lgb").read_bytes())
    else:
        ensemble = stored(model, how, tmp_path)
    assert len(ensemble.trees) == model.best_iteration
    rows = rows_of(ensemble, 300, 1)
    assert_answers(ensemble, rows, model.predict(rows))


@pytest.mark.parametrize("kind", ["LGBMClassifier", "LGBMRegressor", "Booster"])
@pytest.mark.parametrize("how", ["skops", "cloudpickle"])
def test_what_mlflow_logs_answers_as_its_pyfunc_does(kind: str, how: str, tmp_path: Path) -> None:
    """MLflow hands a frame to the model's ``predict``."""
    with warnings.catch_warnings():
        # MLflow, when it is first imported, disapproves of type hints of its own.
        warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
        import mlflow.lightgbm
        import mlflow.pyfunc

    model = wrapper("LGBMRegressor" if kind == "Booster" else kind, 3, "string", 6)
    folder = tmp_path / "model"
    mlflow.lightgbm.save_model(
        model.booster_ if kind == "Booster" else model, folder, pip_requirements=[], serialization_format=how
    )
    if kind == "Booster":
        ensemble = read_lightgbm((folder / "model.lgb").read_bytes())
    elif how == "skops":
        ensemble = read_stored(read_skops(folder / "model.skops")[0])
    else:
        ensemble = read_stored(read_pickle(folder / "model.pkl")[0])
    matrix = rows_of(ensemble, 200, 1)
    expected = mlflow.pyfunc.load_model(str(folder)).predict(pd.DataFrame(matrix))
    probabilities = model.predict_proba(matrix) if kind == "LGBMClassifier" else None
    assert_answers(ensemble, matrix, expected, probabilities)


def frame(draw: np.random.Generator, rows: int) -> pd.DataFrame:
    """Two columns of numbers, one of categories, and one of ordered ones."""
    return pd.DataFrame(
        {
            "a number": draw.normal(size=rows),
            "colour": pd.Categorical(draw.choice(["red", "green", "blue"], size=rows)),
            "size": pd.Categorical(draw.choice(["S", "M", "L", "XL"], size=rows), ["S", "M", "L", "XL"], ordered=True),
            "another": draw.normal(size=rows) * 10 - 100,
        }
    )


@pytest.mark.parametrize("how", ["pickle", "skops", "file"])
def test_the_names_of_pandas_categories_are_read(how: str, tmp_path: Path) -> None:
    """In the order of their codes, by which the frame's values become numbers; an unseen one is missing."""
    draw = np.random.default_rng(2)
    train_frame, asked = frame(draw, 400), frame(draw, 100)
    score = train_frame["a number"] + (train_frame["colour"] == "red") + 2 * (train_frame["size"] == "L")
    model = lightgbm.LGBMRegressor(n_estimators=8, min_child_samples=3, verbose=-1, n_jobs=1)
    model.fit(train_frame, score)
    if how == "file":
        model.booster_.save_model(tmp_path / "model.lgb")
        ensemble = read_lightgbm((tmp_path / "model.lgb").read_bytes())
    else:
        ensemble = stored(model, how, tmp_path)
    assert ensemble.categorical == {1: ("blue", "green", "red"), 2: ("S", "M", "L", "XL")}
    assert ensemble.columns == ("a_number", "colour", "size", "another")
    asked["colour"] = asked["colour"].cat.rename_categories({"green": "mauve"})
    codes = asked.copy()
    for place, names in ensemble.categorical.items():
        values = asked.iloc[:, place].astype(str)
        codes[asked.columns[place]] = [names.index(value) if value in names else np.nan for value in values]
    assert codes["colour"].isna().any()
    assert_answers(ensemble, codes.to_numpy(np.float64), model.predict(asked))


def with_linear_leaves() -> Any:  # noqa: ANN401
    """Its leaves have linear models."""
    draw = np.random.default_rng(0)
    matrix = draw.normal(size=(300, 3))
    return lightgbm.train({**QUIET, "linear_tree": True}, lightgbm.Dataset(matrix, matrix[:, 0] ** 2), 3)


def with_numbered_categories() -> Any:  # noqa: ANN401
    """Its pandas categories are numbers."""
    draw = np.random.default_rng(0)
    matrix = pd.DataFrame({"code": pd.Categorical(draw.integers(5, 9, size=300)), "x": draw.normal(size=300)})
    return lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(matrix, draw.random(300))


def own_objective(truth: Any, predicted: Any) -> Any:  # noqa: ANN401
    """The gradient and hessian of the squared error."""
    return predicted - truth, np.ones_like(truth)


def with_own_predict() -> Any:  # noqa: ANN401
    """Its method is another."""
    model = wrapper("LGBMRegressor", 0, "", 1)
    model.predict = "another"
    return model


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(with_linear_leaves, "linear models", id="linear trees"),
        pytest.param(with_numbered_categories, "numbers, not names", id="numbered categories"),
        pytest.param(with_own_predict, "predict of its own", id="a method of its own"),
        pytest.param(
            lambda: wrapper("LGBMClassifier", 2, "int", 1, pred_early_stop=True), "pred_early_stop", id="early stop"
        ),
        pytest.param(
            lambda: wrapper("LGBMClassifier", 3, "int", 1).booster_, "3 numbers a row", id="a Booster of classes"
        ),
        pytest.param(
            lambda: wrapper("LGBMClassifier", 2, "int", 1, objective=own_objective),
            "in it, which is no part",
            id="an objective of its own",
        ),
        pytest.param(
            lambda: wrapper("LGBMClassifier", 2, "int", 1, objective="regression"),
            "to answer with a class",
            id="a classifier that regresses",
        ),
        pytest.param(lambda: wrapper("LGBMClassifier", 1, "int", 1), "does not fit 1 classes", id="one class"),
        pytest.param(lambda: lightgbm.LGBMRegressor(), "not fitted", id="not fitted"),
        pytest.param(lambda: {"model": 1}, "dict is no model of LightGBM", id="something else"),
    ],
)
def test_what_does_not_answer_by_known_arithmetic_is_refused(
    make: Callable[[], Any], reason: str, tmp_path: Path
) -> None:
    """The message says why."""
    with pytest.raises(UnsupportedModel, match=reason):
        stored(make(), "cloudpickle", tmp_path)


def test_categories_are_asked_for_by_whole_numbers() -> None:
    """What is negative or beyond all is none; a fraction is cut off."""
    model = wrapper("LGBMRegressor", 0, "", 9)
    ensemble = read_lightgbm(model.booster_.model_to_string().encode())
    matrix = np.zeros((len(CODES), 4))
    matrix[:, 1] = CODES
    assert_answers(ensemble, matrix, model.predict(matrix))
