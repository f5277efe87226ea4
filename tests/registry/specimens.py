"""Models of many kinds to register, each with its own answer to compare a served one with."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preprocessing import covertype

OWN = list(covertype.COLUMNS)

# Written down here, not taken from the schema: UCI's areas run Rawah, Neota, Commanche, Cache, the schema's backwards.
IN_UCI_ORDER = [*range(10), 13, 12, 11, 10, *range(14, 54)]
UCI = [
    *covertype.NUMERIC,
    *(f"Wilderness_Area{number}" for number in range(1, 5)),
    *(f"Soil_Type{number}" for number in range(1, 41)),
]
FETCHED = [
    *covertype.NUMERIC,
    *(f"Wilderness_Area_{number}" for number in range(4)),
    *(f"Soil_Type_{number}" for number in range(40)),
]

EXAMPLES = 5
"""Rows of the input example that Permuted is logged with, as many as training logs."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """A model to register.

    Attributes:
        register: logs it to the active MLflow run and registers it under a name.
        labels: its own labels for a matrix with the schema's columns.
    """

    register: Callable[[str], object]
    labels: Callable[[NDArray[np.float32]], NDArray[Any]]


def specimens(features: NDArray[np.float32], labels: NDArray[np.uint8]) -> dict[str, Specimen]:
    """Models fitted on the same rows, by the name to register them under."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    def fit(estimator: Any, order: Sequence[int], names: Sequence[str] | None, *, signed: bool = False) -> Fitted:  # noqa: ANN401
        return Fitted(estimator, list(order), names, signed).fit(features, labels)

    permutation = np.random.default_rng(7).permutation(54).tolist()
    permuted = fit(RandomForestClassifier(4, max_depth=12, random_state=1), permutation, [OWN[i] for i in permutation])
    # So many trees, grown to the end, that swapping two wilderness areas would show.
    uci = fit(ExtraTreesClassifier(8, random_state=2), IN_UCI_ORDER, UCI)
    fetched = fit(ExtraTreesClassifier(8, random_state=2), IN_UCI_ORDER, FETCHED)
    small = RandomForestClassifier(2, max_depth=4, random_state=3)
    holed = features.copy()
    holed[::7, 0] = np.nan
    # So many splits that some send missing values to the smaller child, which forests that have seen none never do.
    deeper = RandomForestClassifier(4, max_depth=8, random_state=0)
    missing = Fitted(deeper, list(range(54)), OWN, signed=False).fit(holed, labels)
    found = {
        "Permuted": permuted.specimen("skops", example=features[:EXAMPLES]),
        "Missing": missing.specimen("skops"),
        "PermutedPickle": permuted.specimen("cloudpickle"),
        "UCI": uci.specimen("skops"),
        "UCIPickle": uci.specimen("cloudpickle"),
        "Fetched": fetched.specimen("skops"),
    }
    for name, width, names in (
        ("Unnamed", 54, None),
        ("Narrow", 12, None),
        ("Foreign", 54, ["Altitude", *OWN[1:]]),
        ("Gone", 54, OWN),
    ):
        found[name] = fit(small, range(width), names).specimen("skops")
    with warnings.catch_warnings():
        # How good these are does not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        linear = LogisticRegression(max_iter=20)
        found["Logistic"] = fit(linear, permutation, [OWN[i] for i in permutation], signed=True).specimen("skops")
        for name, width in (("Array", 54), ("NarrowArray", 12)):
            found[name] = fit(LogisticRegression(max_iter=20), range(width), None, signed=True).specimen("skops")
    return found | python_models()


@dataclass(frozen=True, slots=True)
class Fitted:
    """A scikit-learn estimator and the columns that it is given: some of the schema's, in some order, with some names.

    Attributes:
        signed: whether it is logged with a signature.
    """

    estimator: Any
    order: list[int]
    names: Sequence[str] | None
    signed: bool

    def table(self, matrix: NDArray[np.float32]) -> Any:  # noqa: ANN401 - an array or a frame
        """What the estimator is given for a matrix with the schema's columns."""
        import pandas as pd

        chosen = matrix[:, self.order].astype(np.float64)
        return chosen if self.names is None else pd.DataFrame(chosen, columns=list(self.names))

    def fit(self, features: NDArray[np.float32], labels: NDArray[np.uint8]) -> "Fitted":
        """Fit a copy of the estimator."""
        from sklearn.base import clone

        return Fitted(clone(self.estimator).fit(self.table(features), labels), self.order, self.names, self.signed)

    def specimen(self, serialization: str, example: NDArray[np.float32] | None = None) -> Specimen:
        """The estimator as a model to register, written by skops or by cloudpickle, perhaps with an input example.

        Args:
            serialization: skops or cloudpickle.
            example: rows with the schema's columns.
        """

        def register(name: str) -> None:
            import mlflow
            from mlflow.models import infer_signature

            mlflow.sklearn.log_model(
                self.estimator,
                name="model",
                registered_model_name=name,
                serialization_format=serialization,
                skops_trusted_types=["sklearn.tree._tree.Tree"] if serialization == "skops" else None,
                input_example=None if example is None else self.table(example),
                signature=infer_signature(self.table(np.zeros((3, 54), dtype=np.float32))) if self.signed else None,
                pip_requirements=["scikit-learn"],
            )

        return Specimen(register, lambda matrix: np.asarray(self.estimator.predict(self.table(matrix))))


def rule(elevation: NDArray[Any], rawah: NDArray[Any]) -> NDArray[np.int64]:
    """What the Python models below compute of two columns: 1, 2, 11 or 12."""
    return 1 + (elevation > 2900).astype(np.int64) + 10 * (rawah > 0).astype(np.int64)


def python_models() -> dict[str, Specimen]:
    """Models that MLflow knows only as Python code."""
    import mlflow
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    class Rule(mlflow.pyfunc.PythonModel):  # type: ignore[misc] # mlflow is untyped
        def predict(self, model_input: pd.DataFrame) -> NDArray[np.int64]:
            return rule(model_input["Elevation"].to_numpy(), model_input["Wilderness_Area_Rawah"].to_numpy())

    class Pairs(mlflow.pyfunc.PythonModel):  # type: ignore[misc] # mlflow is untyped
        def predict(self, model_input: pd.DataFrame) -> NDArray[np.int64]:
            return np.ones((len(model_input), 2), dtype=np.int64)

    def labels(matrix: NDArray[np.float32]) -> NDArray[np.int64]:
        return rule(matrix[:, 0], matrix[:, 13])

    def register(model: Any, column_type: str | None) -> Callable[[str], object]:  # noqa: ANN401 - mlflow is untyped
        columns = None if column_type is None else Schema([ColSpec(column_type, name) for name in reversed(OWN)])
        return lambda name: mlflow.pyfunc.log_model(
            python_model=model,
            name="model",
            registered_model_name=name,
            signature=None if columns is None else ModelSignature(inputs=columns),
            pip_requirements=["mlflow"],
        )

    return {
        "Plain": Specimen(register(Rule(), None), labels),
        "Longs": Specimen(register(Rule(), "long"), labels),
        "Integers": Specimen(register(Rule(), "integer"), labels),
        "Pairs": Specimen(register(Pairs(), None), labels),
    }
