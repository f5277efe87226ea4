"""Models that are no forest, served through MLflow's pyfunc: any flavour, but milliseconds a call."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest import Prediction
from preprocessing.schema import FieldType
from registry.columns import Told


class PyfuncEngine:
    """``PyFuncModel.predict`` on a pandas frame; implements ``forest.Engine``.

    Args:
        model: a loaded ``mlflow.pyfunc.PyFuncModel``. Its signature, if it has one, names its columns and types.
        columns: the names of the matrices' columns.
        order: (n_columns,) for each of the model's columns, where it stands in the matrices; None if they agree.
        categories: of the matrices' columns, those that the model wants names in → the names of their codes.
    """

    name = "pyfunc"
    bounded = False
    dtype = np.float64
    classes: NDArray[Any] | None = None

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - mlflow is imported late
        columns: Sequence[str],
        order: NDArray[np.intp] | None = None,
        categories: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self._model = model
        self._order = order
        inputs = model.metadata.get_input_schema()
        own = np.array(columns)
        self._names = told(inputs).names or _fitted(model) or (own if order is None else own[order]).tolist()
        self._types = types_of(inputs, len(columns))
        given = own if order is None else own[order]
        self._categories = {
            name: categories[column]
            for name, column in zip(self._names, given.tolist(), strict=True)
            if column in categories
        }

    def predict(self, matrix: NDArray[np.float64]) -> Prediction:
        """See ``forest.Engine.predict``; the probabilities are always None.

        Raises:
            ValueError: the model does not return one label a row.
        """
        import pandas as pd

        if self._order is not None:
            matrix = matrix[:, self._order]
        frame = pd.DataFrame(matrix, columns=self._names)
        for name, names in self._categories.items():
            codes = np.where(np.isnan(frame[name]), -1, frame[name]).astype(np.int64)  # -1 is pandas' missing value
            found = pd.Categorical.from_codes(codes, categories=list(names))
            # MLflow takes no categories where a signature has strings.
            frame[name] = found if self._types is None else np.array(found, dtype=object)
        # MLflow refuses a frame of other types; what a cast would change is left for it to refuse.
        types = dict(zip(self._names, self._types, strict=True)) if self._types else {}
        casts = {
            name: type_
            for name, type_ in types.items()
            if name not in self._categories and _fits(frame[name].to_numpy(), type_)
        }
        labels = np.asarray(self._model.predict(frame.astype(casts)))
        if labels.shape not in ((len(matrix),), (len(matrix), 1)):
            raise ValueError(f"the model returned an array of shape {labels.shape} for {len(matrix)} rows")
        return Prediction(labels.reshape(-1), None)


def told(inputs: Any) -> Told:  # noqa: ANN401
    """What the input schema of a signature, if there is one, says of the model's columns."""
    if inputs is None:
        return Told(None)
    if inputs.has_input_names():
        types = None if inputs.is_tensor_spec() else _kinds(_column_types(inputs))
        return Told(inputs.input_names(), len(inputs.inputs), types)
    if not inputs.is_tensor_spec():
        return Told(None, len(inputs.inputs), _kinds(_column_types(inputs)))
    width = inputs.inputs[0].shape[-1]
    return Told(None, width, _kinds([inputs.inputs[0].type] * width)) if width >= 0 else Told(None)


def _kinds(types: Iterable[Any]) -> list[FieldType | None]:
    """What columns of some types are to a table; None of one that is neither a number nor a boolean."""
    kinds: dict[str, FieldType] = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
    return [kinds.get(np.dtype(type_).kind) for type_ in types]


def _fitted(model: Any) -> list[str] | None:  # noqa: ANN401
    """The names of the columns that a scikit-learn estimator was fitted on, and will hear of no others."""
    with suppress(NotImplementedError):
        if (names := getattr(model.get_raw_model(), "feature_names_in_", None)) is not None:
            return list(names)
    return None


def types_of(inputs: Any, width: int) -> list[np.dtype[Any]] | None:  # noqa: ANN401
    """The types of the columns that a signature asks for; None if it does not say."""
    if inputs is None:
        return None
    if inputs.is_tensor_spec() and not inputs.has_input_names():
        return [np.dtype(inputs.inputs[0].type)] * width
    return _column_types(inputs)


def _column_types(inputs: Any) -> list[np.dtype[Any]]:  # noqa: ANN401
    """The types of the columns, or named tensors, of an input schema; object for lists, maps and any type."""
    types = [each.type for each in inputs.inputs]
    if not inputs.is_tensor_spec():
        types = [type_.to_numpy() if hasattr(type_, "to_numpy") else object for type_ in types]
    return [np.dtype(type_) for type_ in types]


def _fits(values: NDArray[np.float64], type_: np.dtype[Any]) -> bool:
    """Whether a cast keeps every value; a float of another size is the model's own to round to."""
    if type_.kind not in "biu":
        return True
    bits = 8 * type_.itemsize
    least, above = {"b": (0.0, 2.0), "u": (0.0, 2.0**bits), "i": (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1))}[type_.kind]
    return bool(((values == np.floor(values)) & (values >= least) & (values < above)).all())
