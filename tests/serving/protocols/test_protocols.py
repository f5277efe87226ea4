"""What clients of other protocols ask besides predictions."""

from pathlib import Path

import pytest

from loadtest.system.process import ServerProcess
from preprocessing import covertype
from tests.conftest import Start
from tests.helpers.formats import FORMATS, encoded, matrix, records, row_of
from tests.helpers.support import Gate, Wire, chunked, in_the_batcher, label, request, until

NAME = "BestModelRF"
MODEL = f"/v2/models/{NAME}"


def get(server: ServerProcess, target: str, method: str = "GET", body: bytes = b"") -> tuple[int, object]:
    """Status and JSON of a response."""
    answer = Wire(server).ask(request(body, method=method, target=target))
    return answer.status, answer.document


def test_v2_tells_server_and_model(quick: ServerProcess) -> None:
    """Name, version, extensions; the model's inputs and outputs, with and without its version."""
    status, document = get(quick, "/v2")
    assert status == 200
    assert isinstance(document, dict)
    assert document["name"] == "canopy-serve"
    assert "binary_tensor_data" in document["extensions"]
    for target in (MODEL, f"{MODEL}/versions/7"):
        status, document = get(quick, target)
        assert status == 200
        assert isinstance(document, dict)
        assert (document["name"], document["versions"]) == (NAME, ["7"])
        assert [each["name"] for each in document["inputs"]] == list(covertype.FIELDS)
        assert document["outputs"] == [
            {"name": "predict", "datatype": "INT64", "shape": [-1, 1]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 7]},
        ]


def test_v2_tells_what_is_ready(quick: ServerProcess) -> None:
    """The server, the model, its version, and the repository, which has one."""
    assert get(quick, "/v2/health/live") == (200, {"live": True})
    assert get(quick, "/v2/health/ready") == (200, {"ready": True})
    for target in (f"{MODEL}/ready", f"{MODEL}/versions/7/ready"):
        assert get(quick, target) == (200, {"name": NAME, "ready": True})
    served = [{"name": NAME, "version": "7", "state": "READY", "reason": ""}]
    for body in (b"", b"{}", b'{"ready": true}'):
        assert get(quick, "/v2/repository/index", "POST", body) == (200, served)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/v2/models/Other", "no model 'Other' is served here, but 'BestModelRF'"),
        ("/v2/models/Other/ready", "no model 'Other' is served here"),
        (f"{MODEL}/versions/6", "version '6' of BestModelRF is not served, but 7"),
        (f"{MODEL}/versions/6/ready", "version '6' of BestModelRF is not served"),
        ("/v1/models/Other", "no model 'Other'"),
        (f"/v1/models/{NAME}/versions/6", "version '6'"),
    ],
)
def test_other_models_and_versions_are_not_found(quick: ServerProcess, target: str, said: str) -> None:
    """In the protocol's own words."""
    status, document = get(quick, target)
    assert status == 404
    assert isinstance(document, dict)
    assert said in document["error"]


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/v2", b"", 405),
        ("GET", f"{MODEL}/infer", b"", 405),
        ("POST", "/v2/repository/index", b"[]", 400),
        ("POST", "/v2/repository/index", b"{", 400),
        ("POST", "/v2/models/Other/infer", b"{}", 404),
        ("POST", f"{MODEL}/versions/6/infer", b"{}", 404),
        ("POST", "/v1/models/Other:predict", b"{}", 404),
    ],
)
def test_what_is_wrong_is_told_in_the_protocols_form(
    quick: ServerProcess, method: str, target: str, body: bytes, status: int
) -> None:
    """``error``, whatever the fault."""
    found, document = get(quick, target, method, body)
    assert found == status
    assert isinstance(document, dict)
    assert list(document) == ["error"]


def test_a_version_may_be_asked_for(quick: ServerProcess) -> None:
    """The one that is served."""
    answer = Wire(quick).ask(request(encoded({"inputs": [matrix([row_of(3)])]}), target=f"{MODEL}/versions/7/infer"))
    assert answer.document["outputs"][0]["data"] == [label(3)]


