"""The board, what is put on it, and how it is told."""

import os
import time
import urllib.request
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from batcher import BatchEvent, Statistics
from loadtest.system.process import ServerProcess
from serving.metrics.content import CONTENT, Metrics
from serving.metrics.exposition import PrometheusMetrics, document
from serving.metrics.shared import Histogram, MetricFamily, SharedMetrics
from serving.model import ModelHandle
from tests.conftest import Start
from tests.helpers.stub_server import HELD, NO_JSON, RAISES
from tests.helpers.support import PATIENCE, Gate, Wire, chunked, in_the_batcher, request, rows, until
from tests.serving.conftest import Hold
from workers import share_memory

SMALL = (
    MetricFamily("one", "One"),
    MetricFamily("many", "Many", labels=(("a", ("x", "y")), ("b", ("1", "2", "3")))),
    Histogram("times", "Times", (0.1, 1.0)),
)


def told(board: SharedMetrics) -> dict[str, float]:
    """Every sample of a board."""
    content, media_type = PrometheusMetrics(board, ModelHandle()).expose("text/plain")
    assert media_type.startswith("text/plain")
    return samples(content)


def scrape(server: ServerProcess) -> dict[str, float]:
    """Every sample of a server."""
    with urllib.request.urlopen(f"http://{server.host}:{server.port}/metrics", timeout=PATIENCE) as response:
        assert response.headers["content-type"].startswith("text/plain; version=")
        return samples(response.read())


def samples(content: bytes) -> dict[str, float]:
    """Every sample as a scraper reads it, by name and labels."""
    return {
        name + "".join(f",{key}={value}" for key, value in sorted(labels.items())): number
        for family in text_string_to_metric_families(content.decode())
        for name, labels, number, *_ in family.samples
    }


def test_whoever_asks_is_told_of_all_workers() -> None:
    """Each adds to a row of its own in memory that they share."""
    memory = share_memory(1 << 14)
    boards = [SharedMetrics(SMALL, 3, index, memory) for index in range(3)]
    os.close(memory)
    for amount, board in enumerate(boards, 1):
        board.row[board.place("one")] += amount
        board.row[board.place("many") + 4] += 10 * amount
    for board in boards:
        assert board.total(board.place("one")) == 6
        assert board.each(board.place("one")) == [1, 2, 3]
        assert told(board)["canopy_one_total"] == 6
        assert told(board)["canopy_many_total,a=y,b=2"] == 60
        assert "canopy_many_total,a=x,b=1" not in told(board), "what never was is not told"


def test_a_worker_goes_on_with_the_counts_of_the_one_before_it() -> None:
    """A counter never goes back; what was there at one moment only is forgotten."""
    memory = share_memory(1 << 14)
    nothing = Statistics(**{field.name: 0 for field in fields(Statistics)})  # type: ignore[arg-type]
    for _ in range(3):
        metrics = Metrics(SharedMetrics(CONTENT, 2, 1, memory))
        metrics.predictions.answered("/predict", 0.01)
        metrics.publish(replace(nothing, answered=5, queued_rows=7), connections=3)
    figures = document(SharedMetrics(CONTENT, 2, 0, memory))
    assert figures["batcher"]["answered"] == 15
    assert figures["requests"] == {"/predict": {"200": 3}}
    assert figures["request_duration_seconds"]["count"] == 3
    assert (figures["batcher"]["queued_rows"], figures["connections"]) == (7, 3)
    Metrics(SharedMetrics(CONTENT, 2, 1, memory))
    figures = document(SharedMetrics(CONTENT, 2, 0, memory))
    assert (figures["batcher"]["queued_rows"], figures["connections"]) == (0, 0)
    os.close(memory)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_a_histogram_counts_each_value_once(waits: list[float]) -> None:
    """In the bucket of the first bound that is not below it, as Prometheus has it; with their sum."""
    board = SharedMetrics(CONTENT)
    Metrics(board).batch(BatchEvent(waits, len(waits), 0.5, None))
    sampled = told(board)
    for key, count in sampled.items():
        name, _, bound = key.partition(",le=")
        if name == "canopy_queue_wait_seconds_bucket":
            assert count == sum(wait <= float(bound) for wait in waits)
    assert sampled["canopy_queue_wait_seconds_count"] == len(waits)
    assert sampled["canopy_queue_wait_seconds_sum"] == pytest.approx(sum(waits))
    assert sampled["canopy_inference_duration_seconds_bucket,le=0.5"] == 1
    assert sampled["canopy_inference_duration_seconds_bucket,le=0.25"] == 0


