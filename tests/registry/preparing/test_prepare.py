import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocessing import covertype
from registry import (
    EngineChoice,
    ModelNotFound,
    ModelURI,
    Preparation,
    SchemaMismatch,
    StoreUnavailable,
    UnusableModel,
)
from registry.caching.cache import Cache
from registry.opening.engines import open_engine
from registry.preparing.prepare import prepare
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.conftest import NAME
from tests.registry.specimens import Specimen
from tests.registry.support import FORESTS, Place, load, loaded, prepared_in, spoil, way

pytestmark = [
    *MLFLOW_WARNS,
    # A model's files are removed with the last object that needs them, which Python remarks upon.
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up <TemporaryDirectory:ResourceWarning"),
    # scikit-learn remarks that a model fitted on an array is given a frame, which is how pyfunc models are called.
    pytest.mark.filterwarnings("ignore:X has feature names, but LogisticRegression was fitted without:UserWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _files_removed_here() -> Iterator[None]:
    """See to it that the files of models in reference cycles are removed before this module's end."""
    yield
    gc.collect()


# Where the files come from does not change how they are read.
@pytest.mark.parametrize("place", ["sqlite_place", pytest.param("server_place", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("name", FORESTS)
def test_a_forest_predicts_as_scikit_learn_does(
    place: Place, zoo: dict[str, Specimen], rows: NDArray[np.float32], name: str
) -> None:
    """Whatever a forest's column names, their order and its format, its engine predicts what scikit-learn does."""
    engine = loaded(place, name)
    assert engine.name == "compiled"
    prediction = engine.predict(rows)
    np.testing.assert_array_equal(prediction.labels, zoo[name].labels(rows))
    assert prediction.probabilities is not None
    assert engine.classes is not None
    np.testing.assert_array_equal(engine.classes[prediction.probabilities.argmax(axis=1)], prediction.labels)


@pytest.mark.parametrize("name", [pytest.param("Permuted", id="permuted"), pytest.param("UCI", id="reversed-areas")])
def test_the_specimens_tell_one_order_of_columns_from_another(
    zoo: dict[str, Specimen], rows: NDArray[np.float32], name: str
) -> None:
    """Two wilderness areas swapped would change some labels, so the comparisons above see a wrong order."""
    swapped = rows.copy()
    swapped[:, [10, 11, 12, 13]] = rows[:, [13, 12, 11, 10]]
    assert (zoo[name].labels(swapped) != zoo[name].labels(rows)).any()


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        pytest.param("models:/BestModelRF/Production", "1", id="stage"),
        pytest.param("models:/BestModelRF@candidate", "9", id="alias"),
        pytest.param("models:/BestModelRF/latest", "10", id="latest"),
    ],
)
def test_the_trained_forest_loads_by_every_form(
    place: Place, matrix: NDArray[np.float32], uri: str, number: str
) -> None:
    """What ``python -m training`` registered loads by stage, alias and latest, and serves all seven classes."""
    version, engine = load(uri, place.tracking_uri)
    assert str(version) == f"{NAME}/{number}"
    assert engine.name == "compiled"
    assert engine.classes is not None
    assert engine.classes.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert engine.predict(matrix[:100]).labels.shape == (100,)


def test_pyfunc_serves_a_forest_alike(sqlite_place: Place, rows: NDArray[np.float32]) -> None:
    """Asked for, pyfunc serves a forest too, with the labels that scikit-learn's engine gives."""
    engine = loaded(sqlite_place, NAME, "pyfunc")
    assert engine.name == "pyfunc"
    expected = loaded(sqlite_place, NAME, "sklearn").predict(rows).labels
    np.testing.assert_array_equal(engine.predict(rows).labels, expected)


@pytest.mark.parametrize("choice", [pytest.param("auto", id="auto"), pytest.param("pyfunc", id="pyfunc")])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("Plain", id="python"),
        pytest.param("Longs", id="python-of-64-bit-integers"),
        pytest.param("Integers", id="python-of-32-bit-integers"),
        pytest.param("Logistic", id="linear-of-permuted-columns"),
        pytest.param("Array", id="linear-of-unnamed-columns"),
    ],
)
def test_what_is_no_forest_is_served_through_pyfunc(
    place: Place, zoo: dict[str, Specimen], rows: NDArray[np.float32], name: str, choice: EngineChoice
) -> None:
    """A model that is no forest is served by pyfunc, asked for or not, with the labels that the model itself gives."""
    engine = loaded(place, name, choice)
    assert engine.name == "pyfunc"
    assert engine.classes is None
    expected = zoo[name].labels(rows)
    assert len(np.unique(expected)) > 1
    prediction = engine.predict(rows)
    np.testing.assert_array_equal(prediction.labels, expected)
    assert prediction.probabilities is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("Longs", 2900.5, id="fraction"),
        pytest.param("Integers", 3e9, id="too-large-for-32-bits"),
        pytest.param("Integers", -3e9, id="too-small-for-32-bits"),
        pytest.param("Longs", 1e19, id="too-large-for-64-bits"),
    ],
)
def test_a_number_that_an_integer_column_cannot_hold_is_refused(
    sqlite_place: Place, rows: NDArray[np.float32], name: str, value: float
) -> None:
    """A number that would be another one in the model's integer column is refused, never changed in silence."""
    engine = loaded(sqlite_place, name)
    odd = rows[:3].copy()
    odd[1, 0] = value
    with pytest.raises(Exception, match="Elevation"):
        engine.predict(odd)


