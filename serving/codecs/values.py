"""Rows as other protocols have them in JSON and CSV: lists, records, columns."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from preprocessing import InvalidRow, MalformedJSON, faults
from preprocessing.block import Rows
from preprocessing.jsonschema import JSONSchema
from preprocessing.reader import Place
from preprocessing.schema import at
from serving.operation import Served
from serving.table import Table

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST: Final = 400
"""Characters of the longest number in CSV; a float64 in full has some 330."""

_MISSING: Final = frozenset({"", "nan", "null", "na", "n/a", "none"})
_BOOLEANS: Final = {"true": True, "false": False}


PREDICTIONS: Final[JSONSchema] = {
    "type": "object",
    "required": ["predictions"],
    "properties": {"predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Label"}}},
}
"""The answer of protocols that have nothing but labels."""


def rows_schema(served: Served) -> JSONSchema:
    """What ``read_list`` takes, in the words of JSON Schema."""
    return _any_of(served, "Row", "Record", "Columns", "ColumnsRecord")


def lists_schema(served: Served) -> JSONSchema:
    """The same of rows that are lists of values."""
    return _any_of(served, "Row", "Columns")


def records_schema(served: Served) -> JSONSchema:
    """The same of rows that are records."""
    return _any_of(served, "Record", "ColumnsRecord")


def _any_of(served: Served, *kinds: str) -> JSONSchema:
    if served.schema.expanded == served.schema.names and served.order is None:  # fields and columns are the same
        kinds = tuple(kind for kind in kinds if not kind.startswith("Columns"))
    several = {"minItems": 1, "maxItems": served.max_rows}
    return {
        "anyOf": [{"type": "array", "items": {"$ref": f"#/components/schemas/{kind}"}, **several} for kind in kinds]
    }


def read_json(body: bytes | bytearray, *, nan: bool = False) -> Any:  # noqa: ANN401 - JSON
    """Read a body, of which no object has a name twice.

    Args:
        body: the body.
        nan: whether NaN may stand for a missing value.

    Raises:
        InvalidBody: it is no JSON, or an object has.
    """
    try:
        content = msgspec.json.decode(body)
    except faults.UNREADABLE as error:
        if nan and b"NaN" in body:
            return faults.decode_lenient(body)
        raise faults.unreadable(body, error) from None
    faults.check_unique(body, faults.count_strings(content))
    return content


def read_list(table: Table, rows: object, path: str) -> Rows:
    """Read rows that are all records, or all lists of values.

    Args:
        table: what rows are.
        rows: JSON.
        path: where they stand in the body.

    Raises:
        InvalidRow: they are not that, or break the schema.
    """
    if not isinstance(rows, list):
        raise InvalidRow(path, f"expected an array of rows, got {faults.kind(rows)}")
    if not rows:
        raise InvalidRow(path, "has no row: a request carries at least one")
    if isinstance(rows[0], dict):
        return _records(table, rows, path)
    if isinstance(rows[0], list):
        return read_matrix(table, None, rows, path)
    raise InvalidRow(f"{path}[0]", f"expected an array or an object for each row, got {faults.kind(rows[0])}")


def read_matrix(table: Table, names: Sequence[str] | None, rows: object, path: str) -> Rows:
    """Read rows that are lists of values.

    Args:
        table: what rows are.
        names: of the values; None if they have none.
        rows: JSON.
        path: where they stand in the body.

    Raises:
        InvalidRow: they are not that, or break the schema.
    """
    if not isinstance(rows, list):
        raise InvalidRow(path, f"expected an array of rows, got {faults.kind(rows)}")
    width = len(names) if names is not None else None
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            raise InvalidRow(f"{path}[{number}]", f"expected an array, got {faults.kind(row)}")
        if width is None:
            width = len(row)
        if len(row) != width:
            raise InvalidRow(f"{path}[{number}]", f"has {len(row)} values, and not {width}")

    def place(row: int | None, position: int | None) -> str:
        if row is None:
            return path
        return f"{path}[{row}]" if position is None else f"{path}[{row}][{position}]"

    return table.reader.rows(names, rows, place)


def read_columns(table: Table, columns: dict[str, Any], path: str) -> Rows:
    """Read rows from a list of values for each name.

    Raises:
        InvalidRow: they are not that, or break the schema.
    """
    names = list(columns)
    if not names:
        raise InvalidRow(path, "has no column")
    values = [_values(columns[name], _at(path, name)) for name in names]
    for name, column in zip(names, values, strict=True):
        if len(column) != len(values[0]):
            raise InvalidRow(
                _at(path, name),
                f"has {len(column)} values, and {faults.shortened(names[0])!r} has {len(values[0])}",
            )

    def place(row: int | None, position: int | None) -> str:
        if position is None:
            return path
        return _at(path, names[position]) + ("" if row is None else f"[{row}]")

    return table.reader.rows(names, list(zip(*values, strict=True)), place)


def _at(path: str, name: str) -> str:
    """The JSONPath of a member that a client has named."""
    return at(path, faults.shortened(name))


def _values(column: object, path: str) -> list[Any]:
    """A column as a list of values; each may stand in a list of its own, as a tensor of shape [n, 1] has them."""
    if not isinstance(column, list):
        raise InvalidRow(path, f"expected an array of values, got {faults.kind(column)}")
    if column and all(isinstance(value, list) and len(value) == 1 for value in column):
        return [value[0] for value in column]
    return column


def _records(table: Table, records: list[Any], path: str) -> Rows:
    names = list(records[0])
    rows = []

    def place(row: int | None, position: int | None) -> str:
        record = f"{path}[{row or 0}]"
        return record if position is None else _at(record, names[position])

    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise InvalidRow(f"{path}[{number}]", f"expected an object, got {faults.kind(record)}")
        if record.keys() != records[0].keys():
            given = list(record)

            def of_this(_row: int | None, position: int | None, number: int = number, given: list[str] = given) -> str:
                return f"{path}[{number}]" if position is None else _at(f"{path}[{number}]", given[position])

            table.reader.layout(names, len(names), place)
            table.reader.layout(given, len(given), of_this)
            raise InvalidRow(f"{path}[{number}]", "has columns where others have fields: send all of one kind")
        rows.append([record[name] for name in names])
    return table.reader.rows(names, rows, place)


def read_csv(table: Table, body: bytes | bytearray) -> Rows:
    """Read rows of comma-separated values below a line of names, as pandas writes them.

    Raises:
        InvalidBody: they are not that, or break the schema.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedJSON(f"the body is not UTF-8: {error.reason} (byte {error.start})") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise InvalidRow(f"line {reader.line_num}", f"is no CSV: {error}") from None
    while lines and not lines[-1][1]:
        lines.pop()
    if not lines or not lines[0][1]:
        raise InvalidRow("line 1", "is empty, where names should be")
    (first, header), *rows = lines
    names: list[str] | None = [name.strip() for name in header]
    if not table.reader.knows(names or ()):
        if names == [str(number) for number in range(len(header))]:  # pandas's for columns that have no names
            names = None
        elif all(_is_number(name) for name in header):
            raise InvalidRow(f"line {first}", "has numbers where names should be: a row would be taken for them")

    def place(row: int | None, position: int | None) -> str:
        line = first if row is None else rows[row][0]
        return f"line {line}" if position is None else f"line {line}, column {position + 1}"

    for number, (_, row) in enumerate(rows):
        if len(row) != len(header):
            said = f"has {len(row)} values below {len(header)} names" if row else "is empty"
            raise InvalidRow(place(number, None), said)
    return _text(table, names, [row for _, row in rows], len(header), place)


def _text(table: Table, names: list[str] | None, rows: list[list[str]], width: int, place: Place) -> Rows:
    """Read rows of text: what is a name and what is a number depends on the field."""
    reader = table.reader
    reader.check_count(len(rows), place)
    expanded, order = reader.layout(names, width, place)
    codes: list[frozenset[str]] = [frozenset()] * width
    for position, field in enumerate(() if expanded else table.schema.fields):
        codes[position if order is None else order[position]] = frozenset(field.codes)
    return reader.rows(
        names, [[_cell(text.strip(), known) for text, known in zip(row, codes, strict=True)] for row in rows], place
    )


def _is_number(text: str) -> bool:
    return len(text) <= _LONGEST and _NUMBER.fullmatch(text.strip()) is not None


def _cell(text: str, names: frozenset[str]) -> str | float | bool | None:
    """A value as JSON would have it.

    Args:
        text: the value.
        names: of the field's categories. Where one of them is a number, a number is a name, and no code.
    """
    if text in names:
        return text
    if text.lower() in _MISSING:
        return None
    if _is_number(text) and not any(map(_is_number, names)):
        return float(text)
    return _BOOLEANS.get(text.lower(), text)