@given(st.lists(st.floats(0.0001, 29), min_size=1, max_size=200))
@example([1.0] * 3 + [0.002] * 3)
def test_a_quantile_lies_in_the_right_bucket(seconds: list[float]) -> None:
    """Within the bounds around the value that it stands for."""
    board = SharedMetrics(CONTENT)
    metrics = Metrics(board)
    for value in seconds:
        metrics.predictions.predicted(value)
    summary = document(board)["request_duration_seconds"]
    bounds = [0.0, *(bound for bound, _ in summary["buckets"] if bound is not None)]
    for percent in (50, 90, 99):
        exact = sorted(seconds)[max(0, -(-percent * len(seconds) // 100) - 1)]
        low = max(bound for bound in bounds if bound < exact)
        high = min(bound for bound in bounds if bound >= exact)
        assert low <= summary[f"p{percent}"] <= high
    assert summary["mean"] == pytest.approx(sum(seconds) / len(seconds))


def test_without_any_request_there_are_figures_all_the_same() -> None:
    """Zeros where a counter is, and nothing where there is no mean."""
    figures = document(SharedMetrics(CONTENT))
    assert figures["request_duration_seconds"]["p99"] is None
    assert figures["requests"] == {}
    sampled = told(SharedMetrics(CONTENT))
    assert sampled["canopy_shed_total,reason=queue_full"] == 0
    assert sampled["canopy_request_duration_seconds_count"] == 0


def test_a_failed_call_is_no_inference_time() -> None:
    """Its requests have waited, but what it took is that of no prediction."""
    board = SharedMetrics(CONTENT)
    Metrics(board).batch(BatchEvent([0.1], 4, 0.5, ArithmeticError()))
    figures = document(board)
    assert figures["queue_wait_seconds"]["count"] == 1
    assert figures["inference_duration_seconds"]["count"] == figures["batch_size"]["count"] == 0


def test_requests_are_counted_by_route_and_status(start: Start, way: str) -> None:
    """Whichever way they come, and also what was no request; a path that a client makes up is not a label."""
    with start("--http", way) as server:
        wire = Wire(server)
        for sent in (
            request(rows(1)),
            request(rows(1, 2, 3)),
            chunked(rows(1)),
            request(rows(RAISES)),
            request(b"{}"),
            request(method="GET"),
            request(method="GET", target="/secret"),
            request(method="GET", target="/health/live"),
            b"nonsense\r\n\r\n",
        ):
            wire.ask(sent)
        Wire(server).ask(request(rows(NO_JSON)))
        figures = server.get("/stats")
        requests = figures["requests"]
        assert requests.pop("/health/ready")  # by whoever waited for the server
        assert requests == {
            "/predict": {"200": 3, "405": 1, "422": 1, "500": 2},
            "/health/live": {"200": 1},
            "other": {"404": 1, "400": 1},
        }
        assert figures["request_duration_seconds"]["count"] == 3
        assert figures["batch_size"]["count"] == 4
        assert figures["batcher"]["batched_rows"] == 6
        sampled = scrape(server)
        assert sampled["canopy_requests_total,code=200,route=/predict"] == 3
        assert sampled["canopy_requests_total,code=400,route=other"] == 1
        assert sampled["canopy_requests_total,code=200,route=/stats"] == 1
        assert sampled["canopy_batch_size_sum"] == 6
        assert sampled["canopy_failed_total"] == sampled["canopy_failed_batches_total"] == 1
        assert sampled["canopy_model_info,engine=stub,name=BestModelRF,version=7"] == 1
        assert sampled["canopy_model_columns_assumed"] == 0


def test_the_queue_is_told_as_it_is(server: ServerProcess, hold: Hold) -> None:
    """Rows that wait, requests that wait, rows in the engine; and who hung up."""
    before = scrape(server)
    with hold():
        wires = [Wire(server) for _ in range(3)]
        for wire in wires:
            wire.send(request(rows(1, 2)))
        until(lambda: scrape(server)["canopy_queue_depth"] == 6)
        sampled = scrape(server)
        assert sampled["canopy_queued_requests"] == 3
        assert sampled["canopy_running_rows"] == 1
        assert sampled["canopy_connections"] >= 4
        wires[0].close()
        until(lambda: scrape(server)["canopy_queue_depth"] == 4)
    for wire in wires[1:]:
        assert wire.receive().status == 200
    after = scrape(server)
    assert after["canopy_cancelled_total"] == before["canopy_cancelled_total"] + 1


def test_what_is_sent_away_is_counted_by_reason(start: Start, way: str, tmp_path: Path) -> None:
    """Here it is that the queue was full."""
    gate = tmp_path / "gate"
    with start("--http", way, "--max-queue-rows", "2", gate=str(gate)) as server:
        wires = [Wire(server) for _ in range(6)]
        with Gate(gate):
            wires[0].send(request(rows(HELD)))
            until(lambda: in_the_batcher(server) == (0, 1))
            for wire in wires[1:3]:
                wire.send(request(rows(1)))
            until(lambda: in_the_batcher(server) == (2, 1))
            assert [wire.ask(request(rows(1))).status for wire in wires[3:]] == [503] * 3
        assert [wire.receive().status for wire in wires[:3]] == [200] * 3
        assert scrape(server)["canopy_shed_total,reason=queue_full"] == 3
        assert server.get("/stats")["batcher"]["queue_full"] == 3


def test_open_metrics_is_told_to_who_asks_for_it(server: ServerProcess) -> None:
    """In the format that the header Accept chooses."""
    accept = "Accept: application/openmetrics-text; version=1.0.0"
    answer = Wire(server).ask(request(b"", accept, method="GET", target="/metrics"))
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    parse = openmetrics_parser.text_string_to_metric_families
    families = {family.name: family for family in parse(answer.body.decode())}  # type: ignore[no-untyped-call]
    assert families["canopy_requests"].type == "counter"
    assert families["canopy_batch_size"].type == "histogram"


def test_a_busy_worker_tells_its_cpu_time_and_memory(server: ServerProcess) -> None:
    """In seconds and bytes, each worker by itself."""
    (before,) = server.get("/stats")["workers"]
    assert 10e6 < before["resident_memory_bytes"] < 2e9
    until(lambda: server.get("/stats")["workers"][0]["cpu_seconds"] > before["cpu_seconds"])


@pytest.mark.parametrize("sent", ["true", "1", "TRUE"])
def test_a_request_is_told_how_it_fared_if_it_asks(server: ServerProcess, hold: Hold, sent: str) -> None:
    """How long it queued, how long its batch took, and how many rows rode with it."""
    timed = request(rows(1, 2), f"Canopy-Timing: {sent}")
    with hold():
        wires = [Wire(server) for _ in range(3)]
        for wire in wires:
            wire.send(timed)
        until(lambda: server.get("/stats")["batcher"]["queued_rows"] == 6)
        queued = time.monotonic()
        until(lambda: time.monotonic() > queued + 0.05)
    for wire in wires:
        header = wire.receive().headers["server-timing"]
        queue, batch, riders = header.split(", ")
        assert 50 <= float(queue.removeprefix("queue;dur=")) < 20_000
        assert 0 < float(batch.removeprefix("batch;dur=")) < 20_000
        assert riders == 'rows;desc="6"'


def test_who_does_not_ask_is_told_nothing(server: ServerProcess) -> None:
    """Not without the header, nor if it says no; and what it cannot mean is an error."""
    wire = Wire(server)
    assert "server-timing" not in wire.ask(request(rows(1))).headers
    assert "server-timing" not in wire.ask(request(rows(1), "Canopy-Timing: false")).headers
    assert wire.ask(request(rows(1), "Canopy-Timing: maybe")).kind == "bad-parameter"
