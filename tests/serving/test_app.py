"""What the application answers, seen from outside."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtest.system.process import ServerProcess
from preprocessing import covertype
from tests.conftest import Start
from tests.helpers.stub_server import HELD, NAN_LABEL, NOT_FINITE, RAISES, STOPS, WRONG_SHAPE
from tests.helpers.support import Client, Gate, Reply, counted, in_the_batcher, label, rows, until, wait_for

GOOD = json.dumps({"features": covertype.EXAMPLE}).encode()


def assert_problem(reply: Reply, status: int, kind: str) -> None:
    """The reply is an RFC 9457 problem document."""
    assert reply.status == reply.document["status"] == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.document["type"] == f"urn:canopy:problem:{kind}"
    assert reply.document["title"]
    assert reply.document["detail"]


def test_the_reference_request_gets_the_reference_answer(client: Client) -> None:
    """One row of twelve numbers is answered by a list with one label, and the model's name and version."""
    reply = client.ask("POST", "/predict", GOOD)
    assert reply.status == 200
    assert reply.document == {"prediction": [label(3000)]}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["canopy-model"] == "BestModelRF/7"


def test_many_rows_get_a_label_each_in_order(client: Client) -> None:
    """The list of labels runs parallel to the list of rows."""
    assert client.predict(3, 1, 2).document == {"prediction": [label(3), label(1), label(2)]}


def test_probabilities_come_when_asked(client: Client) -> None:
    """They are a row of seven for each row, with the classes that they are of."""
    document = client.predict(3, 5, query="?probabilities=true").document
    assert document["classes"] == list(range(1, 8))
    assert document["probabilities"] == [[0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0]]
    assert "probabilities" not in client.predict(3, query="?probabilities=false").document


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param({"Content-Type": "application/json; charset=utf-8"}, id="charset"),
        pytest.param({"Content-Type": "Application/JSON"}, id="upper-case"),
        pytest.param({"Content-Type": "application/vnd.canopy+json"}, id="json-suffix"),
        pytest.param({"Accept": "*/*"}, id="none"),
    ],
)
def test_json_is_taken_by_any_of_its_names(client: Client, content_type: dict[str, str]) -> None:
    """Parameters, case and structured suffixes do not matter, and the header may be missing."""
    assert client.ask("POST", "/predict", GOOD, content_type).status == 200


def test_a_fault_in_the_body_is_named_by_its_path(client: Client) -> None:
    """422 with the JSONPath of the fault, and the connection lives on."""
    reply = client.ask("POST", "/predict", b'{"features": [[1, 2, "x", 4, 5, 6, 7, 8, 9, 10, 0, 0]]}')
    assert_problem(reply, 422, "invalid-row")
    assert reply.document["path"] == "$.features[0][2]"
    assert "Slope" in reply.document["detail"]
    assert client.predict(3).status == 200


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "kind"),
    [
        pytest.param("POST", "/predict", b"{", JSON, 400, "malformed-json", id="cut-off"),
        pytest.param("POST", "/predict", b"", JSON, 400, "malformed-json", id="empty"),
        pytest.param("POST", "/predict", rows(*[1] * 1001), JSON, 422, "invalid-row", id="too-many-rows"),
        pytest.param("POST", "/predict", b" " * (1 << 20) + b"{}", JSON, 413, "body-too-large", id="too-long"),
        pytest.param(
            "POST", "/predict", GOOD, {"Content-Type": "text/csv"}, 415, "unsupported-media-type", id="not-json"
        ),
        pytest.param(
            "POST", "/predict", GOOD, JSON | {"Content-Encoding": "gzip"}, 415, "unsupported-media-type", id="gzip"
        ),
        pytest.param("POST", "/predict?probabilities=maybe", GOOD, JSON, 400, "bad-parameter", id="query"),
        pytest.param("POST", "/predict", GOOD, JSON | {"Canopy-Deadline-Ms": "soon"}, 400, "bad-parameter", id="word"),
        pytest.param("POST", "/predict", GOOD, JSON | {"Canopy-Deadline-Ms": "0"}, 400, "bad-parameter", id="zero"),
        pytest.param("POST", "/predict", GOOD, JSON | {"Canopy-Deadline-Ms": "nan"}, 400, "bad-parameter", id="nan"),
        pytest.param("POST", "/predict", GOOD, JSON | {"Canopy-Deadline-Ms": "inf"}, 400, "bad-parameter", id="inf"),
        pytest.param("POST", "/predict", GOOD, JSON | {"Canopy-Deadline-Ms": "-5"}, 400, "bad-parameter", id="minus"),
        pytest.param("GET", "/predict", None, {}, 405, "method-not-allowed", id="wrong-method"),
        pytest.param("GET", "/nowhere", None, {}, 404, "not-found", id="wrong-path"),
    ],
)
def test_each_failure_is_a_problem_document(
    client: Client, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, kind: str
) -> None:
    """Never a 200 for a failure; and the next request on the same connection is served."""
    assert_problem(client.ask(method, path, body, headers), status, kind)
    assert client.predict(3).document == {"prediction": [label(3)]}


