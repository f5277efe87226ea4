"""CatBoost's fitted models of every kind, as files and pickles store them, held against the library's own calls."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest import CompiledEngine, Ensemble, UnsupportedModel, compile_forest, read_model
from forest.checks.library import library_engine
from forest.checks.parity import compare, threshold_rows
from forest.checks.reference import ReferenceEngine
from forest.libraries.catboost.model import read_catboost
from tests.conftest import examples
from tests.forest.libraries.asking import bits

pytestmark = pytest.mark.catboost

QUIET = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
ROWS = 400

POLICIES = st.sampled_from(["SymmetricTree", "Depthwise", "Lossguide"])
MODES = st.sampled_from(["Min", "Max"])
SEEDS = st.integers(0, 2**31 - 1)
NUMBERS = st.sampled_from(["RMSE", "MAE", "Quantile:alpha=0.3", "Poisson", "Tweedie:variance_power=1.5", "LogCosh"])
_MANY = [(loss, classes) for loss in ("MultiClass", "MultiClassOneVsAll") for classes in (3, 5, 8)]
CLASSES = st.sampled_from([("Logloss", 2), ("MultiClass", 2), *_MANY])
LABELS = st.sampled_from(["words", "numbers", "fractions", "truths"])


def training(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows with ties, missing and infinite values, of which the last column has none, and numbers to learn."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(ROWS, 5))
    rows[:, 1] = rows[:, 1].round(1)
    rows[:, 2] = draw.choice([-1e-45, 0.0, 1e-45, 1e30, 3.0], size=ROWS)
    rows[:, :4][draw.random((ROWS, 4)) < 0.1] = np.nan
    number = np.nan_to_num(rows[:, 0]) * 2 + np.sin(3 * np.nan_to_num(rows[:, 1])) + rows[:, 4]
    return rows, number


def labelled(number: NDArray[np.float64], classes: int, kind: str) -> NDArray[Any]:
    """As many classes, called as that kind of label is."""
    codes = np.argsort(np.argsort(number)) * classes // len(number)
    numbers = np.arange(classes)
    names: dict[str, NDArray[Any]] = {
        "words": np.array([f"class {code}" for code in numbers]),
        "numbers": numbers * 3 - 2,
        "fractions": numbers / 4,
        "truths": numbers == 1 if classes == 2 else numbers,
    }
    found: NDArray[Any] = names[kind][codes]
    return found


def reloaded(model: Any, folder: Path) -> tuple[Any, Ensemble]:  # noqa: ANN401
    """The model as MLflow loads it, and as it is read here."""
    path = folder / "model.cbm"
    model.save_model(str(path))
    return type(model)().load_model(str(path)), read_catboost(path.read_bytes(), answers=type(model).__name__)


def assert_answers(model: Any, folder: Path, seed: int) -> Ensemble:  # noqa: ANN401
    """The model's file answers as the library does, on and beside its borders, with any number of rows at once."""
    loaded, ensemble = reloaded(model, folder)
    rows = np.concatenate([threshold_rows(ensemble, 600, seed=seed), training(seed + 1)[0].astype(np.float32)])
    rows[::50, 0] = np.inf
    rows[1::50, 1] = -np.inf
    asked = library_engine(loaded, ensemble)
    for engine in (CompiledEngine(compile_forest(ensemble)), ReferenceEngine(ensemble)):
        for count in (1, 2, 7, 128, 129, len(rows)):
            assert compare(engine, asked, rows[:count]).passed
    assert asked.predict(rows[:2]).labels.dtype == ReferenceEngine(ensemble).predict(rows[:2]).labels.dtype
    return ensemble


