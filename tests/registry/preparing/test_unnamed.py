"""Models that do not name their columns where one would look first: what they are taken to mean, by each engine."""

import importlib
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dataset import Covertype
from preprocessing import Schema, covertype
from registry import Columns, EngineChoice, ModelVersion, Preparation, Prepared, SchemaMismatch, read_stated
from registry.opening.engines import open_engine
from registry.preparing.compiling import compile_model
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.specimens import FETCHED, IN_UCI_ORDER, OWN, UCI
from tests.registry.support import way

pytestmark = [
    *MLFLOW_WARNS,
    pytest.mark.filterwarnings("ignore:X has feature names, but .* was fitted without:UserWarning"),
    # MLflow remarks that whole numbers have no way to say that one is missing.
    pytest.mark.filterwarnings("ignore:.*integer column:UserWarning"),
]

UCIS = Columns(covertype.SCHEMA, tuple(IN_UCI_ORDER), "stated")
NAMED = Columns(covertype.SCHEMA, tuple(IN_UCI_ORDER), "named")
GUESSED = Columns(covertype.SCHEMA, None, "assumed")

ENGINES = pytest.mark.parametrize(
    "engine",
    [
        pytest.param("compiled", id="compiled"),
        pytest.param("sklearn", id="sklearn"),
        pytest.param("pyfunc", id="pyfunc"),
    ],
)


@dataclass(frozen=True, slots=True)
class Bench:
    """Estimators fitted in UCI's order, which are saved as MLflow models and prepared.

    Attributes:
        table: (n, 54) rows in UCI's order.
        matrix: the same with the schema's columns.
        labels: true labels of the first 3,000.
        folder: where to work.
    """

    table: NDArray[np.float64]
    matrix: NDArray[np.float32]
    labels: NDArray[np.uint8]
    folder: Path

    def frame(self, names: Sequence[object], rows: slice = slice(0, 3000)) -> Any:  # noqa: ANN401 - pandas is untyped
        """Rows of the table with names."""
        import pandas as pd

        return pd.DataFrame(self.table[rows], columns=list(names))

    def fit(self, estimator: Any, names: Sequence[object] | None = None) -> Any:  # noqa: ANN401 - sklearn is untyped
        """Fit an estimator, perhaps on a table with names."""
        return estimator.fit(self.table[:3000] if names is None else self.frame(names), self.labels[:3000])

    def save(self, estimator: Any, **how: Any) -> None:  # noqa: ANN401
        """Save an estimator as an MLflow model."""
        import mlflow

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how a model is best logged is not what is tested
            mlflow.sklearn.save_model(
                estimator,
                str(self.folder / "saved"),
                serialization_format="cloudpickle",
                pip_requirements=["scikit-learn"],
                **how,
            )

    def prepare(self, engine: EngineChoice, stated: str = "") -> Prepared:
        """Prepare what was saved."""
        folder = self.folder / "prepared"
        folder.mkdir()
        version, config = ModelVersion("Array", "1"), way("http://tracking.invalid")
        return compile_model(version, config, Preparation(engine, stated=read_stated(stated)), folder)

    def check(self, prepared: Prepared, estimator: Any, given: Any) -> None:  # noqa: ANN401
        """Hold what is served against what an estimator says when it is given its own columns."""
        served = open_engine(prepared).predict(self.matrix[3000:])
        np.testing.assert_array_equal(served.labels, estimator.predict(given))


@pytest.fixture
def bench(matrix: NDArray[np.float32], sample: Covertype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench; what it has saved is downloaded."""
    found = Bench(matrix[:5000, IN_UCI_ORDER].astype(np.float64), matrix[:5000], sample.labels[:3000], tmp_path)
    saved = tmp_path / "saved"
    monkeypatch.setattr(
        "registry.preparing.compiling.download", lambda _uri, _config, folder: shutil.copytree(saved, folder)
    )
    # What the comparison with scikit-learn finds is not tested here.
    monkeypatch.setattr(importlib.import_module("forest.checks.build"), "_DRAWN_ROWS", 30)
    return found


def forest() -> Any:  # noqa: ANN401
    """So many trees, grown to the end, that swapping two wilderness areas shows."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(8, random_state=2)


def linear() -> Any:  # noqa: ANN401
    """An estimator that only pyfunc serves."""
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB()


@ENGINES
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(None, id="array"),
        pytest.param(list(range(54)), id="table-without-header"),
    ],
)
def test_a_forest_fitted_in_ucis_order_is_served_right_if_that_is_stated(
    bench: Bench, engine: EngineChoice, names: list[int] | None
) -> None:
    """By every engine; with nothing stated the same forest answers otherwise, and a warning says what to do."""
    from mlflow.models import infer_signature

    mine = bench.fit(forest(), names)
    rest = bench.table[3000:] if names is None else bench.frame(names, slice(3000, None))
    bench.save(mine, signature=infer_signature(rest))
    right = bench.prepare(engine, "covertype-uci")
    assert (right.engine, right.columns, right.warnings) == (engine, UCIS, [])
    bench.check(right, mine, rest)
    shutil.rmtree(right.folder)
    guessed = bench.prepare(engine)
    assert guessed.columns == GUESSED
    (warning,) = guessed.warnings
    assert warning.startswith("Array/1 does not name its columns")
    assert "--schema covertype-uci" in warning
    assert (open_engine(guessed).predict(bench.matrix[3000:]).labels != mine.predict(rest)).sum() > 50


