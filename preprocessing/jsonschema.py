"""What rows are in the words of JSON Schema, as OpenAPI 3.1 takes them: https://json-schema.org/draft/2020-12."""

from collections.abc import Sequence
from typing import Any

from preprocessing.schema import Field, Schema

JSONSchema = dict[str, Any]


def field_schema(field: Field, *, named: bool) -> JSONSchema:
    """What a row may have for a field.

    Args:
        field: the field.
        named: whether a category may come by its name, as it may in a record.
    """
    least, greatest = field.limits
    kind = "number" if field.type == "number" else "integer"
    choices: list[JSONSchema] = [{"type": kind, "minimum": least, "maximum": greatest}]
    if field.type == "boolean":
        choices.insert(0, {"type": "boolean"})
    if named and field.type == "category":
        choices.insert(0, {"type": "string", "enum": list(field.codes)})
    if field.missing:
        choices.append({"type": "null"})
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def row_schema(schema: Schema) -> JSONSchema:
    """A row as a list of values."""
    width = len(schema.fields)
    return {
        "type": "array",
        "description": f"One row: {', '.join(schema.names)}.",
        "prefixItems": [{**field_schema(field, named=False), "title": field.name} for field in schema.fields],
        "minItems": width,
        "maxItems": width,
    }


def record_schema(schema: Schema, *, named: bool = True) -> JSONSchema:
    """A row as an object."""
    return {
        "type": "object",
        "description": "One row: a value for each field.",
        "properties": {field.name: field_schema(field, named=named) for field in schema.fields},
        "required": list(schema.names),
        "additionalProperties": False,
    }


def _column_schemas(schema: Schema) -> list[JSONSchema]:
    """What each of ``schema.expanded`` may have."""
    indicator = field_schema(Field("", "boolean"), named=False)
    return [
        indicator if field.is_one_hot else field_schema(field, named=False)
        for field in schema.fields
        for _ in field.becomes
    ]


def columns_schema(schema: Schema, order: Sequence[int] | None) -> JSONSchema:
    """A row as a list of the values of the model's own columns.

    Args:
        schema: the table.
        order: for each of the model's columns, where it stands in ``schema.expanded``; None if they agree.
    """
    schemas = _column_schemas(schema)
    places = range(len(schemas)) if order is None else order
    return {
        "type": "array",
        "description": "One row: a value for each of the model's own columns, in its order.",
        "prefixItems": [{**schemas[place], "title": schema.expanded[place]} for place in places],
        "minItems": len(schemas),
        "maxItems": len(schemas),
    }


def columns_record_schema(schema: Schema) -> JSONSchema:
    """A row as an object that has the model's own columns."""
    return {
        "type": "object",
        "description": "One row: a value for each of the model's own columns.",
        "properties": dict(zip(schema.expanded, _column_schemas(schema), strict=True)),
        "required": list(schema.expanded),
        "additionalProperties": False,
    }


def example_row(schema: Schema) -> list[Any]:
    """A plausible row, as JSON has it."""
    return [None if value != value else _plain(value) for value in schema.row]


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value
