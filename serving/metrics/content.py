"""What is measured: the content of the board, and what adds to it."""

import os
import resource
import time
import weakref
from typing import Final

from batcher import BatchEvent, Statistics
from serving.codecs import CODECS
from serving.errors import PROBLEMS
from serving.metrics.recorder import Buckets, Recorder
from serving.metrics.shared import Histogram, MetricFamily, SharedMetrics

MODEL_INFER: Final = "/inference.GRPCInferenceService/ModelInfer"
"""The path of predictions over gRPC, as HTTP/2 has it."""

ROUTES: Final = (
    "/",
    *(codec.path for codec in CODECS),
    "/health/live",
    "/health/ready",
    "/stats",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/admin/reload",
    "/v1",
    "/v2",
    "/ping",
    "/health",
    "/version",
    MODEL_INFER,
)
ELSEWHERE: Final = "other"
"""What stands for every other path, and for what was no request: a label must not be the clients' to choose."""

CODES: Final = (*sorted({200, 202, 304, 404, 405, 500} | {problem.status for problem in PROBLEMS.values()}), 0)
"""Statuses; 0 stands for any other."""

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

CONTENT: Final = (
    MetricFamily(
        "requests",
        "Requests answered",
        labels=(("route", (*ROUTES, ELSEWHERE)), ("code", tuple(str(code or "other") for code in CODES))),
    ),
    Histogram("request_duration_seconds", "From the queue to the answer, each prediction", _SECONDS),
    Histogram("queue_wait_seconds", "From the queue to the start of a call of the engine, each request", _SECONDS),
    Histogram("inference_duration_seconds", "Calls of the engine", (0.00002, 0.00005, 0.0001, 0.00025, *_SECONDS[:-1])),
    Histogram("batch_size", "Rows in a call of the engine", tuple(float(1 << power) for power in range(13))),
    MetricFamily("accepted", "Requests that were queued"),
    MetricFamily("answered", "Requests that the engine answered"),
    MetricFamily("failed", "Requests on which the engine failed"),
    MetricFamily("cancelled", "Requests whose client hung up before they were answered"),
    MetricFamily(
        "shed",
        "Requests that were sent away because of load, or given up by a drain",
        labels=(("reason", ("queue_full", "deadline_unreachable", "deadline_exceeded", "given_up")),),
    ),
    MetricFamily("batches", "Calls of the engine that succeeded"),
    MetricFamily("batched_rows", "Rows in the calls that succeeded"),
    MetricFamily("failed_batches", "Calls of the engine that failed"),
    MetricFamily("queue_depth", "Rows that wait", "gauge"),
    MetricFamily("queued_requests", "Requests that wait", "gauge"),
    MetricFamily("running_rows", "Rows in the engine", "gauge"),
    MetricFamily("connections", "Open connections", "gauge"),
    MetricFamily(
        "model_update_failing", "Workers that do not serve the newest version, for it cannot be had or served", "gauge"
    ),
    MetricFamily(
        "model_columns_assumed", "Workers whose model's columns are only assumed to be in Canopy's order", "gauge"
    ),
    MetricFamily(
        "worker_model_version", "Version of the model in service, 0 if there is none", "gauge", each_worker=True
    ),
    MetricFamily("worker_cpu_seconds", "CPU time used", each_worker=True),
    MetricFamily("worker_resident_memory_bytes", "Resident memory", "gauge", each_worker=True),
)

COUNTED: Final = {
    "accepted": ("accepted", 0),
    "answered": ("answered", 0),
    "failed": ("failed", 0),
    "cancelled": ("cancelled", 0),
    "queue_full": ("shed", 0),
    "deadline_unreachable": ("shed", 1),
    "expired": ("shed", 2),
    "dropped": ("shed", 3),
    "batches": ("batches", 0),
    "batched_rows": ("batched_rows", 0),
    "failed_batches": ("failed_batches", 0),
}
"""Where on the board a field of ``Statistics`` that only grows goes."""

PRESENT: Final = {"queued_rows": "queue_depth", "queued_items": "queued_requests", "running_rows": "running_rows"}
"""Likewise, of those that come and go."""


class Metrics:
    """What adds to this worker's row of the board.

    Args:
        board: its content is ``CONTENT``.

    Attributes:
        board: see above.
        predictions: adds what each prediction adds, and each call of the engine.
    """

    def __init__(self, board: SharedMetrics) -> None:
        self.board = board
        row, place = board.row, board.place
        counted = {name: place(family) + offset for name, (family, offset) in COUNTED.items()}
        # A worker that went before has left its counts.
        self._counted = [(name, slot, row[slot]) for name, slot in counted.items()]
        self._present = {name: place(family) for name, family in PRESENT.items()}
        self._cpu = place("worker_cpu_seconds"), row[place("worker_cpu_seconds")]
        self._routes = {route: place("requests") + at * len(CODES) for at, route in enumerate((*ROUTES, ELSEWHERE))}
        self._codes = {code: at for at, code in enumerate(CODES)}
        good = {route: at + self._codes[200] for route, at in self._routes.items()}
        buckets = {
            part.name: Buckets(row, place(part.name), part.bounds) for part in CONTENT if isinstance(part, Histogram)
        }
        self.predictions = Recorder(
            row,
            good,
            elsewhere=good[ELSEWHERE],
            duration=buckets["request_duration_seconds"],
            wait=buckets["queue_wait_seconds"],
            inference=buckets["inference_duration_seconds"],
            size=buckets["batch_size"],
        )
        # Open for good: it is read also while the system has no more files for us.
        self._memory = os.open("/proc/self/statm", os.O_RDONLY)
        weakref.finalize(self, os.close, self._memory)
        for slot in (
            *self._present.values(),
            *map(place, ("connections", "model_update_failing", "model_columns_assumed", "worker_model_version")),
        ):
            row[slot] = 0.0

    def responded(self, route: str, status: int) -> None:
        """A request was answered.

        Args:
            route: its path.
            status: of the response.
        """
        place = self._routes.get(route, self._routes[ELSEWHERE])
        self.board.row[place + self._codes.get(status, self._codes[0])] += 1

    def batch(self, event: BatchEvent) -> None:
        """A call of the engine has ended; see ``batcher.Observer``."""
        self.predictions.waited(event.waits)
        if event.error is None:
            self.predictions.computed(event.rows, event.duration)

    def serves(self, version: str, update_error: str | None, *, assumed: bool) -> None:
        """What is served.

        Args:
            version: of the model, as the registry writes it.
            update_error: why it is not the newest one, if it is not.
            assumed: whether the order of the model's columns is.
        """
        row, place = self.board.row, self.board.place
        row[place("worker_model_version")] = float(version) if version.isdecimal() else 0.0
        row[place("model_update_failing")] = float(update_error is not None)
        row[place("model_columns_assumed")] = float(assumed)

    def publish(self, statistics: Statistics, connections: int) -> None:
        """Put on the board what is counted elsewhere; called several times a second, and before the board is read.

        Args:
            statistics: the batcher's.
            connections: how many are open.
        """
        row = self.board.row
        for name, slot, before in self._counted:
            row[slot] = before + getattr(statistics, name)
        for name, slot in self._present.items():
            row[slot] = getattr(statistics, name)
        row[self.board.place("connections")] = connections
        slot, before = self._cpu
        row[slot] = before + time.process_time()
        resident = int(os.pread(self._memory, 100, 0).split()[1]) * resource.getpagesize()
        row[self.board.place("worker_resident_memory_bytes")] = resident
