"""``/openapi.json``: the API as OpenAPI 3.1 has it, made from the routes, the table in service and the error table."""

from serving.openapi.document import Document

__all__ = ["Document"]
