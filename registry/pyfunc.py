"""Models that are no forest, served through MLflow's pyfunc: any flavour, but milliseconds a call."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest import Prediction
from preprocessing import schema
from registry.columns import column_order


class PyfuncEngine:
    """``PyFuncModel.predict`` on a pandas frame; implements ``forest.Engine``.

    Args:
        model: a loaded ``mlflow.pyfunc.PyFuncModel``. Its signature, if it has one, names its columns and types.

    Raises:
        SchemaMismatch: the signature's columns are not the schema's.
    """

    name = "pyfunc"
    bounded = False
    classes: NDArray[Any] | None = None

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - mlflow is imported late
        self._model = model
        names, width, self._types = _signature(model.metadata.get_input_schema())
        self._order = column_order(names, width)
        self._names = names or list(schema.COLUMNS)

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """See ``forest.Engine.predict``; the probabilities are always None.

        Raises:
            ValueError: the model does not return one label a row.
        """
        import pandas as pd

        if self._order is not None:
            matrix = matrix[:, self._order]
        frame = pd.DataFrame(matrix, columns=self._names)
        # MLflow refuses a frame of other types; what a cast would change is left for it to refuse.
        types = dict(zip(self._names, self._types, strict=True)) if self._types else {}
        casts = {name: type_ for name, type_ in types.items() if _fits(frame[name].to_numpy(), type_)}
        labels = np.asarray(self._model.predict(frame.astype(casts)))
        if labels.shape not in ((len(matrix),), (len(matrix), 1)):
            raise ValueError(f"the model returned an array of shape {labels.shape} for {len(matrix)} rows")
        return Prediction(labels.reshape(-1), None)


def _signature(inputs: Any) -> tuple[list[str] | None, int | None, list[np.dtype[Any]] | None]:  # noqa: ANN401
    """Names, number and types of the columns that a signature asks for, each None if it does not say."""
    if inputs is None:
        return None, None, None
    if inputs.has_input_names():
        names = inputs.input_names()
        return names, len(names), [np.dtype(type_) for type_ in inputs.numpy_types()]
    if not inputs.is_tensor_spec():
        return None, len(inputs.inputs), [np.dtype(type_) for type_ in inputs.numpy_types()]
    tensor = inputs.inputs[0]
    width = tensor.shape[-1] if tensor.shape[-1] >= 0 else len(schema.COLUMNS)
    return None, width, [np.dtype(tensor.type)] * width


def _fits(values: NDArray[np.float32], type_: np.dtype[Any]) -> bool:
    """Whether a cast keeps every value."""
    if type_.kind != "i":
        return True
    limit = 2.0 ** (8 * type_.itemsize - 1)
    return bool(((values == np.floor(values)) & (values >= -limit) & (values < limit)).all())
