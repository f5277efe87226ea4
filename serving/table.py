"""The table of a model in service, and the requests that were decoded by it."""

import msgspec

from preprocessing import Row, RowDecoder, Schema
from preprocessing.matrix import MatrixBuilder
from serving.model import Model


class Table:
    """A schema with what decodes its rows and builds their matrix; versions of one schema share it.

    Args:
        schema: what rows are.
        max_rows_per_request: most rows of a request.
        max_batch_rows: most rows in one call of an engine.

    Attributes:
        model: the last version that served it: what was decoded for it is answered by that, whatever serves by then.
    """

    def __init__(self, schema: Schema, *, max_rows_per_request: int, max_batch_rows: int) -> None:
        self.schema = schema
        self.decoder = RowDecoder(schema, max_rows_per_request)
        self.matrix = MatrixBuilder(schema, max_batch_rows)
        self.model: Model | None = None

    @property
    def bounded(self) -> bool:
        """Whether the time of a call for its rows depends on their number only: see ``forest.Engine``."""
        return self.model is not None and self.model.engine.bounded

    def __repr__(self) -> str:
        return f"<Table of {len(self.schema.fields)} fields, {self.model or 'not served'}>"


class Query(msgspec.Struct, frozen=True, gc=False):
    """The rows of a request.

    Attributes:
        table: what they were decoded by.
        rows: at least one.
    """

    table: Table
    rows: list[Row]
