"""What answers requests, whatever brings them: decode and queue."""

from collections.abc import Collection
from typing import Any

import msgspec

from batcher import Batcher, FutureWaiter, Pending, Waiter
from preprocessing.faults import shortened
from serving.admission import Admission
from serving.codecs import Frame
from serving.errors import ModelNotReady, NotServed
from serving.exchange import Answer, Query
from serving.metrics.content import Metrics
from serving.metrics.exposition import PrometheusMetrics, document
from serving.metrics.shared import SharedMetrics
from serving.model import Model, ModelHandle, check_served
from serving.table import Table


class Service:
    """The parts that serve predictions, joined.

    Args:
        name: of the model, as its registry calls it.
        handle: the model in service.
        max_body_bytes: longest body.
        board: where this worker and the others put their figures.

    Attributes:
        admission: takes requests in.
        batcher: what queues them; None until the event loop runs.
        metrics: adds to the board.
        connections: those that are open.
        draining: whether the server is about to stop: it answers what it has, but is not ready for more.
        grpc_port: where it is served over gRPC as well; None if it is not.
        update_error: why the model in service is not the newest version, if it is not.
    """

    def __init__(self, name: str, handle: ModelHandle, *, max_body_bytes: int, board: SharedMetrics) -> None:
        self.name = name
        self.handle = handle
        self.max_body_bytes = max_body_bytes
        self.metrics = Metrics(board)
        self.connections: Collection[object] = ()
        self.admission = Admission()
        self.batcher: Batcher[Query, Answer] | None = None
        self.draining = False
        self.grpc_port: int | None = None
        self.update_error: str | None = None
        self._board = board
        self._prometheus = PrometheusMetrics(board, handle)

    def __repr__(self) -> str:
        return f"<Service {self.handle!r} {self.batcher!r}{' draining' * self.draining}>"

    @property
    def table(self) -> Table | None:
        """What bodies are decoded by; None while no model is loaded."""
        return self.admission.table

    def begin(self, batcher: Batcher[Query, Answer]) -> None:
        """Queue what is asked from now on; the event loop runs."""
        self.batcher = batcher
        self.admission.intake = batcher.intake

    def submit(self, body: bytes, frame: Frame) -> tuple[Pending[Answer], Frame]:
        """Queue one request.

        Args:
            body: its body.
            frame: what it asks outside of it.

        Returns:
            A future, as ``Batcher.submit`` describes it, and all that the request asks besides rows.

        Raises:
            Exception: as ``Admission.decode``, and as ``Batcher.submit``.
        """
        waiter = FutureWaiter()
        frame = self.admission.decode(waiter, frame, body)
        if self.batcher is None:
            raise ModelNotReady
        return self.batcher.follow(waiter, timeout=frame.timeout), frame

    def cancel(self, waiter: Waiter) -> None:
        """A waiter that was queued has given up."""
        if self.batcher is not None:
            self.batcher.cancel(waiter)

    def check_served(self, name: str, version: str | None = None) -> None:
        """See to it that a model is the one in service, and so is a version, if one is asked for.

        Raises:
            NotServed: it is not.
            ModelNotReady: no version is loaded.
        """
        if name != self.name:  # which is known before a version is loaded
            raise NotServed(f"no model {shortened(name)!r} is served here, but {self.name!r}")
        if version is not None:
            check_served(self.handle.model, name, version)

    def put_in_service(self, model: Model, table: Table) -> None:
        """Answer by a version from now on; what was decoded by another table, the version before it answers."""
        table.model = self.handle.model = model
        self.admission.use(table)

    def give_up(self) -> None:
        """Fail every request that is not in the engine: the time to drain is over."""
        if self.batcher is not None:
            self.batcher.close()

    @property
    def stuck(self) -> bool:
        """Whether a call of the engine does not return."""
        return self.batcher is not None and self.batcher.stuck

    @property
    def ready(self) -> bool:
        """Whether it serves, and is not about to stop."""
        return bool(self.state()["status"] == "ready")

    def state(self) -> dict[str, Any]:
        """Readiness and the model in service."""
        model = self.handle.model
        if self.draining:
            status = "draining"
        elif self.stuck:
            status = "stuck"
        else:
            status = "loading" if model is None else "ready"
        return {
            "status": status,
            "model": None if model is None else str(model),
            "engine": None if model is None else model.engine.name,
            "columns": None if model is None else model.columns,
            "warning": None if model is None else model.warning or None,
            "update_failure": self.update_error,
        }

    def rows(self) -> dict[str, Any]:
        """What rows are: the names of their fields, and all that there is to know of them."""
        if self.table is None:
            return {"fields": None, "schema": None}
        return {"fields": self.table.schema.names, "schema": msgspec.to_builtins(self.table.schema)}

    @property
    def shared(self) -> bool:
        """Whether there are other workers, which are to see this one's figures."""
        return self._board.workers > 1

    def share(self) -> None:
        """Let other workers see this one's figures, if there are others; to be called several times a second."""
        if self.shared:
            self._publish()

    def _publish(self) -> None:
        """Put this worker's figures on the board."""
        model = self.handle.model
        if model is None:
            self.metrics.serves("", self.update_error, assumed=False)
        else:
            self.metrics.serves(model.version, self.update_error, assumed=model.columns == "assumed")
        if self.batcher is not None:
            self.metrics.publish(self.batcher.statistics(), len(self.connections))

    def statistics(self) -> dict[str, Any]:
        """The figures of all workers, with this one's state and the cost of a call that it has learned, in seconds."""
        self._publish()
        cost = None
        if self.batcher is not None:
            learned = self.batcher.statistics()
            cost = {"fixed": learned.cost_fixed, "per_row": learned.cost_per_row}
        return self.state() | {"cost": cost} | document(self._board)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The figures of all workers for Prometheus, and their media type.

        Args:
            accept: the header Accept, which chooses the format.
        """
        self._publish()
        return self._prometheus.expose(accept)


def timing(waiter: Waiter) -> str:
    """How a request fared, as a header Server-Timing (https://www.w3.org/TR/server-timing/) tells it.

    ``queue`` is the time in the queue, ``batch`` that of the engine's call, in milliseconds; ``rows`` has the rows of
    the whole batch for its description.
    """
    batch = waiter.batch
    wait, duration = batch.started - waiter.arrived, batch.finished - batch.started
    return f'queue;dur={wait * 1000:.3f}, batch;dur={duration * 1000:.3f}, rows;desc="{batch.rows}"'
