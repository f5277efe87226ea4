"""Models that are no forest, served through MLflow's pyfunc: any flavour, but milliseconds a call."""

from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest import Prediction
from preprocessing import schema
from registry.columns import column_order


class PyfuncEngine:
    """``PyFuncModel.predict`` on a pandas frame; implements ``forest.Engine``.

    Args:
        model: a loaded ``mlflow.pyfunc.PyFuncModel``. Its signature, if it has one, names its columns.
        folder: where the model's files are; kept as long as the engine, for a model may read them at any time.

    Raises:
        SchemaMismatch: the signature's columns are not the schema's.
    """

    name = "pyfunc"
    classes: NDArray[Any] | None = None

    def __init__(self, model: Any, folder: TemporaryDirectory[str]) -> None:  # noqa: ANN401 - mlflow is imported late
        self._model = model
        self._folder = folder
        inputs = model.metadata.get_input_schema()
        named = inputs is not None and inputs.has_input_names()
        names: list[str] | None = inputs.input_names() if named else None
        self._order = column_order(names)
        self._names = names or list(schema.COLUMNS)
        self._types = dict(zip(names, inputs.numpy_types(), strict=True)) if names else {}

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """See ``forest.Engine.predict``; the probabilities are always None.

        Raises:
            ValueError: the model does not return one label a row.
        """
        import pandas as pd

        if self._order is not None:
            matrix = matrix[:, self._order]
        frame = pd.DataFrame(matrix, columns=self._names)
        # MLflow refuses float columns for integer ones; whole numbers may be cast, others are left for it to refuse.
        whole = {name: type_ for name, type_ in self._types.items() if _fits(frame[name].to_numpy(), type_)}
        labels = np.asarray(self._model.predict(frame.astype(whole)))
        if labels.shape not in ((len(matrix),), (len(matrix), 1)):
            raise ValueError(f"the model returned an array of shape {labels.shape} for {len(matrix)} rows")
        return Prediction(labels.reshape(-1), None)


def _fits(values: NDArray[np.float32], type_: np.dtype[Any]) -> bool:
    return np.dtype(type_).kind != "i" or bool((values == np.floor(values)).all())
