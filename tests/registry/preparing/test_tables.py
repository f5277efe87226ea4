"""Any forest of a registry brings its table: rows as its users write them, and answers as it gives them itself."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preprocessing import RowDecoder, Schema
from preprocessing.matrix import MatrixBuilder
from registry import Columns, ModelVersion, Preparation, Prepared, SchemaMismatch, UnusableModel
from registry.opening.engines import open_engine
from registry.preparing.compiling import compile_model
from registry.version import SCHEMA_FILE
from serving import warm_up
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.support import way

pytestmark = [*MLFLOW_WARNS, pytest.mark.filterwarnings("ignore:.*integer column:UserWarning")]

Prepare = Callable[..., Prepared]

AS_EVER = Preparation()


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Save an estimator as an MLflow model, and prepare it: ``prepare(estimator, schema=..., how=..., **saving)``."""
    monkeypatch.setattr(
        "registry.preparing.compiling.download",
        lambda _uri, _config, folder: shutil.copytree(tmp_path / "saved", folder),
    )

    def run(
        estimator: Any,  # noqa: ANN401 - sklearn is untyped
        *,
        schema: bytes | None = None,
        how: Preparation = AS_EVER,
        **saving: Any,  # noqa: ANN401
    ) -> Prepared:
        import mlflow

        for folder in ("saved", "prepared"):
            shutil.rmtree(tmp_path / folder, ignore_errors=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how a model is best logged is not what is tested
            mlflow.sklearn.save_model(
                estimator,
                str(tmp_path / "saved"),
                serialization_format="cloudpickle",
                pip_requirements=["scikit-learn"],
                **saving,
            )
        if schema is not None:
            file = tmp_path / "saved" / SCHEMA_FILE
            file.parent.mkdir()
            file.write_bytes(schema)
        (tmp_path / "prepared").mkdir()
        return compile_model(ModelVersion("Any", "1"), way("http://tracking.invalid"), how, tmp_path / "prepared")

    return run


def forest() -> Any:  # noqa: ANN401 - sklearn is untyped
    """A small one."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(12, random_state=0)


def assert_served(prepared: Prepared, estimator: Any, table: Any, rows: list[list[Any]]) -> None:  # noqa: ANN401
    """Rows as a client sends them, by position and by name, get the labels that the estimator gives the table."""
    decoder, matrix = RowDecoder(prepared.schema, len(rows)), MatrixBuilder(prepared.schema, len(rows))
    engine = open_engine(prepared)
    records = [dict(zip(prepared.schema.names, row, strict=True)) for row in rows]
    for body in ({"features": rows}, {"instances": records}):
        found = engine.predict(matrix.build([decoder.decode(json.dumps(body).encode())]))
        np.testing.assert_array_equal(found.labels, estimator.predict(table))
        assert found.probabilities is not None
        np.testing.assert_array_equal(found.probabilities, estimator.predict_proba(table))


@pytest.mark.parametrize("name", ["load_wine", "load_breast_cancer"])
@pytest.mark.parametrize("signed", [True, False])
def test_named_numbers(prepare: Prepare, name: str, signed: bool) -> None:
    """scikit-learn's own tables: wine has 13 numbers, breast cancer 30, whose names have blanks in them."""
    import sklearn.datasets
    from mlflow.models import infer_signature

    data = getattr(sklearn.datasets, name)(as_frame=True)
    mine = forest().fit(data.data, data.target)
    saving = {"signature": infer_signature(data.data), "input_example": data.data.head()} if signed else {}
    made = prepare(mine, **saving)
    assert (made.engine, made.columns.known, made.schema.names) == ("compiled", "named", tuple(data.data.columns))
    # A row of somebody's is tried, and told to nobody.
    assert (made.schema.example, made.columns.example) == ((), tuple(data.data.iloc[0]) if signed else ())
    assert made.row == (made.columns.example or (0.0,) * len(data.data.columns))
    assert_served(made, mine, data.data, data.data.to_numpy().tolist())


def test_numbers_without_names(prepare: Prepare) -> None:
    """Digits: 64 of them, and nothing to warn of."""
    from sklearn.datasets import load_digits

    rows, labels = load_digits(return_X_y=True)
    mine = forest().fit(rows, labels)
    made = prepare(mine)
    assert (made.columns, made.warnings) == (Columns(Schema.unnamed(64), None, "unnamed"), [])
    assert_served(made, mine, rows, rows.tolist())


def test_integers_booleans_and_labels_of_words(prepare: Prepare) -> None:
    """The signature tells the types, so that clients write true for what is true."""
    import pandas as pd
    from mlflow.models import infer_signature

    draw = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "rooms": draw.integers(1, 9, size=300),
            "sea view": draw.random(300) < 0.3,
            "price": draw.normal(size=300).astype(np.float32).astype(np.float64),
        }
    )
    labels = np.where(table["sea view"] & (table["rooms"] > 3), "dear", "cheap")
    mine = forest().fit(table, labels)
    made = prepare(mine, signature=infer_signature(table, labels))
    assert [field.type for field in made.schema.fields] == ["integer", "boolean", "number"]
    assert_served(made, mine, table, [[int(a), bool(b), float(c)] for a, b, c in table.itertuples(index=False)])


