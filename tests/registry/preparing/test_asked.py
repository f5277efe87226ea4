"""Models whose signature, class or steps say how MLflow asks them: compiled so, or left to a slower engine in words."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forest import Prediction, SklearnEngine
from forest.checks import answers as logged_answers
from registry import EngineChoice, Preparation, Prepared, UnusableModel
from registry.opening.engines import open_engine
from registry.preparing.downloaded import Download
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.support import matrix, prepared_in

pytestmark = MLFLOW_WARNS


def frame(rows: int = 300) -> Any:  # noqa: ANN401 - pandas is untyped
    """Some rows of tenths: those that are between two of them differ as float32."""
    import pandas as pd

    draw = np.random.default_rng(0)
    return pd.DataFrame(np.round(draw.normal(size=(rows, 2)), 1), columns=["a", "b"])


def target(table: Any) -> NDArray[np.float64]:  # noqa: ANN401
    """What is learned."""
    found: NDArray[np.float64] = np.nan_to_num(table["a"].to_numpy(dtype=float)) * 2 + table["b"].to_numpy(dtype=float)
    return found


def logged(model: Any, signature_of: Any, flavour: str = "sklearn", **options: Any) -> str:  # noqa: ANN401
    """Log a model, and return its URI."""
    import mlflow
    from mlflow.models import ModelSignature, infer_signature

    if flavour == "sklearn":
        options |= {"serialization_format": "cloudpickle"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Hint: Inferred schema contains integer")
        signature = signature_of if isinstance(signature_of, ModelSignature) else infer_signature(signature_of)
    info = getattr(mlflow, flavour).log_model(
        model,
        name="model",
        registered_model_name="Model",
        signature=signature,
        pip_requirements=[],
        **options,
    )
    return f"models:/Model/{info.registered_model_version}"


def answers(made: Prepared, rows: Any) -> list[Any]:  # noqa: ANN401
    """What an engine says of a client's rows."""
    engine = open_engine(made)
    found: list[Any] = engine.predict(matrix(made, np.asarray(rows).tolist(), engine.dtype)).labels.tolist()
    return found


def histogram(table: Any) -> Any:  # noqa: ANN401
    """A model of float64, fitted."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=1).fit(table, target(table))


def scaled(table: Any) -> Any:  # noqa: ANN401
    """A forest behind a step that computes, fitted."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RandomForestRegressor(8, random_state=0)).fit(table, target(table))


MIXED = {"a": np.float32, "b": np.float64}


@pytest.mark.parametrize(
    ("make", "types", "engine", "warning"),
    [
        pytest.param(histogram, np.float32, "compiled", "", id="float32"),
        pytest.param(histogram, MIXED, "pyfunc", "some are of float32, others are not", id="one-of-float32"),
        pytest.param(scaled, np.float64, "compiled", "", id="steps-of-float64"),
        pytest.param(scaled, np.float32, "pyfunc", "in which the pipeline's steps compute", id="steps-of-float32"),
    ],
)
def test_values_are_rounded_to_the_types_of_a_signature(
    tracking: str,
    tmp_path: Path,
    make: Any,  # noqa: ANN401
    types: Any,  # noqa: ANN401
    engine: str,
    warning: str,
) -> None:
    """As MLflow hands them to the model: 0.05 is not the float32 next to it. Else pyfunc answers, and it is said."""
    import mlflow

    table = frame().astype(types)
    uri = logged(make(table), table)
    made = prepared_in(tmp_path, uri, tracking)
    assert made.engine == engine
    assert [warning in each for each in made.warnings] == [True] * bool(warning)
    asked = frame(2000) + 0.05
    expected = mlflow.pyfunc.load_model(uri).predict(asked.astype(types))
    assert answers(made, asked) == expected.tolist()


def coloured() -> Any:  # noqa: ANN401
    """Rows with a column of names."""
    table = frame()
    table.insert(0, "colour", np.array(["red", "green", "blue"], dtype=object)[np.arange(len(table)) % 3])
    return table


