"""Models of every library, from the registry to answers: what MLflow's pyfunc says, bit by bit."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from registry.opening.engines import open_engine
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.support import matrix, prepared_in

pytestmark = MLFLOW_WARNS

NAMES = ["age", "income", "visits", "score"]
ROWS = 300


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of model.

    Attributes:
        flavour: MLflow's, which logs it.
        make: makes it, fitted on a frame.
        missing: whether its rows may have missing values.
        options: of ``log_model``.
    """

    flavour: str
    make: Callable[[Any, NDArray[Any]], Any]
    missing: bool
    options: dict[str, Any]


def sklearn_case(module: str, name: str, target: str, *, missing: bool = False, **options: Any) -> Case:  # noqa: ANN401
    """A case of scikit-learn's; ``target`` is what it is fitted to: two, three or number."""

    def make(table: Any, number: NDArray[Any]) -> Any:  # noqa: ANN401
        import importlib

        return getattr(importlib.import_module(module), name)(**options).fit(table, TARGETS[target](number))

    return Case("sklearn", make, missing, {"serialization_format": "cloudpickle"})


TARGETS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "number": lambda number: number,
    "two": lambda number: np.where(number > 0, "yes", "no"),
    "three": lambda number: np.digitize(number, [-1, 1]),
}

ENSEMBLE = "sklearn.ensemble"
SMALL: dict[str, Any] = {"n_estimators": 8, "random_state": 0}


def xgboost_case(name: str, target: str) -> Case:
    """An estimator of XGBoost's."""

    def make(table: Any, number: NDArray[Any]) -> Any:  # noqa: ANN401
        import xgboost

        return getattr(xgboost, name)(n_estimators=8, n_jobs=1).fit(table, TARGETS[target](number))

    return Case("xgboost", make, missing=True, options={})


def booster(table: Any, number: NDArray[Any]) -> Any:  # noqa: ANN401
    """A Booster of XGBoost's."""
    import xgboost

    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(table, number > 0), 8)


def lightgbm_case(name: str, target: str) -> Case:
    """An estimator of LightGBM's."""

    def make(table: Any, number: NDArray[Any]) -> Any:  # noqa: ANN401
        import lightgbm

        return getattr(lightgbm, name)(n_estimators=8, n_jobs=1, verbose=-1).fit(table, TARGETS[target](number))

    return Case("lightgbm", make, missing=True, options={"serialization_format": "cloudpickle"})


def lightgbm_booster(table: Any, number: NDArray[Any]) -> Any:  # noqa: ANN401
    """A Booster of LightGBM's."""
    import lightgbm

    data = lightgbm.Dataset(table, number)
    return lightgbm.train({"objective": "regression", "verbose": -1, "num_threads": 1}, data, 8)