CITIES = b"""{"fields": [
    {"name": "city", "type": "category", "categories": ["Oslo", "Rome", "Lima"], "columns": ["oslo", "rome", "lima"]},
    {"name": "heat"}
]}"""


def test_a_table_that_is_logged_beside_the_model_is_that(prepare: Prepare) -> None:
    """Categories become the columns that the model names, in whatever order; a statement comes before it."""
    import pandas as pd

    draw = np.random.default_rng(0)
    codes, heat = draw.integers(3, size=200), draw.normal(size=200).astype(np.float32).astype(np.float64)
    table = pd.DataFrame({"heat": heat, **{city: codes == code for code, city in enumerate(("oslo", "rome", "lima"))}})
    mine = forest().fit(table.astype(np.float64), codes * 10)
    made = prepare(mine, schema=CITIES)
    assert (made.columns.known, made.columns.order) == ("named", (3, 0, 1, 2))
    assert_served(made, mine, table.astype(np.float64), [[int(code), float(warm)] for code, warm in zip(codes, heat)])  # noqa: B905
    stated = Preparation(stated=Schema.of_columns(["oslo", "rome", "lima", "heat"]))
    assert prepare(mine, schema=CITIES, how=stated).schema.names == ("oslo", "rome", "lima", "heat")
    with pytest.raises(SchemaMismatch, match=r"canopy/schema.json beside the model describes no table: \$: "):
        prepare(mine, schema=b"[]")
    with pytest.raises(SchemaMismatch, match="unknown"):
        prepare(mine, schema=Schema.of_columns(["a", "b", "c", "d"]).encode())


def test_names_that_json_would_escape_are_served(prepare: Prepare) -> None:
    """Under names that a client can write."""
    import pandas as pd

    draw = np.random.default_rng(0)
    table = pd.DataFrame(draw.normal(size=(100, 2)).astype(np.float32), columns=['size "x"', "a\\b"]).astype(np.float64)
    mine = forest().fit(table, table.iloc[:, 0] > 0)
    made = prepare(mine)
    assert made.schema.names == ("size _x_", "a_b")
    assert_served(made, mine, table, table.to_numpy().tolist())


def test_missing_values_are_served_by_what_takes_them(prepare: Prepare) -> None:
    """A compiled forest does not, so scikit-learn's own code answers, with the warning; clients send null."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(200, 2)).astype(np.float32).astype(np.float64)
    mine = forest().fit(rows, rows[:, 0] > 0)
    stated = Schema.read(b'{"fields": [{"name": "a", "missing": true}, {"name": "b"}]}')
    made = prepare(mine, how=Preparation(stated=stated))
    assert made.engine == "sklearn"
    assert "allows missing values" in made.warning
    rows[::2, 0] = np.nan
    assert_served(made, mine, rows, [[None if np.isnan(value) else value for value in row] for row in rows.tolist()])
    assert len(warm_up(open_engine(made), made.schema, made.row, 10).calls) == 2
    with pytest.raises(UnusableModel, match="allows missing values"):
        prepare(mine, how=Preparation("compiled", stated=stated))


def test_what_is_stated_comes_before_what_is_logged_and_the_log_says_so(
    prepare: Prepare, caplog: pytest.LogCaptureFixture
) -> None:
    """Also of columns without names, whose labels it decides; whoever is wrong is named."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(100, 2)).astype(np.float32).astype(np.float64)
    mine = forest().fit(rows, rows[:, 0] > 0)
    logged, stated = (Schema(Schema.of_columns(["a", "b"]).fields, columns) for columns in ((), ("b", "a")))
    assert prepare(mine, schema=logged.encode(), how=Preparation(stated=logged)).columns.order is None
    assert "passed over" not in caplog.text
    made = prepare(mine, schema=logged.encode(), how=Preparation(stated=stated))
    assert (made.columns.known, made.columns.order) == ("stated", (1, 0))
    assert "the table of --schema (CANOPY_SCHEMA) is not that of canopy/schema.json beside the model" in caplog.text
    with pytest.raises(SchemaMismatch, match=r"stated by canopy/schema\.json beside the model has 3"):
        prepare(mine, schema=Schema.unnamed(3).encode())