def test_an_answer_of_the_wrong_shape_is_refused(sqlite_place: Place, rows: NDArray[np.float32]) -> None:
    """A model that gives two values a row loads, but its prediction raises ValueError with the shape."""
    engine = loaded(sqlite_place, "Pairs")
    with pytest.raises(ValueError, match=r"\(5, 2\) for 5 rows"):
        engine.predict(rows[:5])


@pytest.mark.parametrize(
    ("name", "first", "width"),
    [
        pytest.param("Foreign", "Altitude", 54, id="names"),
        pytest.param("Narrow", "f0", 12, id="forest"),
        pytest.param("NarrowArray", "f0", 12, id="no-forest"),
    ],
)
def test_other_columns_are_a_table_of_their_own(
    sqlite_place: Place, tmp_path: Path, name: str, first: str, width: int
) -> None:
    """Whatever a model takes, it is served by its own names, or as so many numbers without one."""
    prepared = prepared_in(tmp_path, f"models:/{name}/1", sqlite_place.tracking_uri)
    assert prepared.schema.names[0] == first
    assert len(prepared.schema.names) == len(prepared.schema.expanded) == width
    with pytest.raises(SchemaMismatch):
        prepare(
            ModelURI.parse(f"models:/{name}/1"),
            way(sqlite_place.tracking_uri),
            Preparation(stated=covertype.SCHEMA),
            Cache(tmp_path),
        )


def test_a_version_without_files_is_unusable(place: Place) -> None:
    """A version whose files were deleted raises UnusableModel, in one line that names the version."""
    with pytest.raises(UnusableModel) as raised:
        loaded(place, "Gone")
    message = str(raised.value)
    assert message.startswith("Gone/1 cannot be loaded: ")
    assert "`make train`" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("Logistic", "LogisticRegression is no model that is compiled", id="linear"),
        pytest.param("Plain", "no flavour of sklearn, xgboost, lightgbm, catboost, only python_function", id="python"),
    ],
)
def test_the_forest_engine_refuses_what_is_no_forest(sqlite_place: Place, name: str, reason: str) -> None:
    """scikit-learn's engine, asked for by name, refuses a model that is no forest and says why."""
    with pytest.raises(UnusableModel, match=rf"^{name}/1 cannot be loaded: .*{reason}"):
        loaded(sqlite_place, name, "sklearn")


def test_serving_through_pyfunc_unasked_is_told(sqlite_place: Place, tmp_path: Path) -> None:
    """When auto falls back to pyfunc, a warning says that it does and why."""
    (warning,) = prepared_in(tmp_path, "models:/Logistic/1", sqlite_place.tracking_uri).warnings
    assert "pyfunc" in warning
    assert "LogisticRegression is no model that is compiled" in warning


def test_errors_of_the_registry_pass_unchanged(sqlite_place: Place, tmp_path: Path) -> None:
    """What resolving raises, loading raises too."""
    with pytest.raises(ModelNotFound, match="version 99"):
        load(f"models:/{NAME}/99", sqlite_place.tracking_uri)
    with pytest.raises(ModelNotFound, match="make train"):
        load(f"models:/{NAME}/1", f"sqlite:///{tmp_path / 'absent.db'}")
    with pytest.raises(StoreUnavailable):
        load(f"models:/{NAME}/1", "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        pytest.param("Permuted", "compiled", id="compiled"),
        pytest.param("Permuted", "sklearn", id="sklearn"),
        pytest.param("Plain", "pyfunc", id="pyfunc"),
    ],
)
def test_what_is_prepared_once_can_be_opened_many_times(
    sqlite_place: Place, rows: NDArray[np.float32], tmp_path: Path, name: str, choice: EngineChoice
) -> None:
    """Opening leaves the files as they are, for the other processes that serve the model."""
    made = prepared_in(tmp_path, f"models:/{name}/1", sqlite_place.tracking_uri, choice)
    before = sorted(tmp_path.rglob("*"))
    first, second = open_engine(made), open_engine(made)
    assert sorted(tmp_path.rglob("*")) == before
    assert first.name == second.name == choice
    assert first.predict(rows).labels.tolist() == second.predict(rows).labels.tolist()


@pytest.mark.parametrize(
    "choice",
    [
        pytest.param("compiled", id="compiled"),
        pytest.param("sklearn", id="sklearn"),
        pytest.param("pyfunc", id="pyfunc"),
    ],
)
def test_what_is_spoilt_is_replaced_if_that_is_asked_for(
    sqlite_place: Place, tmp_path: Path, choice: EngineChoice
) -> None:
    """Whatever the engine: the files' sizes do not tell, so what is there would be taken otherwise."""
    where = (tmp_path, "models:/Permuted/1", sqlite_place.tracking_uri, choice)
    made = prepared_in(*where)
    spoil(made.folder)
    assert prepared_in(*where) == made
    with pytest.raises(UnusableModel):
        open_engine(made)
    assert prepared_in(*where, anew=True) == made
    assert open_engine(made).name == choice