def catboost_case(name: str, target: str, **options: Any) -> Case:  # noqa: ANN401
    """An estimator of CatBoost's."""

    def make(table: Any, number: NDArray[Any]) -> Any:  # noqa: ANN401
        import catboost

        quiet = {"iterations": 8, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
        return getattr(catboost, name)(**quiet, **options).fit(table, TARGETS[target](number))

    return Case("catboost", make, missing=True, options={})


def pipeline(table: Any, number: NDArray[Any]) -> Any:  # noqa: ANN401
    """A forest behind an imputer and a scaler."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(SimpleImputer(), StandardScaler(), RandomForestClassifier(**SMALL))
    return model.fit(table, TARGETS["three"](number))


def calibrated(table: Any, number: NDArray[Any]) -> Any:  # noqa: ANN401
    """A calibrated forest."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import RandomForestClassifier

    model = CalibratedClassifierCV(RandomForestClassifier(**SMALL), method="isotonic", cv=3)
    return model.fit(table, TARGETS["three"](number))


def with_threshold(table: Any, number: NDArray[Any]) -> Any:  # noqa: ANN401
    """A threshold for a forest behind a scaler."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import FixedThresholdClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaled = make_pipeline(StandardScaler(), RandomForestClassifier(**SMALL))
    return FixedThresholdClassifier(scaled, threshold=0.3, pos_label="no").fit(table, TARGETS["two"](number))


CASES = {
    "calibrated": Case("sklearn", calibrated, missing=False, options={"serialization_format": "cloudpickle"}),
    "threshold": Case("sklearn", with_threshold, missing=False, options={"serialization_format": "cloudpickle"}),
    "pipeline": Case("sklearn", pipeline, missing=True, options={"serialization_format": "cloudpickle"}),
    "forest-regressor": sklearn_case(ENSEMBLE, "RandomForestRegressor", "number", **SMALL),
    "extra-trees-regressor": sklearn_case(ENSEMBLE, "ExtraTreesRegressor", "number", **SMALL),
    "tree": sklearn_case("sklearn.tree", "DecisionTreeClassifier", "three", max_depth=5),
    "gradient-boosting": sklearn_case(ENSEMBLE, "GradientBoostingClassifier", "two", **SMALL),
    "gradient-boosting-regressor": sklearn_case(ENSEMBLE, "GradientBoostingRegressor", "number", **SMALL),
    "histogram": sklearn_case(ENSEMBLE, "HistGradientBoostingClassifier", "three", missing=True, max_iter=8),
    "histogram-regressor": sklearn_case(ENSEMBLE, "HistGradientBoostingRegressor", "number", missing=True, max_iter=8),
    "isolation": sklearn_case(ENSEMBLE, "IsolationForest", "number", missing=True, **SMALL),
    "xgboost-classifier": xgboost_case("XGBClassifier", "three"),
    "xgboost-regressor": xgboost_case("XGBRegressor", "number"),
    "xgboost-booster": Case("xgboost", booster, missing=True, options={}),
    "lightgbm-classifier": lightgbm_case("LGBMClassifier", "two"),
    "lightgbm-regressor": lightgbm_case("LGBMRegressor", "number"),
    "catboost-classifier": catboost_case("CatBoostClassifier", "three"),
    "catboost-two": catboost_case("CatBoostClassifier", "two", nan_mode="Max"),
    "catboost-regressor": catboost_case("CatBoostRegressor", "number", grow_policy="Lossguide"),
    "lightgbm-booster": Case("lightgbm", lightgbm_booster, missing=True, options={}),
}


def table(rows: int = ROWS, *, holed: bool = False) -> Any:  # noqa: ANN401 - pandas is untyped
    """Some rows with names, of which some values may be missing."""
    import pandas as pd

    draw = np.random.default_rng(0)
    values = draw.normal(size=(rows, len(NAMES)))
    if holed:
        values[draw.random(values.shape) < 0.1] = np.nan
    return pd.DataFrame(values, columns=NAMES)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.catboost] if case.flavour == "catboost" else [])
        for name, case in CASES.items()
    ],
)
def test_a_model_of_any_library_is_compiled_and_answers_as_mlflow_does(
    tracking: str, tmp_path: Path, name: str
) -> None:
    """With no configuration: its own table, missing values where its library takes them, and all bits."""
    import mlflow
    from mlflow.models import infer_signature

    case = CASES[name]
    frame = table(holed=case.missing)
    model = case.make(frame, np.nan_to_num(frame.to_numpy()).sum(axis=1))
    getattr(mlflow, case.flavour).log_model(
        model,
        name="model",
        registered_model_name=name,
        signature=infer_signature(frame),
        pip_requirements=[],
        **case.options,
    )
    made = prepared_in(tmp_path, f"models:/{name}/1", tracking)
    assert (made.engine, made.warnings) == ("compiled", [])
    assert made.schema.names == tuple(NAMES)
    assert [field.missing for field in made.schema.fields] == [case.missing] * len(NAMES)
    asked = table(40, holed=case.missing)
    engine = open_engine(made)
    found = engine.predict(matrix(made, asked.to_numpy().tolist(), engine.dtype))
    # CatBoost answers with a column where there are more than two classes.
    expected = np.asarray(mlflow.pyfunc.load_model(f"models:/{name}/1").predict(asked)).reshape(len(asked))
    assert found.labels.dtype.kind == expected.dtype.kind
    assert found.labels.tolist() == expected.tolist()
    if hasattr(model, "predict_proba"):
        assert found.probabilities is not None
        assert found.probabilities.tolist() == model.predict_proba(asked).astype(np.float64).tolist()
    else:
        assert found.probabilities is None


def logged(model: Any, name: str, **options: Any) -> str:  # noqa: ANN401
    """A model of CatBoost's, registered; returns its URI."""
    import mlflow

    mlflow.catboost.log_model(model, name="model", registered_model_name=name, pip_requirements=[], **options)
    return f"models:/{name}/1"


@pytest.mark.catboost
def test_catboosts_columns_without_names_are_taken_by_position(tracking: str, tmp_path: Path) -> None:
    """As many as it was trained on, whether a split looks at them or not."""
    values = table().to_numpy()
    model = catboost_case("CatBoostRegressor", "number", ignored_features=[3]).make(values, values.sum(axis=1))
    made = prepared_in(tmp_path, logged(model, "positions"), tracking)
    assert (made.engine, made.warnings) == ("compiled", [])
    assert made.schema.names == ("f0", "f1", "f2", "f3")
    engine = open_engine(made)
    found = engine.predict(matrix(made, values[:30].tolist(), engine.dtype))
    assert found.labels.tolist() == model.predict(values[:30]).tolist()


@pytest.mark.catboost
def test_a_model_of_catboost_that_is_not_compiled_is_served_through_pyfunc(tracking: str, tmp_path: Path) -> None:
    """With the reason: here a class that had no rows in training, whose probability depends on its place."""
    from mlflow.models import infer_signature

    frame = table()
    number = frame.to_numpy().sum(axis=1)
    options = {"loss_function": "MultiClass", "classes_count": 5}
    model = catboost_case("CatBoostClassifier", "three", **options).make(frame, number)
    made = prepared_in(tmp_path, logged(model, "absent", signature=infer_signature(frame)), tracking)
    assert made.engine == "pyfunc"
    assert any("class labels are not those of 3 classes" in each for each in made.warnings)
    found = open_engine(made).predict(matrix(made, frame.to_numpy()[:30].tolist(), np.float64))
    assert found.labels.tolist() == model.predict(frame[:30]).reshape(-1).tolist()