def test_a_wrong_method_is_told_the_right_one(client: Client) -> None:
    """405 comes with Allow."""
    assert client.ask("GET", "/predict").headers["allow"] == "POST"


def test_a_chunked_body_over_the_limit_is_refused(quick: ServerProcess) -> None:
    """Without a declared length the bytes are counted as they come."""
    client = Client(quick)
    client.connection.request(
        "POST", "/predict", iter([b" " * 100_000] * 12), {"Content-Type": "application/json"}, encode_chunked=True
    )
    assert_problem(client.receive(), 413, "body-too-large")


def test_the_other_routes(client: Client) -> None:
    """A description, liveness, readiness and statistics."""
    index = client.ask("GET", "/").document
    assert index["name"] == "canopy-serve"
    assert index["model"] == "BestModelRF/7"
    assert index["fields"] == list(covertype.FIELDS)
    assert client.ask("GET", "/health/live").document == {"status": "live"}
    ready = client.ask("GET", "/health/ready")
    assert (ready.status, ready.document["status"]) == (200, "ready")
    assert (ready.document["columns"], ready.document["warning"]) == ("named", None)
    assert client.ask("GET", "/stats").document["batcher"]["queued_rows"] == 0


def test_it_is_alive_but_not_ready_until_the_model_is_loaded(start: Start, tmp_path: Path) -> None:
    """While the model is being loaded, readiness and predictions are 503 and say when to come back."""
    gate = tmp_path / "go"
    with start(ready_within=None, load_after=str(gate)) as server:
        server.wait_until_listening(30)
        client = Client(server)
        assert client.ask("GET", "/health/live").status == 200
        ready = client.ask("GET", "/health/ready")
        assert (ready.status, ready.document["status"]) == (503, "loading")
        reply = client.predict(3)
        assert_problem(reply, 503, "model-not-ready")
        assert int(reply.headers["retry-after"]) >= 1
        gate.touch()
        server.wait_until_ready(10)
        assert client.predict(3).status == 200


def together(server: ServerProcess, bodies: list[bytes], headers: dict[str, str] | None = None) -> list[Reply]:
    """Send bodies at the same time, each on a connection of its own."""
    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda body: Client(server).ask("POST", "/predict", body, headers), bodies))


@pytest.fixture(scope="module")
def slow(start: Start) -> Iterator[ServerProcess]:
    """A server whose engine takes a tenth of a second a call, with little room in its queue."""
    options = ["--max-queue-rows", "40", "--max-batch-rows", "20", "--deadline-ms", "5000"]
    with start(*options, fixed=0.1) as server:
        yield server


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(RAISES, id="raises"),
        pytest.param(WRONG_SHAPE, id="returns-too-few"),
        pytest.param(NOT_FINITE, id="returns-nan"),
        pytest.param(NAN_LABEL, id="returns-nan-as-a-label"),
        pytest.param(STOPS, id="raises-stop-iteration"),
    ],
)
def test_a_row_on_which_the_engine_fails_fails_alone(slow: ServerProcess, poison: float) -> None:
    """Whatever the engine does wrong for one row, its neighbours in the batch get their own answers."""
    elevations = [1, 2, 3, poison, 4, 5, 6]
    replies = together(slow, [rows(elevation) for elevation in elevations])
    for elevation, reply in zip(elevations, replies, strict=True):
        if elevation == poison:
            assert_problem(reply, 500, "inference-failed")
            assert "poison" not in reply.document["detail"], "the model's own words are not for the client"
        else:
            assert reply.document == {"prediction": [label(elevation)]}


def test_a_full_queue_is_a_503_that_says_when_to_come_back(start: Start, tmp_path: Path) -> None:
    """Of more rows than fit, some are refused at once; all others are answered rightly."""
    gate = tmp_path / "gate"
    with start("--max-queue-rows", "40", gate=str(gate)) as server, ThreadPoolExecutor() as pool:
        watcher = Client(server)
        with Gate(gate):
            running = pool.submit(Client(server).predict, HELD)
            wait_for(watcher, "running_rows", 1)
            fitting = pool.submit(together, server, [rows(*[number] * 10) for number in range(4)])
            wait_for(watcher, "queued_rows", 40)
            for reply in together(server, [rows(*[number] * 10) for number in range(8)]):
                assert_problem(reply, 503, "queue-full")
                assert int(reply.headers["retry-after"]) >= reply.document["retry_after"] > 0
        assert running.result().status == 200
        for number, reply in enumerate(fitting.result()):
            assert reply.document == {"prediction": [label(number)] * 10}


