"""scikit-learn's pipelines: what is compiled of them answers as they do, and what cannot is refused."""

import contextlib
import pickle
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import hypothesis
import joblib
import numpy as np
import pytest
import xgboost
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from forest import (
    CompiledEngine,
    Origin,
    Parity,
    SklearnEngine,
    UnsupportedModel,
    compare,
    compile_forest,
    ensemble_of,
    read_artifact,
    read_model,
    threshold_rows,
    write_artifact,
)
from forest.checks.reference import ReferenceEngine
from tests.conftest import examples
from tests.forest.libraries.pipeline_models import (
    MODELS,
    NAMES_OF,
    Plan,
    assert_same,
    fitted,
    frame_of,
    plans,
    rows_of,
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """scikit-learn warns of categories that it has not seen."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        yield


@hypothesis.settings(
    max_examples=examples(15), phases=[hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate]
)
@hypothesis.given(plan=plans(list(MODELS)), seed=st.integers(0, 2**32 - 1))
def test_a_pipeline_answers_as_scikit_learns_to_the_last_bit(plan: Plan, seed: int) -> None:
    """On thresholds, beside them, with names not seen before, and with missing values where they are taken."""
    pipeline, table = _fitted_or_skipped(plan)
    ensemble = ensemble_of(pipeline)
    rows = rows_of(ensemble, table, seed)
    assert_same(pipeline, ensemble, rows)
    engine, few = CompiledEngine(compile_forest(ensemble)), rows[:: len(rows) // 20]
    assert not compare(ReferenceEngine(ensemble), engine, few).different
    assert not compare(SklearnEngine(pipeline), engine, rows).different


def _fitted_or_skipped(plan: Plan) -> tuple[object, object]:
    try:
        pipeline, table = fitted(plan)
    except ValueError as error:  # a model that takes no missing value, or no sparse matrix
        hypothesis.assume("NaN" not in str(error) and "parse" not in str(error))
        raise
    try:
        ensemble_of(pipeline)
    except UnsupportedModel as error:
        hypothesis.assume("numbers for categories" not in str(error))
        raise
    return pipeline, table


SMALL = Plan(
    7, ["median and indicator", "standard"], ["imputed one-hot", "ordinal with unknown"], ["ordinal or missing"], True
)


def _estimators() -> list[Any]:
    """Other ways to have a model behind steps."""
    import lightgbm

    few = {"n_estimators": 5, "n_jobs": 1, "random_state": 0}
    return [
        pytest.param(xgboost.XGBClassifier(**few), id="XGBClassifier"),
        pytest.param(xgboost.XGBRegressor(**few), id="XGBRegressor"),
        pytest.param(lightgbm.LGBMClassifier(**few, verbose=-1), id="LGBMClassifier"),
        pytest.param(lightgbm.LGBMRegressor(**few, verbose=-1), id="LGBMRegressor"),
        pytest.param(HistGradientBoostingClassifier(max_iter=5, categorical_features=[3]), id="categories of its own"),
    ]


@pytest.mark.parametrize("model", _estimators())
def test_models_of_other_libraries_answer_behind_steps(model: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """Live and from a file, as the pipeline itself."""
    pipeline, table = fitted(replace(SMALL, sparse=0.0), model)
    ensemble = ensemble_of(pipeline)
    rows = rows_of(ensemble, table, 1)
    assert_same(pipeline, ensemble, rows)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(pipeline))
    assert_same(pipeline, read_model(tmp_path / "model.pkl"), rows)
    assert not compare(SklearnEngine(pipeline), CompiledEngine(compile_forest(ensemble)), rows).different


def _dump_skops(model: Any, path: Path) -> None:  # noqa: ANN401
    import skops.io

    skops.io.dump(model, path)


def _dump_cloudpickle(model: Any, path: Path) -> None:  # noqa: ANN401
    path.write_bytes(cloudpickle.dumps(model))


DUMPS = {
    "pickle": lambda model, path: path.write_bytes(pickle.dumps(model)),
    "pickle 2": lambda model, path: path.write_bytes(pickle.dumps(model, protocol=2)),
    "cloudpickle": _dump_cloudpickle,
    "joblib": joblib.dump,
    "joblib compressed": lambda model, path: joblib.dump(model, path, compress=3),
    "skops": _dump_skops,
}


@pytest.mark.parametrize(
    ("dump", "searched"),
    [
        *(pytest.param(dump, False, id=name) for name, dump in DUMPS.items()),
        *(pytest.param(DUMPS[name], True, id=f"{name} of a search") for name in ("pickle", "skops")),
    ],
)
def test_a_file_answers_as_the_pipeline_that_was_saved(dump: Any, searched: bool, tmp_path: Path) -> None:  # noqa: ANN401
    """None of the code in it runs, and the answers are the same."""
    pipeline, table = fitted(SMALL)
    saved = pipeline
    if searched:
        labels = np.arange(len(table)) % 2
        saved = GridSearchCV(pipeline, {"model__max_depth": [2, 4]}, cv=2).fit(table, labels)
        pipeline = saved.best_estimator_
    dump(saved, tmp_path / "model")
    for ensemble in (read_model(tmp_path / "model"), ensemble_of(saved)):
        assert ensemble.columns == tuple(table.columns)
        assert_same(pipeline, ensemble, rows_of(ensemble, table, 2))
    assert not compare(
        SklearnEngine(saved), CompiledEngine(compile_forest(ensemble)), rows_of(ensemble, table, 3)
    ).different


def test_a_search_that_found_a_forest_answers_as_that() -> None:
    """Without any step before it."""
    matrix = np.random.default_rng(0).normal(size=(60, 3))
    search = RandomizedSearchCV(RandomForestClassifier(4), {"max_depth": [2, 3]}, n_iter=2, cv=2)
    search.fit(matrix, np.arange(60) % 2)
    engine = CompiledEngine(compile_forest(search))
    np.testing.assert_array_equal(engine.predict(matrix.astype(np.float32)).probabilities, search.predict_proba(matrix))


def test_a_pipeline_on_columns_without_names_answers_for_a_matrix() -> None:
    """Numbers only, by their places."""
    matrix = np.random.default_rng(1).normal(size=(80, 4)) * 1e5
    chosen = ColumnTransformer(
        [("few", MinMaxScaler(), [2, 0]), ("one", "passthrough", slice(3, 4)), ("no", "drop", [1])]
    )
    pipeline = make_pipeline(StandardScaler(), chosen, RandomForestClassifier(5, random_state=0))
    pipeline.fit(matrix, np.arange(80) % 3)
    ensemble = ensemble_of(pipeline)
    rows = threshold_rows(ensemble, 500)
    found = CompiledEngine(compile_forest(ensemble)).predict(rows).probabilities
    np.testing.assert_array_equal(found, pipeline.predict_proba(rows))
    assert ensemble.columns is None


def test_what_is_told_of_a_table_is_that_of_the_pipeline_s_own_columns() -> None:
    """Their names, the names of categories, and which may not be missing."""
    pipeline, table = fitted(Plan(4, ["standard"], ["one-hot of known", "imputed one-hot"], [], False))
    ensemble = ensemble_of(pipeline)
    assert ensemble.columns == tuple(table.columns)
    assert ensemble.kind == "Pipeline with RandomForestClassifier"
    named = {table.columns[column]: names for column, names in ensemble.categorical.items()}
    assert named == {"name 0": tuple(sorted(NAMES_OF)), "name 1": tuple(sorted(NAMES_OF))}
    assert [table.columns[column] for column in ensemble.needed] == [
        name for name in table.columns if name in ("number 0", "name 0")
    ]
    rows = rows_of(ensemble, table, 0)[:1]
    engine = CompiledEngine(compile_forest(ensemble))
    for column in ensemble.needed:
        without = rows.copy()
        without[0, column] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            engine.predict(without)
        with pytest.raises(ValueError, match=r"NaN|nan"):
            pipeline.predict(frame_of(ensemble, without))


def test_a_number_that_is_no_category_is_refused_where_the_encoder_refuses_it() -> None:
    """Whether a split looks at its column or not."""
    matrix, labels = _matrix()
    matrix[:, 1] = 5.0
    pipeline = make_pipeline(OneHotEncoder(), RandomForestClassifier(3, random_state=0)).fit(matrix, labels)
    engine = CompiledEngine(compile_forest(pipeline))
    np.testing.assert_array_equal(engine.predict(matrix).probabilities, pipeline.predict_proba(matrix))
    for column in range(2):
        for value in (0.5, np.nan, -1.0):
            changed = matrix[:1].copy()
            changed[0, column] = value
            with pytest.raises(ValueError, match=f"column {column} is NaN, or no category"):
                engine.predict(changed)
            with pytest.raises(ValueError, match="unknown categories"):
                pipeline.predict(changed)


class Doubled(FunctionTransformer):  # type: ignore[misc]
    """A step of somebody's own."""


def _matrix() -> tuple[Any, Any]:
    return np.random.default_rng(0).integers(0, 4, size=(40, 2)).astype(float), np.arange(40) % 2


def _behind(*steps: Any) -> Any:  # noqa: ANN401
    return make_pipeline(*steps, RandomForestClassifier(3, random_state=0)).fit(*_matrix())


REFUSED = [
    pytest.param(lambda: _behind(PCA()), "sklearn.decomposition", id="another transformer"),
    pytest.param(lambda: _behind(FunctionTransformer(np.negative)), "somebody's own", id="a function"),
    pytest.param(lambda: _behind(FunctionTransformer(validate=True)), "checks what it is given", id="a check"),
    pytest.param(lambda: _behind(Doubled()), "no part of a forest", id="a class of one's own"),
    pytest.param(
        lambda: _behind(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
        "one is refused",
        id="other numbers are refused",
    ),
    pytest.param(
        lambda: _behind(OneHotEncoder(min_frequency=11, handle_unknown="ignore")), "rare", id="rare categories"
    ),
    pytest.param(lambda: _behind(StandardScaler(), OrdinalEncoder()), "another step has made", id="codes of computed"),
    pytest.param(lambda: _behind(SimpleImputer(missing_values=0)), "something else than NaN", id="0 is missing"),
    pytest.param(
        lambda: _behind(ColumnTransformer([("a", StandardScaler(), [0, 1])], transformer_weights={"a": 2.0})),
        "weighs",
        id="weights",
    ),
    pytest.param(
        lambda: _behind(OneHotEncoder(handle_unknown="ignore"), StandardScaler(with_mean=False)),
        "sparse matrix",
        id="a scaled sparse matrix",
    ),
    pytest.param(
        lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(*_matrix()), "no model", id="linear"
    ),
    pytest.param(lambda: make_pipeline(StandardScaler()).fit(*_matrix()), "no model", id="no model"),
    pytest.param(lambda: make_pipeline(StandardScaler(), RandomForestClassifier()), "not fitted", id="not fitted"),
    pytest.param(
        lambda: GridSearchCV(RandomForestClassifier(2), {"max_depth": [1]}, refit=False, cv=2).fit(*_matrix()),
        "no best estimator",
        id="a search that does not refit",
    ),
    pytest.param(
        lambda: make_pipeline(OneHotEncoder(handle_unknown="ignore"), xgboost.XGBClassifier(n_estimators=2)).fit(
            *_matrix()
        ),
        "sparse matrix",
        id="XGBoost and a sparse matrix",
    ),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_what_cannot_be_answered_as_scikit_learn_does_is_refused(make: Any, reason: str, tmp_path: Path) -> None:  # noqa: ANN401
    """The message says why, of a live estimator and of a file."""
    model = make()
    with pytest.raises(UnsupportedModel, match=reason):
        ensemble_of(model)
    (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(model))
    with pytest.raises(UnsupportedModel):
        read_model(tmp_path / "model.pkl")


def test_a_replaced_method_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the class or on the object."""
    pipeline = _behind(StandardScaler())
    pipeline.steps[0][1].transform = lambda matrix: matrix
    with pytest.raises(UnsupportedModel, match="transform of its own"):
        ensemble_of(pipeline)
    monkeypatch.setattr(StandardScaler, "transform", lambda _self, matrix: matrix)
    with pytest.raises(UnsupportedModel, match=r"StandardScaler\.transform was replaced"):
        ensemble_of(_behind(StandardScaler()))


@pytest.mark.parametrize("dump", [DUMPS["pickle"], DUMPS["skops"]], ids=["pickle", "skops"])
def test_a_damaged_file_is_refused_or_answers(dump: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """Whatever byte is another, and wherever it ends."""
    pipeline, _ = fitted(SMALL, RandomForestClassifier(2, max_depth=3, random_state=0))
    dump(pipeline, tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    draw = np.random.default_rng(0)
    for turn in range(200):
        changed = np.frombuffer(content, dtype=np.uint8).copy()
        changed[draw.integers(len(changed), size=draw.integers(1, 4))] = draw.integers(256)
        path = tmp_path / str(turn)
        path.write_bytes(changed[: draw.integers(len(changed))].tobytes() if turn % 10 == 0 else changed.tobytes())
        with contextlib.suppress(UnsupportedModel):
            list(read_model(path).trees)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(lambda steps: steps[0].__dict__.update(scale_=np.array([1.0, -1.0])), "not above 0", id="scale"),
        pytest.param(lambda steps: steps[0].__dict__.update(mean_=np.array([np.nan, 0])), "finite", id="no number"),
        pytest.param(lambda steps: steps[0].__dict__.update(mean_=np.zeros(3)), "each of 2", id="too many numbers"),
        pytest.param(lambda steps: steps[0].__dict__.update(mean_=None), "array should be", id="no numbers"),
        pytest.param(lambda steps: steps[1].__dict__.update(n_features_in_=9), "not fitted on as many", id="columns"),
        pytest.param(lambda steps: steps[0].__dict__.update(with_mean="no"), "neither true nor false", id="a flag"),
        pytest.param(lambda steps: steps[1].__dict__.update(statistics_=np.zeros(1)), "a value for each", id="values"),
        pytest.param(
            lambda steps: steps[1].__dict__.update(_fit_dtype=np.dtype("M8[s]")), "neither numbers", id="dates"
        ),
    ],
)
def test_a_step_whose_numbers_do_not_fit_is_refused(damage: Any, reason: str) -> None:  # noqa: ANN401
    """Before anything is computed with them."""
    pipeline = _behind(StandardScaler(), SimpleImputer())
    damage([step for _, step in pipeline.steps])
    with pytest.raises(UnsupportedModel, match=reason):
        ensemble_of(pipeline)


def test_steps_in_each_other_many_times_are_refused_soon() -> None:
    """A small file may mean more steps than there is time for."""
    pipeline = _behind(StandardScaler())
    step = pipeline.steps[0][1]
    for _ in range(40):
        step = Pipeline([("one", step), ("two", step)])
    pipeline.steps[0] = ("many", step)
    with pytest.raises(UnsupportedModel, match=r"make more than|too deep"):
        ensemble_of(pipeline)


def scaled() -> tuple[Any, Any]:
    """A forest behind a scaler that makes numbers larger, and what it was fitted on."""
    matrix, labels = np.random.default_rng(0).normal(size=(40, 2)) * [1e-3, 1e3], np.arange(40) % 2
    return make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(matrix, labels), matrix


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_that_is_beyond_float32_when_it_is_scaled_is_refused(sign: int) -> None:
    """From the very number on from which scikit-learn refuses it; the one before is answered as it answers."""
    pipeline, matrix = scaled()
    ensemble = ensemble_of(pipeline)
    assert list(ensemble.limits) == [0]  # float32 has room for what becomes of the other column
    last = ensemble.limits[0][sign > 0]
    rows = matrix[:1].copy()
    rows[0, 0] = last
    engines = (CompiledEngine(compile_forest(ensemble)), ReferenceEngine(ensemble))
    for engine in engines:
        np.testing.assert_array_equal(engine.predict(rows).probabilities, pipeline.predict_proba(rows))
    rows[0, 0] = np.nextafter(last, sign * np.inf)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="too large for dtype"):
        pipeline.predict(rows)
    for engine in engines:
        with pytest.raises(ValueError, match="row 0, column 0 is"):
            engine.predict(rows)


def test_the_numbers_that_a_pipeline_takes_are_in_its_artifact(tmp_path: Path) -> None:
    """By the columns of the matrices to come."""
    arrays = compile_forest(scaled()[0], order=np.array([1, 0]))
    write_artifact(tmp_path / "model", arrays, Origin("scaled"), Parity(1, 0))
    assert read_artifact(tmp_path / "model").arrays.limits == arrays.limits
    assert list(arrays.limits) == [1]


def test_whole_categories_of_which_others_are_refused_are_told_as_such() -> None:
    """With the least and the greatest, where all between them are categories."""
    matrix, labels = _matrix()
    told = ensemble_of(make_pipeline(OneHotEncoder(), RandomForestClassifier(3)).fit(matrix + 2, labels))
    assert told.whole == {0, 1}
    assert told.given_limits == {0: (2.0, 5.0), 1: (2.0, 5.0)}
    told = ensemble_of(make_pipeline(OneHotEncoder(), RandomForestClassifier(3)).fit(matrix * 2, labels))
    assert not told.whole
    assert told.given_limits == {0: (0.0, 6.0), 1: (0.0, 6.0)}