@settings(deadline=None, max_examples=examples(12))
@given(
    loss=NUMBERS, policy=POLICIES, mode=MODES, depth=st.sampled_from([1, 4, 9]), rounds=st.integers(1, 12), seed=SEEDS
)
def test_a_regressors_file_answers_as_the_library_does(
    loss: str, policy: str, mode: str, depth: int, rounds: int, seed: int, scratch: Path
) -> None:
    """Of every kind of tree, with missing values below or above all others, scaled or not."""
    import catboost

    rows, number = training(seed)
    options = {"loss_function": loss, "grow_policy": policy, "nan_mode": mode, "depth": depth, "iterations": rounds}
    model = catboost.CatBoostRegressor(**options, **QUIET)
    model.fit(rows, np.floor(np.exp(number / 3)) if loss.startswith(("Poisson", "Tweedie")) else number)
    if seed % 3 == 0:
        model.set_scale_and_bias(*((-1.5, 0.0), (1.0, 0.25), (0.3, -7.0))[seed // 3 % 3])
    assert_answers(model, scratch, seed)


@settings(deadline=None, max_examples=examples(12))
@given(kind=CLASSES, labels=LABELS, policy=POLICIES, mode=MODES, rounds=st.integers(1, 12), seed=SEEDS)
def test_a_classifiers_file_answers_as_the_library_does(
    kind: tuple[str, int], labels: str, policy: str, mode: str, rounds: int, seed: int, scratch: Path
) -> None:
    """With labels of every type, weights of classes, and a threshold of its own where there are two."""
    import catboost

    rows, number = training(seed)
    loss, classes = kind
    options = {"loss_function": loss, "grow_policy": policy, "nan_mode": mode, "iterations": rounds, "depth": 4}
    model = catboost.CatBoostClassifier(**options, auto_class_weights="Balanced", **QUIET)
    model.fit(rows, labelled(number, classes, labels))
    if loss == "Logloss" and seed % 2:
        model.set_probability_threshold((seed % 97 + 1) / 100)
    assert_answers(model, scratch, seed)


@pytest.mark.parametrize("name", ["CatBoost", "CatBoostRanker"])
def test_a_model_that_is_no_regressor_answers_with_its_sums(name: str, scratch: Path) -> None:
    """Whatever its loss."""
    import catboost

    rows, number = training(0)
    loss = {"CatBoost": "Poisson", "CatBoostRanker": "YetiRank"}[name]
    made = getattr(catboost, name)
    options = {"loss_function": loss, "iterations": 8, **QUIET}
    data = catboost.Pool(rows, np.clip(number.round(), 0, 5), group_id=np.arange(ROWS) // 20)
    ensemble = assert_answers((made(options) if name == "CatBoost" else made(**options)).fit(data), scratch, 0)
    assert ensemble.link.name == "catboost_value"


def test_many_borders_of_a_column_are_told_apart(scratch: Path) -> None:
    """More than CatBoost counts in a byte."""
    import catboost

    draw = np.random.default_rng(3)
    rows = np.zeros((3000, 5))
    rows[:, 0] = draw.normal(size=len(rows))
    options = {"border_count": 1000, "iterations": 200, "depth": 6, **QUIET}
    model = catboost.CatBoostRegressor(**options).fit(rows, draw.normal(size=len(rows)))
    ensemble = assert_answers(model, scratch, 3)
    known = np.concatenate([tree.threshold[tree.splits & (tree.feature == 0)] for tree in ensemble.trees])
    assert len(np.unique(known)) > 254


@pytest.mark.parametrize("scale", [150.0, 3000.0])
def test_exponentials_beyond_all_numbers_are_the_librarys(scale: float, scratch: Path) -> None:
    """Which makes of them the ends of what there is, or 0 and infinity, by their place among the rows."""
    import catboost

    rows, number = training(4)
    options = {"iterations": 20, **QUIET}
    poisson = catboost.CatBoostRegressor(loss_function="Poisson", **options).fit(rows, np.floor(np.exp(number / 3)))
    poisson.set_scale_and_bias(scale, 0.0)
    assert_answers(poisson, scratch, 4)
    many = catboost.CatBoostClassifier(loss_function="MultiClass", learning_rate=scale, **options)
    loaded, ensemble = reloaded(many.fit(rows, labelled(number, 6, "numbers")), scratch)
    asked = rows.astype(np.float32)
    found = ReferenceEngine(ensemble).predict(asked).probabilities
    assert found is not None
    np.testing.assert_array_equal(bits(found), bits(loaded.predict_proba(asked)))


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("loss", ["RMSE", "Poisson", "Logloss"])
def test_a_pickle_answers_as_its_file_does(loss: str, protocol: int, scratch: Path) -> None:
    """With the class that is in it."""
    import catboost

    rows, number = training(5)
    name = "CatBoostClassifier" if loss == "Logloss" else "CatBoostRegressor"
    model = getattr(catboost, name)(loss_function=loss, iterations=5, **QUIET).fit(rows, (number > 0).astype(int))
    path = scratch / "model.pkl"
    path.write_bytes(pickle.dumps(model, protocol))
    ensemble = read_model(path)
    asked = library_engine(pickle.loads(path.read_bytes()), ensemble)  # noqa: S301 - of this test's own
    assert ensemble.kind == name
    assert compare(ReferenceEngine(ensemble), asked, rows.astype(np.float32)).passed


def test_names_of_columns_are_kept(scratch: Path) -> None:
    """Numbers that stand for places are no names."""
    import catboost
    import pandas as pd

    rows, number = training(6)
    model = catboost.CatBoostRegressor(iterations=3, **QUIET)
    assert reloaded(model.fit(pd.DataFrame(rows, columns=list("edcba")), number), scratch)[1].columns == tuple("edcba")
    assert reloaded(model.fit(pd.DataFrame(rows), number), scratch)[1].columns is None
    assert reloaded(model.fit(rows, number), scratch)[1].columns is None


def refused(case: str) -> Any:  # noqa: ANN401
    """A model that answers what an ensemble cannot."""
    import catboost
    import pandas as pd

    rows, number = training(7)
    small = {"iterations": 3, **QUIET}
    codes = labelled(number, 3, "numbers")
    words = pd.DataFrame(rows).assign(word=np.where(number > 0, "a", "b"), text=[f"a {code}" for code in codes])
    make: dict[str, Any] = {
        "one-hot": lambda: catboost.CatBoostRegressor(cat_features=["word"], **small).fit(
            words.drop(columns="text"), number
        ),
        "counted": lambda: catboost.CatBoostRegressor(cat_features=["text"], one_hot_max_size=1, **small).fit(
            words.drop(columns="word"), number
        ),
        "texts": lambda: catboost.CatBoostClassifier(text_features=["text"], **small).fit(
            words.drop(columns="word"), codes
        ),
        "numbers": lambda: catboost.CatBoostRegressor(loss_function="MultiRMSE", **small).fit(
            rows, np.stack([number, -number], axis=1)
        ),
        "uncertain": lambda: catboost.CatBoostRegressor(loss_function="RMSEWithUncertainty", **small).fit(rows, number),
        "labels": lambda: catboost.CatBoostClassifier(loss_function="MultiLogloss", **small).fit(
            rows, np.stack([number > 0, number > 1], axis=1).astype(int)
        ),
        "absent": lambda: catboost.CatBoostClassifier(
            loss_function="MultiClass", class_names=[-2, 1, 4, 99], **small
        ).fit(rows, codes),
        "dropped": lambda: _dropped(catboost.CatBoostRegressor(ignored_features=[0], **small).fit(rows, number)),
        "scaled": lambda: _scaled(catboost.CatBoostClassifier(loss_function="MultiClass", **small).fit(rows, codes)),
    }
    return make[case]()


def _dropped(model: Any) -> Any:  # noqa: ANN401
    model.drop_unused_features()
    return model


def _scaled(model: Any) -> Any:  # noqa: ANN401
    model.set_scale_and_bias(2.0, [0.0, 0.0, 0.0])
    return model


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        pytest.param("one-hot", "columns of categories", id="one-hot"),
        pytest.param("counted", "columns of categories", id="counted"),
        pytest.param("texts", "columns of texts", id="texts"),
        pytest.param("numbers", "2 numbers a row", id="several-numbers"),
        pytest.param("uncertain", "2 numbers a row", id="uncertain"),
        pytest.param("labels", "class labels|one class a row", id="several-labels"),
        pytest.param("absent", "class labels are not those of", id="a-class-without-rows"),
        pytest.param("dropped", "drop_unused_features", id="dropped-columns"),
        pytest.param("scaled", "a scale or bias", id="several-scaled"),
    ],
)
def test_what_an_ensemble_cannot_answer_is_refused(case: str, reason: str, scratch: Path) -> None:
    """With the reason."""
    model = refused(case)
    path = scratch / "model.cbm"
    model.save_model(str(path))
    with pytest.raises(UnsupportedModel, match=reason):
        read_catboost(path.read_bytes(), answers=type(model).__name__)


def test_a_regressor_of_another_loss_than_its_models_is_refused(scratch: Path) -> None:
    """Its parameters say whether it answers with an exponential."""
    import catboost

    rows, number = training(8)
    model = catboost.CatBoostRegressor(loss_function="RMSE", iterations=2, **QUIET).fit(rows, number)
    model._init_params["loss_function"] = "Poisson"
    path = scratch / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    with pytest.raises(UnsupportedModel, match="another loss function"):
        read_model(path)
