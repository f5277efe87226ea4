"""What a row means: the schema, the decoding of a request body, the model's matrix."""

from preprocessing.errors import InvalidBody, InvalidRow, MalformedJSON
from preprocessing.matrix import MatrixBuilder, one_hot
from preprocessing.rows import Row, RowDecoder

__all__ = ["InvalidBody", "InvalidRow", "MalformedJSON", "MatrixBuilder", "Row", "RowDecoder", "one_hot"]