def encoded(table: Any) -> Any:  # noqa: ANN401
    """A forest behind an encoder, fitted."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["colour"]), remainder="passthrough")
    return make_pipeline(encoder, RandomForestClassifier(8, random_state=0)).fit(table, table["colour"] + "!")


@pytest.mark.parametrize("engine", ["compiled", "sklearn", "pyfunc"])
def test_every_engine_knows_the_categories_that_a_model_names(
    tracking: str, tmp_path: Path, engine: EngineChoice
) -> None:
    """A client sends a name, the table has its code, and the model is given the name again."""
    table = coloured()
    made = prepared_in(tmp_path, logged(encoded(table), table), tracking, engine)
    assert made.engine == engine
    assert made.schema.fields[0].categories == ("blue", "green", "red")
    assert answers(made, [[0, 0.1, 0.1], [1, 0.1, 0.1], [2, 0.1, 0.1]]) == ["blue!", "green!", "red!"]


def test_a_column_of_names_leaves_the_others_their_types(tracking: str, tmp_path: Path) -> None:
    """A whole number stays one, for MLflow refuses any other."""
    table = coloured()
    table["b"] = (table["b"] * 10).round().astype(int)
    table["c"] = table["a"] > 0
    made = prepared_in(tmp_path, logged(encoded(table), table), tracking)
    assert [field.type for field in made.schema.fields] == ["category", "number", "integer", "boolean"]


@pytest.mark.parametrize("columns", [pytest.param(["b", "a", "c"], id="order"), pytest.param(["a", "b"], id="fewer")])
def test_a_pipeline_that_finds_its_columns_by_name_is_left_to_pyfunc_if_the_signature_has_others(
    tracking: str, tmp_path: Path, columns: list[str]
) -> None:
    """It answers as MLflow does, with the remedy in words."""
    import mlflow
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table = frame()
    table["c"] = table["a"] - table["b"]
    steps = make_column_transformer((StandardScaler(), ["a", "b"]))
    model = make_pipeline(steps, RandomForestRegressor(8, random_state=0)).fit(table, target(table))
    uri = logged(model, table[columns])
    made = prepared_in(tmp_path, uri, tracking)
    assert made.schema.names == tuple(columns)
    (warning,) = made.warnings
    assert "its signature has other columns than its pipeline was fitted on, or in another order: log it" in warning
    assert answers(made, table[columns]) == mlflow.pyfunc.load_model(uri).predict(table[columns]).tolist()


@pytest.mark.parametrize("given", ["logged", "others"])
def test_answers_of_a_model_of_float64_are_held_against_it(tmp_path: Path, given: str) -> None:
    """Those that were logged for its input example, with every digit of that and with its missing values."""
    import mlflow
    from mlflow.models import infer_signature

    table = frame()
    table.iloc[0, 0] = np.nan
    model = histogram(table)
    example = table.iloc[:3] + 0.05
    folder = tmp_path / "model"
    mlflow.sklearn.save_model(
        model, folder, signature=infer_signature(table), input_example=example, serialization_format="cloudpickle"
    )
    labels = model.predict(example) + (given == "others")
    (folder / logged_answers.FOLDER).mkdir()
    logged_answers.write(folder / logged_answers.FOLDER, Prediction(labels, None))
    download = Download(folder, Preparation())
    engine = SklearnEngine(download.estimator)
    if given == "logged":
        download.check_answers(engine, download.example(engine.dtype))
    else:
        with pytest.raises(UnusableModel, match="it answers its input example with"):
            download.check_answers(engine, download.example(engine.dtype))
    assert len(download.example(engine.dtype)) == len(example)


def test_a_signature_of_any_type_says_nothing_of_its_columns(tracking: str, tmp_path: Path) -> None:
    """MLflow writes one where it cannot tell a column's type."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    table = frame()
    signature = ModelSignature(Schema([ColSpec(AnyType(), "a"), ColSpec(AnyType(), "b")]))
    made = prepared_in(tmp_path, logged(histogram(table), signature), tracking)
    assert (made.engine, [field.type for field in made.schema.fields]) == ("compiled", ["number", "number"])
    assert answers(made, table) == histogram(table).predict(table).tolist()
