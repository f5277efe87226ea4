"""What a row means: the schema, the decoding of a request body; and in ``preprocessing.matrix`` the model's matrix.

Only the last takes numpy, which processes that serve nothing do without.
"""

from preprocessing.errors import InvalidBody, InvalidRow, MalformedJSON
from preprocessing.rows import RowDecoder
from preprocessing.schema import BadSchema, Field, Row, Schema

__all__ = ["BadSchema", "Field", "InvalidBody", "InvalidRow", "MalformedJSON", "Row", "RowDecoder", "Schema"]
