"""The table of a model in service."""

from functools import cached_property

from preprocessing import PRESETS, RowDecoder, Schema
from preprocessing.layout import Layouts
from preprocessing.matrix import MatrixBuilder
from preprocessing.packed import row_scanner
from preprocessing.reader import RowReader
from serving.model import Model


class Table:
    """A schema with what decodes its rows and builds their matrix; versions of one schema and order share it.

    Args:
        schema: what rows are.
        order: for each of the model's own columns, where it stands in ``schema.expanded``; None if they agree.
        max_rows_per_request: most rows of a request.
        max_batch_rows: most rows in one call of an engine.

    Attributes:
        schema, order, max_rows_per_request: see above.
        scanner: reads the common body of rows; None if it was not built.
        model: the last version that served it: what was decoded for it is answered by that, whatever serves by then.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        order: tuple[int, ...] | None = None,
        max_rows_per_request: int,
        max_batch_rows: int,
    ) -> None:
        self.schema = schema
        self.order = order
        self.scanner = row_scanner(schema, max_rows_per_request)
        self.decoder = RowDecoder(schema, max_rows_per_request)
        self.matrix = MatrixBuilder(schema, max_batch_rows)
        self.model: Model | None = None
        self.max_rows_per_request = max_rows_per_request

    @cached_property
    def reader(self) -> RowReader:
        """Reads rows of other formats than Canopy's own."""
        aliases = next((preset.aliases for preset in PRESETS if preset.schema.fields == self.schema.fields), None)
        return RowReader(self.schema, self.max_rows_per_request, Layouts(self.schema, self.order, aliases))

    def __repr__(self) -> str:
        return f"<Table of {len(self.schema.fields)} fields, {self.model or 'not served'}>"
