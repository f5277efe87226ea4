# cython: language_level=3, annotation_typing=False
"""A request's rows, and its answer."""

from typing import TYPE_CHECKING, Any

from serving.errors import NoProbabilities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from preprocessing.block import Rows
    from serving.model import Model
    from serving.table import Table


class Query:
    """The rows of a request.

    Args:
        table: what they were decoded by.
        rows: at least one.
        probabilities: whether probabilities are asked for besides labels.

    Attributes:
        table, rows, probabilities: see above.
    """

    __slots__ = ("probabilities", "rows", "table")

    def __init__(self, table: "Table", rows: "Rows", probabilities: bool = True) -> None:
        self.begin(table, rows, probabilities)

    def begin(self, table: "Table", rows: "Rows", probabilities: bool) -> None:
        """What the constructor does, for who makes thousands a second: to call one costs more than all of this."""
        self.table = table
        self.rows = rows
        self.probabilities = probabilities


class Answer:
    """The answer to one request of n rows.

    Args:
        labels: those of the whole batch, as plain Python values.
        model: the version that computed it.
        batch: (rows of the batch, n_classes) float64; None if the model gives no probabilities, or nobody asked.
        start: the request's first row in the batch.
        rows: n.

    Attributes:
        model, batch, start, rows: see above.
    """

    __slots__ = ("_labels", "batch", "model", "rows", "start")

    def __init__(
        self, labels: list[Any], model: "Model", batch: "NDArray[np.float64] | None", start: int, rows: int
    ) -> None:
        self.begin(labels, model, batch, start, rows)

    def begin(
        self, labels: list[Any], model: "Model", batch: "NDArray[np.float64] | None", start: int, rows: int
    ) -> None:
        """What the constructor does, for who makes thousands a second: to call one costs more than all of this."""
        self._labels = labels
        self.model = model
        self.batch = batch
        self.start = start
        self.rows = rows

    @property
    def labels(self) -> list[Any]:
        """The n labels."""
        return self._labels[self.start : self.start + self.rows]

    def first(self) -> Any:  # noqa: ANN401 - whatever a model's labels are
        """The first label."""
        return self._labels[self.start]

    @property
    def probabilities(self) -> "NDArray[np.float64] | None":
        """(n, n_classes) float64, a view of the batch's; None if the model gives none."""
        return None if self.batch is None else self.batch[self.start : self.start + self.rows]

    def wanted_probabilities(self) -> "NDArray[np.float64]":
        """The probabilities, for who has asked for them.

        Raises:
            NoProbabilities: the model gives none.
        """
        probabilities = self.probabilities
        if probabilities is None:
            raise NoProbabilities(f"{self.model} is served by {self.model.engine.name}, which gives labels only")
        return probabilities


def tables_of(queries: list[Query]) -> "list[Table]":
    """The tables by which requests were decoded, each once, in the order of the requests."""
    found: list[Any] = []
    last = None
    for query in queries:
        if query.table is not last:
            last = query.table
            if last not in found:
                found.append(last)
    return found


def any_probabilities(queries: list[Query]) -> bool:
    """Whether a request asks for probabilities."""
    for query in queries:  # noqa: SIM110 - a generator would be an object of its own, with a frame for each item
        if query.probabilities:
            return True
    return False


def rows_of(queries: list[Query]) -> "list[Rows]":
    """The rows of each request."""
    return [query.rows for query in queries]


def answers(
    queries: list[Query], labels: list[Any], model: "Model", probabilities: "NDArray[np.float64] | None"
) -> list[Answer]:
    """The answer to each request of a batch.

    Args:
        queries: the requests.
        labels: one for each of their rows.
        model: the version that computed them.
        probabilities: (rows, n_classes) float64; None if the model gives none, or nobody asked.
    """
    found = []
    start = 0
    for query in queries:
        rows = len(query.rows)
        answer = Answer.__new__(Answer)
        answer.begin(labels, model, probabilities, start, rows)
        found.append(answer)
        start += rows
    return found
