from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from registry.columns import Told
from registry.opening.pyfunc import PyfuncEngine, told
from tests.registry.specimens import OWN


class Recorder:
    """What PyfuncEngine needs of a loaded model: it remembers the frame that it is given and returns what it is told.

    Args:
        answer: what to return for a frame.
        columns: MLflow's types of the columns by name; None makes it a model without a signature.
    """

    def __init__(self, answer: Callable[[Any], Any], columns: dict[str, str] | None = None) -> None:
        from mlflow.types import ColSpec, Schema

        made = None if columns is None else Schema([ColSpec(type_, name) for name, type_ in columns.items()])
        self.metadata = SimpleNamespace(get_input_schema=lambda: made)
        self.given: Any = None
        self._answer = answer

    def get_raw_model(self) -> None:
        """As MLflow does for models that are nothing else."""
        raise NotImplementedError

    def predict(self, frame: Any) -> Any:  # noqa: ANN401 - pandas is untyped
        """Remember the frame and answer."""
        self.given = frame
        return self._answer(frame)


def first_column(frame: Any) -> Any:  # noqa: ANN401 - pandas is untyped
    """A model's answer: the values of its first column."""
    return frame.iloc[:, 0].to_numpy()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda frame: frame["Elevation"].to_numpy(), id="array"),
        pytest.param(lambda frame: frame[["Elevation"]].to_numpy(), id="array-of-one-column"),
        pytest.param(lambda frame: frame["Elevation"], id="series"),
        pytest.param(lambda frame: frame[["Elevation"]], id="frame"),
        pytest.param(lambda frame: frame["Elevation"].tolist(), id="list"),
    ],
)
def test_one_label_a_row_is_taken_in_any_wrapping(rows: NDArray[np.float64], answer: Callable[[Any], Any]) -> None:
    """A model may return its labels as an array, a series, a frame of one column or a list."""
    prediction = PyfuncEngine(Recorder(answer), OWN).predict(rows[:7])
    assert prediction.labels.shape == (7,)
    np.testing.assert_array_equal(prediction.labels, rows[:7, 0])
    assert prediction.probabilities is None


def test_labels_may_be_words(rows: NDArray[np.float64]) -> None:
    """Labels are passed on as the model gives them, words included."""
    prediction = PyfuncEngine(Recorder(lambda frame: ["fir"] * len(frame)), OWN).predict(rows[:3])
    assert prediction.labels.tolist() == ["fir", "fir", "fir"]


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((), id="scalar"),
        pytest.param((3,), id="a-row-too-few"),
        pytest.param((5,), id="a-row-too-many"),
        pytest.param((4, 2), id="two-columns"),
        pytest.param((1, 4), id="lying"),
        pytest.param((4, 1, 1), id="three-dimensions"),
        pytest.param((0,), id="nothing"),
    ],
)
def test_anything_but_one_label_a_row_is_refused(rows: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    """An answer that is not one label a row raises ValueError with its shape and the number of rows."""
    engine = PyfuncEngine(Recorder(lambda _frame: np.ones(shape)), OWN)
    with pytest.raises(ValueError, match="for 4 rows") as raised:
        engine.predict(rows[:4])
    assert f"shape {shape}" in str(raised.value)


def test_a_model_without_signature_is_given_the_schemas_columns(rows: NDArray[np.float64]) -> None:
    """A model that does not say what it takes is given a frame with the schema's columns in the schema's order."""
    model = Recorder(first_column)
    PyfuncEngine(model, OWN).predict(rows[:4])
    assert list(model.given.columns) == OWN
    np.testing.assert_array_equal(model.given.to_numpy(), rows[:4])


def test_a_signature_decides_the_frames_columns(rows: NDArray[np.float64]) -> None:
    """A model with a signature is given its own names, each column with the values of the order that is asked for."""
    names = OWN[::-1]
    names[names.index("Wilderness_Area_Rawah")] = "Wilderness_Area1"
    model = Recorder(first_column, dict.fromkeys(names, "double"))
    PyfuncEngine(model, OWN, np.arange(54)[::-1]).predict(rows[:4])
    assert list(model.given.columns) == names
    np.testing.assert_array_equal(model.given.to_numpy(), rows[:4, ::-1])


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        pytest.param("long", 2596.0, np.int64, id="whole-number-for-long"),
        pytest.param("integer", 2596.0, np.int32, id="whole-number-for-integer"),
        pytest.param("long", 2596.5, np.float64, id="fraction-for-long"),
        pytest.param("long", 1_700_000_001.0, np.int64, id="more-than-a-float32-holds"),
        pytest.param("double", 0.1, np.float64, id="no-float32-for-double"),
        pytest.param("double", 2596.0, np.float64, id="whole-number-for-double"),
        pytest.param("float", 2596.5, np.float32, id="fraction-for-float"),
    ],
)
def test_columns_get_the_signatures_types_where_nothing_is_lost(
    rows: NDArray[np.float64], type_: str, value: float, expected: type[np.generic]
) -> None:
    """Each column is cast to its type in the signature, but numbers with a fraction are left for MLflow to refuse."""
    model = Recorder(first_column, {name: type_ if name == "Elevation" else "double" for name in OWN})
    odd = rows[:4].astype(np.float64)
    odd[2, 0] = value
    PyfuncEngine(model, OWN).predict(odd)
    assert model.given["Elevation"].dtype == expected
    assert model.given["Elevation"].iloc[2] == value
    assert model.given["Slope"].dtype == np.float64