def test_under_overload_even_nonsense_is_refused_for_that_reason(start: Start, tmp_path: Path) -> None:
    """Once one row is refused, no body is looked at until there is room; then nonsense is told as such again."""
    gate = tmp_path / "gate"
    with start("--max-queue-rows", "1", gate=str(gate)) as server, ThreadPoolExecutor() as pool:
        with Gate(gate):
            held = [pool.submit(Client(server).predict, HELD)]
            until(lambda: in_the_batcher(server) == (0, 1))
            held.append(pool.submit(Client(server).predict, 1))
            until(lambda: in_the_batcher(server) == (1, 1))
            client = Client(server)
            first, again = client.predict(2), client.predict(3)
            for reply in (first, again, client.ask("POST", "/predict", b"nonsense")):
                assert_problem(reply, 503, "queue-full")
                assert reply.document == first.document
                assert reply.headers["retry-after"] == first.headers["retry-after"]
        assert [each.result().status for each in held] == [200, 200]
        assert_problem(client.ask("POST", "/predict", b"nonsense"), 400, "malformed-json")
        assert counted(server, "queue_full") == 3


def test_a_deadline_header_lowers_the_deadline(start: Start, tmp_path: Path) -> None:
    """Behind a running call that takes longer, a deadline of 10 ms is refused early or expires in the queue."""
    gate = tmp_path / "gate"
    with start(gate=str(gate)) as server, ThreadPoolExecutor() as pool:
        with Gate(gate):
            running = pool.submit(Client(server).predict, HELD)
            wait_for(Client(server), "running_rows", 1)
            replies = together(server, [rows(1)] * 8, JSON | {"Canopy-Deadline-Ms": "10"})
        assert running.result().status == 200
    for reply in replies:
        assert (reply.status, reply.document["type"].rpartition(":")[2]) in {
            (503, "deadline-unreachable"),
            (504, "deadline-exceeded"),
        }


def test_a_client_that_hangs_up_takes_its_rows_out_of_the_queue(start: Start, tmp_path: Path) -> None:
    """The rows of a closed connection are freed before the engine gets to them."""
    gate = tmp_path / "gate"
    with start(gate=str(gate)) as server, Gate(gate):
        Client(server).send("POST", "/predict", rows(HELD))
        watcher = Client(server)
        wait_for(watcher, "running_rows", 1)
        leaving = Client(server)
        leaving.send("POST", "/predict", rows(2, 3))
        wait_for(watcher, "queued_rows", 2)
        leaving.connection.close()
        wait_for(watcher, "queued_rows", 0)
        statistics = watcher.ask("GET", "/stats").document["batcher"]
        assert statistics["cancelled"] == 1
        assert statistics["running_rows"] == 1


def test_unbatched_mode_makes_one_call_a_request(start: Start) -> None:
    """The answers are the same; each request is a batch of its own."""
    with start("--batching", "off", fixed=0.005) as server:
        replies = together(server, [rows(number, number + 1) for number in range(10)])
        assert [reply.document["prediction"] for reply in replies] == [[label(n), label(n + 1)] for n in range(10)]
        assert server.get("/stats")["batcher"]["batches"] == 10


@pytest.mark.parametrize(
    ("bounded", "seconds", "inline"),
    [
        pytest.param(True, 0.0, True, id="short"),
        pytest.param(True, 0.05, False, id="long"),
        pytest.param(False, 0.0, False, id="short-but-not-bounded"),
    ],
)
def test_a_call_that_is_sure_to_be_short_runs_on_the_event_loop(
    start: Start, tmp_path: Path, bounded: bool, seconds: float, inline: bool
) -> None:
    """An engine whose calls are bounded is called in the main thread if that is short, any other in its own thread."""
    calls = tmp_path / "threads"
    with start(bounded=bounded, fixed=seconds, threads=str(calls)) as server:
        warm_up = calls.read_text().splitlines()
        assert set(warm_up) == {"canopy-daemon"}
        client = Client(server)
        # So often that a hiccup of the machine, which makes a call look long, is forgotten.
        for number in range(30):
            assert client.predict(number).document == {"prediction": [label(number)]}
        threads = calls.read_text().splitlines()[len(warm_up) :]
    assert len(threads) == 30
    assert ("MainThread" in threads) == inline
