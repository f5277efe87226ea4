"""What a route does, in the words of OpenAPI: https://spec.openapis.org/oas/v3.1.1."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from preprocessing.jsonschema import JSONSchema
from preprocessing.schema import Schema
from serving.errors import MEDIA_TYPE

JSON: Final = "application/json"

PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
ERROR: Final = {"$ref": "#/components/schemas/Error"}

OBJECT: Final[JSONSchema] = {"type": "object"}


class Served(NamedTuple):
    """What is served while a description is made.

    Attributes:
        name: of the model.
        version: of the model.
        schema: its table.
        order: for each of the model's columns, where it stands in ``schema.expanded``; None if they agree.
        max_rows: most rows of a request.
        classes: what its probabilities are of; None if it gives none.
        label: one that it has given.
    """

    name: str
    version: str
    schema: Schema
    order: tuple[int, ...] | None
    max_rows: int
    classes: list[Any] | None
    label: Any

    @property
    def label_schema(self) -> JSONSchema:
        """What a label is."""
        kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
        kind = kinds.get(type(self.label))
        schema: JSONSchema = {} if kind is None else {"type": kind}
        return schema if self.classes is None else {**schema, "enum": self.classes}


class Body(NamedTuple):
    """What a body is.

    Attributes:
        schema: in the words of JSON Schema.
        example: one that really works; None if there is none to show.
    """

    schema: JSONSchema
    example: Any = None


class Operation(NamedTuple):
    """What a route does.

    Attributes:
        name: unique among all, as programs are to call it.
        summary: in a line.
        tag: the group that it belongs to.
        answer: media type → the body of a good answer.
        request: media type → the body that it takes.
        parameters: of target and headers, besides those of the path.
        needs_body: whether a request must have one.
        error: media type → the body of a failure, besides problem documents.
        statuses: of failures, besides those that any request may have.
    """

    name: str
    summary: str
    tag: str
    answer: Mapping[str, Body]
    request: Mapping[str, Body] = {}
    parameters: tuple[JSONSchema, ...] = ()
    needs_body: bool = True
    error: Mapping[str, Body] = {}
    statuses: tuple[int, ...] = ()

    def failure(self) -> dict[str, Body]:
        """Media type → the body of a failure: that of HTTP itself is a problem document whatever the protocol."""
        return {**self.error, MEDIA_TYPE: Body(PROBLEM)}


def json_operation(name: str, summary: str, tag: str, schema: JSONSchema = OBJECT, **more: Any) -> Operation:  # noqa: ANN401
    """A route that tells something as JSON."""
    return Operation(name, summary, tag, {JSON: Body(schema)}, **more)


def always(operation: Operation) -> Callable[[Served], Operation]:
    """The description of a route that is the same whatever is served."""
    return lambda _served: operation