def test_a_version_that_is_replaced_meanwhile_answers_nobody(start: Start, tmp_path: Path) -> None:
    """Who has asked for it by its number is told so."""
    version, gate = tmp_path / "version", tmp_path / "gate"
    version.write_text("7")
    with start("--model-poll-seconds", "0.1", version=str(version), gate=str(gate)) as server:
        held, asking = Wire(server), Wire(server)
        body = encoded({"inputs": [matrix([row_of(3)])]})
        with Gate(gate):
            held.send(FORMATS["predict"].request(4000.0))
            until(lambda: in_the_batcher(server) == (0, 1))
            asking.send(request(body, target=f"{MODEL}/versions/7/infer"))
            until(lambda: in_the_batcher(server) == (1, 1))
            version.write_text("8")
            until(lambda: server.get("/health/ready")["model"] == f"{NAME}/8")
        answer = asking.receive()
        assert (answer.status, answer.document) == (404, {"error": "version 7 has just been replaced by 8"})


def test_the_index_reads_no_more_than_a_body_may_have(quick: ServerProcess) -> None:
    """However it comes."""
    answer = Wire(quick).ask(chunked(b" " * 2_000_000, size=500_000, target="/v2/repository/index"))
    assert (answer.status, list(answer.document)) == (413, ["error"])


def test_v1_knows_versions(quick: ServerProcess) -> None:
    """As TensorFlow Serving does."""
    body = encoded({"instances": [row_of(3)]})
    answer = Wire(quick).ask(request(body, target=f"/v1/models/{NAME}/versions/7:predict"))
    assert answer.document == {"predictions": [label(3)]}
    assert Wire(quick).ask(request(body, target=f"/v1/models/{NAME}/versions/6:predict")).status == 404


def test_v1_tells_the_model(quick: ServerProcess) -> None:
    """As KServe does, and as TensorFlow Serving does."""
    assert get(quick, "/v1/models") == (200, {"models": [NAME]})
    state = {"version": "7", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    told = {"name": NAME, "ready": True, "model_version_status": [state]}
    assert get(quick, f"/v1/models/{NAME}") == (200, told)
    assert get(quick, f"/v1/models/{NAME}/versions/7") == (200, told)


def test_mlflows_clients_are_told_that_it_is_well(quick: ServerProcess) -> None:
    """And of which MLflow the protocol is."""
    for target in ("/ping", "/health"):
        answer = Wire(quick).ask(request(method="GET", target=target))
        assert (answer.status, answer.body) == (200, b"\n")
    answer = Wire(quick).ask(request(method="GET", target="/version"))
    assert answer.status == 200
    assert answer.body.decode()[0].isdigit()


def test_a_server_without_a_model_says_so(start: Start, tmp_path: Path) -> None:
    """Every protocol in its own form, with Retry-After, and what needs no model is answered all the same."""
    with start(ready_within=None, load_after=str(tmp_path / "load")) as server:
        server.wait_until_listening(60)
        assert get(server, "/v2/health/live") == (200, {"live": True})
        assert get(server, "/v2/health/ready")[0] == 503
        assert get(server, f"{MODEL}/ready") == (503, {"name": NAME, "ready": False})
        for target in (MODEL, f"{MODEL}/versions/7", f"/v1/models/{NAME}"):
            assert get(server, target) == (503, {"error": "the model is still being loaded"})
        for target in ("/ping", "/health"):
            status, document = get(server, target)
            assert status == 503
            assert document == {
                "error_code": "TEMPORARILY_UNAVAILABLE",
                "message": "the model is still being loaded",
            }
        told = [{"name": NAME, "version": "", "state": "UNAVAILABLE", "reason": "loading"}]
        assert get(server, "/v2/repository/index", "POST") == (200, told)
        assert get(server, "/v2/repository/index", "POST", b'{"ready": true}') == (200, [])
        for sent in FORMATS.values():
            answer = Wire(server).ask(sent.request(3))
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_vertex_ai_says_where_it_asks(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variables; where it wants a path of ours, it gets its own protocol there."""
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/predict")
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/")
    for way in ("hot", "asgi"):
        with start("--http", way) as server:
            body = encoded({"instances": records([row_of(3), row_of(4)])})
            answer = Wire(server).ask(request(body))
            assert (answer.status, answer.document) == (200, {"predictions": [label(3), label(4)]})
            assert get(server, "/")[1] == get(server, "/health/ready")[1]
