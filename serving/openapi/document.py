"""The document: https://spec.openapis.org/oas/v3.1.1."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import orjson
from starlette.routing import BaseRoute

from preprocessing.jsonschema import columns_record_schema, columns_schema, record_schema, row_schema
from serving.errors import PROBLEMS, ModelNotReady
from serving.model import Model
from serving.operation import Body, Operation, Served
from serving.routing import Route
from serving.service import Service

_ANY: Final = (400, 408, 431, 500)
"""Statuses of failures that any request may have."""

_HEADERS: Final = {
    503: {
        "Retry-After": {
            "description": "Whole seconds after which it may be tried again.",
            "schema": {"type": "integer", "minimum": 1},
        }
    },
}
"""Status → headers that a failure with it has."""


class Document:
    """Makes the document, anew when another version serves.

    Args:
        service: what is described.
        routes: of the application, when they are all there.
    """

    def __init__(self, service: Service, routes: Iterable[BaseRoute]) -> None:
        self._service = service
        self._routes = routes
        self._made: tuple[Model, bytes] | None = None

    def content(self) -> bytes:
        """The document, as JSON.

        Raises:
            ModelNotReady: there is no model that it could describe.
        """
        model, table = self._service.handle.model, self._service.table
        if model is None or table is None:
            raise ModelNotReady
        if self._made is None or self._made[0] is not model:
            served = Served(
                model.name,
                model.version,
                table.schema,
                table.order,
                table.max_rows_per_request,
                model.classes,
                model.label,
            )
            self._made = model, orjson.dumps(describe(served, self._routes))
        return self._made[1]


def describe(served: Served, routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Describe the API.

    Args:
        served: what is served.
        routes: of the application.
    """
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, None] = {}
    for route in routes:
        if not isinstance(route, Route) or route.about is None:
            continue
        operation = route.about(served)
        tags[operation.tag] = None
        for method in sorted(route.methods or ()):
            if method != "HEAD":
                paths.setdefault(route.path, {})[method.lower()] = _operation(operation, route.path, served)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Canopy: {served.name}",
            "version": version("canopy-serve"),
            "description": f"Predictions of {served.name}, version {served.version}.",
        },
        "servers": [{"url": ".", "description": "Where this document comes from."}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {"schemas": _components(served)},
    }


def _operation(operation: Operation, path: str, served: Served) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": {"200": {"description": "As it was asked.", "content": _content(operation.answer)}},
    }
    parameters = [*_path_parameters(path, served), *operation.parameters]
    if parameters:
        described["parameters"] = parameters
    if operation.request:
        described["requestBody"] = {"required": operation.needs_body, "content": _content(operation.request)}
    for status in sorted({*_ANY, *operation.statuses}):
        failure: dict[str, Any] = {"description": _meaning(status), "content": _content(operation.failure())}
        if status in _HEADERS:
            failure["headers"] = _HEADERS[status]
        described["responses"][str(status)] = failure
    return described


def _content(bodies: Mapping[str, Body]) -> dict[str, Any]:
    content = {}
    for media_type, body in bodies.items():
        content[media_type] = {"schema": body.schema}
        if body.example is not None:
            content[media_type]["example"] = body.example
    return content


def _path_parameters(path: str, served: Served) -> list[dict[str, Any]]:
    """What the names in braces may be: the model that is served, and its version."""
    known = {"model": served.name, "version": served.version}
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": [known[name]]}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _meaning(status: int) -> str:
    """What a status stands for: each kind of failure that has it."""
    titles = sorted({problem.title for problem in PROBLEMS.values() if problem.status == status})
    return f"{'; '.join(titles) or HTTPStatus(status).phrase}."


def _components(served: Served) -> dict[str, Any]:
    schema = served.schema
    return {
        "Row": row_schema(schema),
        "Record": record_schema(schema),
        "Columns": columns_schema(schema, served.order),
        "ColumnsRecord": columns_record_schema(schema),
        "Label": {"description": "What the model says of a row.", **served.label_schema},
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string"}},
        },
        "Problem": {
            "type": "object",
            "description": "What went wrong, as RFC 9457 has it.",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string", "description": "urn:canopy:problem: and the kind of failure."},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "path": {"type": "string", "description": "JSONPath of the fault in the body."},
                "retry_after": {"type": "number", "description": "Exact seconds after which it may be tried again."},
            },
        },
    }