@pytest.mark.parametrize("value", [pytest.param(3e9, id="too-large"), pytest.param(-3e9, id="too-small")])
def test_a_number_out_of_an_integers_range_is_left_as_it_is(rows: NDArray[np.float64], value: float) -> None:
    """A whole number that the column's integer type cannot hold is not cast to another number."""
    model = Recorder(first_column, {name: "integer" if name == "Elevation" else "double" for name in OWN})
    odd = rows[:4].astype(np.float64)
    odd[2, 0] = value
    PyfuncEngine(model, OWN).predict(odd)
    assert model.given["Elevation"].iloc[2] == np.float64(value)


@pytest.mark.parametrize("type_", ["uint8", "bool", "int8", "int64"])
@pytest.mark.parametrize("value", [300.0, 2.5, -1.0, 2.0**63, 1e300, float("nan")])
def test_no_cast_changes_a_number(type_: str, value: float) -> None:
    """Of a tensor, as for pictures: what its type cannot hold is left for MLflow to refuse."""
    from mlflow.types import Schema, TensorSpec

    model = Recorder(lambda frame: frame.iloc[:, 0].to_numpy())
    made = Schema([TensorSpec(np.dtype(type_), (-1, 2))])
    model.metadata = SimpleNamespace(get_input_schema=lambda: made)
    PyfuncEngine(model, ["a", "b"]).predict(np.array([[value, 1.0]]))
    given = model.given.iloc[0, 0]
    assert given == value or np.isnan(value)
    assert model.given.iloc[0, 1] == 1


def test_the_matrix_is_not_changed(rows: NDArray[np.float64]) -> None:
    """A model that writes into its frame does not write into the matrix, which serves the next batch."""

    def spoil(frame: Any) -> Any:  # noqa: ANN401 - pandas is untyped
        frame.iloc[:, :] = 0
        return frame["Elevation"]

    matrix = rows[:4].copy()
    PyfuncEngine(Recorder(spoil), OWN).predict(matrix)
    np.testing.assert_array_equal(matrix, rows[:4])


def test_a_model_without_signature_is_given_the_order_that_is_asked_for(rows: NDArray[np.float64]) -> None:
    """The frame's columns have the schema's names, each with its own values."""
    model = Recorder(first_column)
    PyfuncEngine(model, OWN, np.arange(54)[::-1]).predict(rows[:4])
    assert list(model.given.columns) == OWN[::-1]
    np.testing.assert_array_equal(model.given.to_numpy(), rows[:4, ::-1])


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        pytest.param(lambda: np.ones((2, 54)), Told(None, 54, ["number"] * 54), id="array"),
        pytest.param(lambda: frame(range(54)), Told(list(range(54)), 54, ["number"] * 54), id="table-without-header"),
        pytest.param(lambda: frame(OWN), Told(OWN, 54, ["number"] * 54), id="table"),
        pytest.param(lambda: {"rows": np.ones((2, 54))}, Told(["rows"], 1), id="named-array"),
    ],
)
def test_a_signature_tells_names_or_number(example: Callable[[], Any], expected: Told) -> None:
    """Whatever it was inferred from; a model without one tells nothing."""
    from mlflow.models import infer_signature

    assert told(infer_signature(example()).inputs) == expected
    assert told(None) == Told(None)


def frame(names: Iterable[object]) -> Any:  # noqa: ANN401 - pandas is untyped
    """A table with these names."""
    import pandas as pd

    return pd.DataFrame(np.ones((2, 54)), columns=list(names))
