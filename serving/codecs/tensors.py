"""Tensors of the Open Inference Protocol, whatever carries them: to rows, and from answers.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md#tensor-data-types
"""

import struct
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from preprocessing import Field, InvalidRow, Schema
from preprocessing.block import Rows
from preprocessing.faults import shortened
from serving.errors import UnencodableLabels
from serving.exchange import Answer
from serving.model import Model
from serving.table import Table

MATRIX: Final = "features"
"""The tensor that has all the values of each row."""

LABELS: Final = "predict"
PROBABILITIES: Final = "predict_proba"

DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype("?"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
"""Datatypes of numbers → what they are in an array, little-endian as on the wire."""

BYTES: Final = "BYTES"
"""The datatype of strings."""

_KINDS: Final = {bool: "BOOL", int: "INT64", float: "FP64", str: BYTES}
"""The type of a label → its datatype."""

_LENGTH: Final = struct.Struct("<I")

Values: TypeAlias = list[Any] | NDArray[Any]


class Tensor(NamedTuple):
    """An input.

    Attributes:
        name: its name.
        shape: its dimensions.
        values: as many as they say, in row-major order: Python objects, None for a missing one; or numbers in an array.
    """

    name: str
    shape: Sequence[int]
    values: Values


class Output(NamedTuple):
    """An output.

    Attributes:
        name: its name.
        datatype: of its elements.
        shape: its dimensions; the first is the rows.
        values: a list of strings, or numbers in an array.
    """

    name: str
    datatype: str
    shape: list[int]
    values: Values


def count_elements(shape: Sequence[int], path: str) -> int:
    """How many elements a tensor of a shape has.

    Raises:
        InvalidRow: no tensor of rows has that shape.
    """
    if not 1 <= len(shape) <= 2:
        raise InvalidRow(path, f"has {len(shape)} dimensions, and not [n], [n, 1] or [n, width]")
    if any(size < 0 for size in shape):
        raise InvalidRow(path, f"{list(shape)} has a negative dimension")
    return prod(shape)


def read_tensors(table: Table, tensors: Sequence[Tensor], place: Callable[[int, int | None], str]) -> Rows:
    """Read the rows of a request: a tensor for each field or column, or one that has all of them.

    Args:
        table: what rows are.
        tensors: the inputs.
        place: (tensor, element) → JSONPath of an element in the body, None for the tensor itself.

    Raises:
        InvalidRow: they break the schema.
    """
    if not tensors:
        raise InvalidRow("$.inputs", "has no tensor")
    first = tensors[0]
    if len(tensors) == 1 and first.name == MATRIX and not (first.shape[1:] in ([], [1]) and _is_field(table, MATRIX)):
        return _matrix(table, first, place)
    rows = _rows_of(first, place(0, None))
    for number, tensor in enumerate(tensors):
        if _rows_of(tensor, place(number, None)) != rows:
            raise InvalidRow(place(number, None), f"has {tensor.shape[0]} rows, and {first.name!r} has {rows}")

    def at(row: int | None, position: int | None) -> str:
        return "$.inputs" if position is None else place(position, row)

    names = [tensor.name for tensor in tensors]
    columns = [tensor.values for tensor in tensors]
    if all(isinstance(column, np.ndarray) for column in columns):
        return table.reader.columns(names, columns, at)  # type: ignore[arg-type]
    for position, column in enumerate(columns):
        if isinstance(column, np.ndarray):
            table.reader.check_column(names, position, column, at)
    return table.reader.rows(names, list(zip(*map(_objects, columns), strict=True)), at)


def _is_field(table: Table, name: str) -> bool:
    return name in table.schema.names or name in table.schema.expanded


def _rows_of(tensor: Tensor, path: str) -> int:
    shape = tensor.shape
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return shape[0]
    raise InvalidRow(
        path,
        f"{shortened(tensor.name)!r} has the shape {list(shape)}: a tensor has one field or column, of shape [n] or "
        f"[n, 1]; all of them together, of shape [n, width], are named {MATRIX!r}",
    )


def _matrix(table: Table, tensor: Tensor, place: Callable[[int, int | None], str]) -> Rows:
    """Read the tensor that has all values of each row."""
    if len(tensor.shape) != 2 or tensor.shape[1] == 0:
        raise InvalidRow(place(0, None), f"has the shape {list(tensor.shape)}, and not [n, width]")
    rows, width = tensor.shape

    def at(row: int | None, position: int | None) -> str:
        return place(0, None if row is None or position is None else row * width + position)

    values = tensor.values
    if isinstance(values, np.ndarray):
        return table.reader.array(None, values.reshape(rows, width), at)
    return table.reader.rows(None, [values[start : start + width] for start in range(0, rows * width, width)], at)


def _objects(values: Values) -> list[Any]:
    """Values as Python objects; NaN is a missing one."""
    if not isinstance(values, np.ndarray):
        return values
    return [None if value != value else value for value in values.tolist()]


def unpack(datatype: str, data: bytes | memoryview, count: int) -> Values:
    """Read the elements of a tensor from their binary form.

    Args:
        datatype: of the tensor.
        data: numbers in little-endian order; or strings in UTF-8, each behind its length, a 4-byte little-endian
            number.
        count: how many there are.

    Raises:
        ValueError: they are not that; the message says why.
    """
    if datatype != BYTES:
        dtype = DTYPES[datatype]
        if len(data) != count * dtype.itemsize:
            raise ValueError(f"has {len(data)} bytes, and {count} elements of {datatype} are {count * dtype.itemsize}")
        if datatype == "BOOL" and any(byte > 1 for byte in bytes(data)):
            raise ValueError("has bytes other than 0 and 1, which no BOOL is")
        return np.frombuffer(data, dtype)
    strings, start = [], 0
    for _ in range(count):
        end = start + _LENGTH.size
        if end > len(data):
            break
        start, end = end, end + _LENGTH.unpack_from(data, start)[0]
        if end > len(data):
            break
        strings.append(bytes(data[start:end]).decode())
        start = end
    if len(strings) != count or start != len(data):
        raise ValueError(f"is not {count} strings, each behind its length in 4 bytes")
    return strings


def pack(output: Output) -> bytes:
    """The elements of an output in their binary form, as ``unpack`` reads it."""
    values = output.values
    if isinstance(values, np.ndarray):
        return values.astype(DTYPES[output.datatype], copy=False).tobytes()
    encoded = [value.encode() for value in values]
    return b"".join(_LENGTH.pack(len(value)) + value for value in encoded)


def outputs(answer: Answer, names: Sequence[str]) -> list[Output]:
    """The outputs that were asked for, of some of ``LABELS`` and ``PROBABILITIES``.

    Raises:
        NoProbabilities: they are asked for, and the model gives none.
        UnencodableLabels: labels have no datatype.
    """
    return [_labels(answer) if name == LABELS else _probabilities(answer) for name in names]


def _labels(answer: Answer) -> Output:
    """The labels in the shape that MLServer's runtime for scikit-learn gives them."""
    labels = answer.labels
    kinds = set(map(type, labels))
    datatype = _KINDS.get(kinds.pop()) if len(kinds) == 1 else None
    if datatype is None:
        raise UnencodableLabels(f"{answer.model} has labels that are no strings, numbers or booleans")
    try:
        values = labels if datatype == BYTES else np.array(labels, DTYPES[datatype])
    except OverflowError:
        raise UnencodableLabels(f"{answer.model} has whole numbers beyond 64 bits as labels") from None
    return Output(LABELS, datatype, [len(labels), 1], values)


def _probabilities(answer: Answer) -> Output:
    probabilities = answer.wanted_probabilities()
    return Output(PROBABILITIES, "FP64", list(probabilities.shape), probabilities.reshape(-1))


class TensorInfo(NamedTuple):
    """What metadata tell of a tensor; a dimension of -1 is any number.

    Attributes:
        name: its name.
        datatype: of its elements.
        shape: its dimensions.
        categories: names of the codes 0, 1, …, which may be sent as strings instead.
    """

    name: str
    datatype: str
    shape: list[int]
    categories: tuple[str, ...] = ()


def input_infos(schema: Schema) -> list[TensorInfo]:
    """What there is to tell of the inputs: a tensor for each field."""
    return [TensorInfo(field.name, _datatype(field), [-1, 1], field.categories) for field in schema.fields]


def output_infos(model: Model) -> list[TensorInfo]:
    """What there is to tell of the outputs."""
    label = model.label
    infos = [TensorInfo(LABELS, _KINDS.get(type(label), BYTES), [-1, 1])]
    if model.classes is not None:
        infos.append(TensorInfo(PROBABILITIES, "FP64", [-1, len(model.classes)]))
    return infos


def _datatype(field: Field) -> str:
    """The datatype that a field is told to have; others that have its values are taken as well.

    A whole number that may be missing is FP64, which has NaN.
    """
    if field.type == "number" or field.missing:
        return "FP64"
    return "BOOL" if field.type == "boolean" else "INT64"