def test_what_is_no_forest_is_served_right_too(bench: Bench) -> None:
    """By pyfunc, with and without a signature that tells nothing but a number; both warnings are told."""
    from mlflow.models import infer_signature

    mine = bench.fit(linear())
    for signature in (False, infer_signature(bench.table[:5])):
        bench.save(mine, signature=signature)
        right = bench.prepare("auto", "covertype-uci")
        assert (right.engine, right.columns, len(right.warnings)) == ("pyfunc", UCIS, 1)
        bench.check(right, mine, bench.table[3000:])
        shutil.rmtree(right.folder)
        guessed = bench.prepare("auto")
        assert (guessed.columns, len(guessed.warnings)) == (GUESSED, 2)
        shutil.rmtree(guessed.folder)
        shutil.rmtree(bench.folder / "saved")


def by_signature(bench: Bench) -> dict[str, Any]:
    """A signature names them, as whoever fits on ``table.values`` has it."""
    from mlflow.models import infer_signature

    return {"signature": infer_signature(bench.frame(UCI))}


def by_example(bench: Bench) -> dict[str, Any]:
    """Only an input example does."""
    return {"signature": False, "input_example": bench.frame(FETCHED, slice(0, 5))}


def turned(bench: Bench) -> str:
    """A file that states the columns in an order of its own."""
    file = bench.folder / "schema.json"
    file.write_bytes(Schema(covertype.SCHEMA.fields, tuple(OWN[::-1])).encode())
    return str(file)


@ENGINES
@pytest.mark.parametrize("name", [by_signature, by_example])
def test_names_in_signature_or_example_make_an_assumption_needless(
    bench: Bench, engine: EngineChoice, name: Callable[[Bench], dict[str, Any]]
) -> None:
    """A forest that has none of its own is served by them, and a statement of another order is refused."""
    mine = bench.fit(forest())
    bench.save(mine, **name(bench))
    made = bench.prepare(engine)
    assert (made.columns, made.warnings) == (NAMED, [])
    bench.check(made, mine, bench.table[3000:])
    shutil.rmtree(made.folder)
    with pytest.raises(SchemaMismatch, match="contradict `columns` of --schema"):
        bench.prepare(engine, turned(bench))


@pytest.mark.parametrize("names", [UCI, FETCHED])
def test_an_estimators_own_names_are_enough(bench: Bench, names: list[str]) -> None:
    """What is no forest, and has no signature, is given its columns by the names that it was fitted on."""
    mine = bench.fit(linear(), names)
    bench.save(mine, signature=False)
    made = bench.prepare("pyfunc")
    assert (made.columns, made.warnings) == (NAMED, [])
    bench.check(made, mine, bench.frame(names, slice(3000, None)))


@ENGINES
def test_a_forest_whose_signature_contradicts_its_names_is_refused(bench: Bench, engine: EngineChoice) -> None:
    """MLflow could not ask it either: SchemaMismatch says which column is which to whom."""
    from mlflow.models import infer_signature

    bench.save(bench.fit(forest(), FETCHED), signature=infer_signature(bench.frame(OWN)))
    with pytest.raises(
        SchemaMismatch, match=r"column 11 is Wilderness_Area_\w+ to its \w+, Wilderness_Area_\w+ to its"
    ):
        bench.prepare(engine)


def test_a_pipeline_that_looks_its_columns_up_takes_its_signatures_order(bench: Bench) -> None:
    """Its signature may have another order than the table that it was fitted on, for MLflow gives it names."""
    from mlflow.models import infer_signature
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline

    chosen = ColumnTransformer([("numbers", "passthrough", FETCHED[:14])])
    mine = bench.fit(make_pipeline(chosen, linear()), FETCHED)
    turned = bench.frame(FETCHED)[FETCHED[::-1]]
    bench.save(mine, signature=infer_signature(turned))
    made = bench.prepare("auto")
    assert made.columns == Columns(covertype.SCHEMA, tuple(IN_UCI_ORDER[::-1]), "named")
    bench.check(made, mine, bench.frame(FETCHED, slice(3000, None)))


def test_a_model_of_other_rows_has_a_table_of_its_own(bench: Bench) -> None:
    """As many numbers as it takes, which its signature tells, or only its estimator does."""
    narrow = linear().fit(bench.table[:3000, :12], bench.labels)
    bench.save(narrow, signature=False)
    made = bench.prepare("auto")
    assert (made.columns.known, made.schema) == ("unnamed", Schema.unnamed(12))
    shutil.rmtree(made.folder)
    with pytest.raises(SchemaMismatch, match=r"takes 12 unnamed columns, as its estimator has it; .* has 54"):
        bench.prepare("auto", "covertype")
