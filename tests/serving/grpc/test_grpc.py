"""The Open Inference Protocol over gRPC, asked by gRPC's own client."""

import contextlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loadtest.system.process import ServerProcess
from preprocessing import covertype
from serving.codecs.tensors import BYTES, DTYPES, Output, pack
from serving.grpc.open_inference_pb2 import (
    InferParameter,
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    ServerLiveRequest,
    ServerLiveResponse,
    ServerMetadataRequest,
    ServerMetadataResponse,
    ServerReadyRequest,
    ServerReadyResponse,
)
from tests.conftest import ROOT, Start
from tests.helpers.formats import FORMATS, MODEL, columns_of, row_of
from tests.helpers.stub_server import HELD, RAISES
from tests.helpers.support import PATIENCE, Gate, Wire, counted, in_the_batcher, label, until

SERVICE = "inference.GRPCInferenceService"
BATCH = re.compile(r'rows;desc="(\d+)"')


def method(channel: grpc.Channel, name: str, response: Any) -> Callable[..., Any]:  # noqa: ANN401
    """A method of the protocol's service."""
    call: Callable[..., Any] = channel.unary_unary(
        f"/{SERVICE}/{name}",
        request_serializer=lambda message: message if isinstance(message, bytes) else message.SerializeToString(),
        response_deserializer=response.FromString,
    )
    return call


class Client:
    """A channel to a server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.infer = method(channel, "ModelInfer", ModelInferResponse)

    def refused(self, request: ModelInferRequest | bytes, **how: Any) -> grpc.RpcError:  # noqa: ANN401
        """How a request fails."""
        with pytest.raises(grpc.RpcError) as caught:
            self.infer(request, timeout=PATIENCE, **how)
        return caught.value


@contextlib.contextmanager
def connected(port: int, credentials: grpc.ChannelCredentials | None = None) -> Iterator[Client]:
    """A channel of its own."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    address = f"127.0.0.1:{port}"
    channel = (
        grpc.insecure_channel(address, options)
        if credentials is None
        else grpc.secure_channel(address, credentials, options)
    )
    with channel:
        yield Client(channel)


def port_of(server: ServerProcess) -> int:
    """Where it listens for gRPC."""
    port: int = server.get("/")["grpc_port"]
    return port


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """What holds the engine."""
    return Gate(tmp_path_factory.mktemp("gate") / "gate")


@pytest.fixture(scope="module")
def server(start: Start, gate: Gate) -> Iterator[ServerProcess]:
    """One that speaks gRPC too."""
    with start("--grpc-port", "0", "--max-body-bytes", "100000", gate=str(gate._path)) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[Client]:
    """A channel to it."""
    with connected(port_of(server)) as client:
        yield client


@contextlib.contextmanager
def held(server: ServerProcess, gate: Gate) -> Iterator[None]:
    """The engine is busy within."""
    wire = Wire(server)
    with gate:
        wire.send(FORMATS["predict"].request(HELD))
        until(lambda: in_the_batcher(server)[1] == 1)
        yield
    assert wire.receive().status == 200


def matrix(*elevations: float, datatype: str = "FP64", columns: bool = False, **more: Any) -> ModelInferRequest:  # noqa: ANN401
    """A request for rows, in raw form, as Triton's client sends them."""
    rows: list[Any] = [row_of(elevation) for elevation in elevations]
    values = np.array(columns_of(rows) if columns else rows, DTYPES[datatype])
    request = ModelInferRequest(model_name=MODEL, raw_input_contents=[values.tobytes()], **more)
    request.inputs.add(name="features", datatype=datatype, shape=values.shape)
    return request


def fields(*elevations: float) -> ModelInferRequest:
    """A request with a tensor for each field, whose values stand in the message."""
    request = ModelInferRequest(model_name=MODEL)
    rows = [row_of(elevation) for elevation in elevations]
    for number, name in enumerate(covertype.FIELDS):
        tensor = request.inputs.add(name=name, datatype="FP32", shape=[len(rows), 1])
        tensor.contents.fp32_contents.extend(row[number] for row in rows)
    return request


def labels(response: ModelInferResponse) -> list[int]:
    """What a response says."""
    (output,) = response.outputs
    assert (output.name, output.datatype) == ("predict", "INT64")
    if response.raw_output_contents:
        return np.frombuffer(response.raw_output_contents[0], "<i8").tolist()  # type: ignore[no-any-return]
    return list(output.contents.int64_contents)


ASKING = {
    "raw": matrix,
    "raw-float": lambda *elevations: matrix(*elevations, datatype="FP32"),
    "raw-columns": lambda *elevations: matrix(*elevations, columns=True),
    "typed": fields,
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in ASKING.items()])
def test_rows_get_their_labels(client: Client, make: Callable[..., ModelInferRequest]) -> None:
    """Of one row, and of several; in the form in which they were asked for."""
    for elevations in ([3.0], [3.0, 4.0, 12.0]):
        response = client.infer(make(*elevations))
        assert labels(response) == [label(each) for each in elevations]
        assert (response.model_name, response.model_version) == (MODEL, "7")
        assert list(response.outputs[0].shape) == [len(elevations), 1]
        assert bool(response.raw_output_contents) == (make is not fields)


def test_what_is_asked_besides_rows(client: Client) -> None:
    """Probabilities beside labels, an id and parameters that come back, the version."""
    parameters = {
        "colour": InferParameter(string_param="blue"),
        "size": InferParameter(int64_param=3),
        "good": InferParameter(bool_param=True),
        "share": InferParameter(double_param=0.5),
        "big": InferParameter(uint64_param=2**64 - 1),
        "timeout": InferParameter(int64_param=30_000_000),
    }
    request = matrix(3, id="seven", model_version="7", parameters=parameters)
    for name in ("predict_proba", "predict"):
        request.outputs.add(name=name)
    response = client.infer(request)
    assert response.id == "seven"
    del parameters["timeout"]
    assert dict(response.parameters) == parameters
    probabilities, told = response.outputs
    assert (probabilities.name, probabilities.datatype, list(probabilities.shape)) == ("predict_proba", "FP64", [1, 7])
    assert (told.name, list(told.shape)) == ("predict", [1, 1])
    assert np.frombuffer(response.raw_output_contents[0], "<f8").argmax() + 1 == label(3)


def test_categories_come_by_name(client: Client) -> None:
    """As strings beside numbers, in either form."""
    typed = fields(3)
    typed.inputs[10].CopyFrom(type(typed.inputs[10])(name="Wilderness_Area", datatype=BYTES, shape=[1]))
    typed.inputs[10].contents.bytes_contents.append(b"Rawah")
    raw = ModelInferRequest(model_name=MODEL)
    for tensor in typed.inputs:
        raw.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        values = ["Rawah"] if tensor.datatype == BYTES else np.array(tensor.contents.fp32_contents, "<f4")
        raw.raw_input_contents.append(pack(Output("", tensor.datatype, [1], values)))
    for request in (typed, raw):
        assert labels(client.infer(request)) == [label(3)]


def changed(
    change: Callable[[ModelInferRequest], object], request: ModelInferRequest | None = None
) -> ModelInferRequest:
    """A good request with something wrong."""
    request = request or matrix(3)
    change(request)
    return request


def wrong(**attributes: Any) -> Callable[[ModelInferRequest], None]:  # noqa: ANN401
    """Have the first input other attributes."""

    def change(request: ModelInferRequest) -> None:
        for name, value in attributes.items():
            if name == "shape":
                del request.inputs[0].shape[:]
                request.inputs[0].shape.extend(value)
            else:
                setattr(request.inputs[0], name, value)

    return change


def also(path: str, value: object) -> Callable[[ModelInferRequest], None]:
    """Have the first input elements that are none of its own."""
    return lambda request: getattr(request.inputs[0].contents, path).append(value)


FAULTS = {
    "no-message": (b"\xff\xff", "INVALID_ARGUMENT", "this is no ModelInferRequest"),
    "model": (changed(lambda r: setattr(r, "model_name", "X")), "NOT_FOUND", "no model 'X' is served here, but 'Best"),
    "version": (changed(lambda r: setattr(r, "model_version", "6")), "NOT_FOUND", "version '6' of BestModelRF is not"),
    "no-input": (ModelInferRequest(model_name=MODEL), "INVALID_ARGUMENT", "$.inputs: has no tensor"),
    "name": (changed(wrong(name="x")), "INVALID_ARGUMENT", "$.inputs[0]: 'x' has the shape [1, 12]"),
    "datatype": (changed(wrong(datatype="F")), "INVALID_ARGUMENT", "$.inputs[0].datatype: 'F' is none of BOOL"),
    "shape": (changed(wrong(shape=[1, 11])), "INVALID_ARGUMENT", "$.raw_input_contents[0]: has 96 bytes, and 11"),
    "negative": (changed(wrong(shape=[-1, 12])), "INVALID_ARGUMENT", "$.inputs[0].shape: [-1, 12] has a negative"),
    "dimensions": (changed(wrong(shape=[2**62] * 300)), "INVALID_ARGUMENT", "$.inputs[0].shape: has 300 dimensions"),
    "boolean-number": (matrix(1, datatype="BOOL"), "INVALID_ARGUMENT", "is a boolean, and Elevation a number"),
    "raw-count": (
        changed(lambda r: r.raw_input_contents.append(b"")),
        "INVALID_ARGUMENT",
        "$.raw_input_contents: has 2 elements for 1 inputs",
    ),
    "typed-count": (
        changed(wrong(shape=[2, 1]), fields(3)),
        "INVALID_ARGUMENT",
        "$.inputs[0].contents: has 1 elements, and the shape [2, 1] says 2",
    ),
    "typed-elsewhere": (
        changed(also("int_contents", 1), fields(3)),
        "INVALID_ARGUMENT",
        "$.inputs[0].contents: has int_contents, and FP32 stands in fp32_contents",
    ),
    "half-precision": (
        changed(wrong(datatype="FP16"), fields(3)),
        "INVALID_ARGUMENT",
        "$.inputs[0].contents: cannot have FP16",
    ),
    "value": (matrix(1e39), "INVALID_ARGUMENT", "$.inputs[0].contents[0]: expected a number <= 3.4"),
    "parameter": (
        changed(lambda r: r.inputs[0].parameters["shared_memory_region"].CopyFrom(InferParameter(string_param="x"))),
        "INVALID_ARGUMENT",
        "$.inputs[0].parameters.shared_memory_region: is not taken here",
    ),
    "sequence": (
        changed(lambda r: r.parameters["sequence_id"].CopyFrom(InferParameter(int64_param=1))),
        "INVALID_ARGUMENT",
        "$.parameters.sequence_id: is not taken here",
    ),
    "output": (changed(lambda r: r.outputs.add(name="x")), "INVALID_ARGUMENT", "$.outputs[0].name: 'x' is neither"),
    "too-many-rows": (matrix(*[3.0] * 1001, datatype="UINT8", columns=True), "INVALID_ARGUMENT", "has 1001 rows, more"),
    "too-long": (matrix(*[3.0] * 900, columns=True), "RESOURCE_EXHAUSTED", "larger than max"),
}


@pytest.mark.parametrize(
    ("request_", "code", "said"), [pytest.param(*fault, id=name) for name, fault in FAULTS.items()]
)
def test_what_is_wrong_is_told(client: Client, request_: Any, code: str, said: str) -> None:  # noqa: ANN401
    """By the status and the path, and the channel goes on."""
    error = client.refused(request_)
    assert error.code().name == code
    assert said in error.details()
    assert labels(client.infer(matrix(3))) == [label(3)]


def test_numbers_that_are_none_of_a_small_datatype_are_refused(client: Client) -> None:
    """They stand in the message as 32 bits."""
    request = fields(3)
    tensor = request.inputs[0]
    tensor.datatype = "INT8"
    tensor.ClearField("contents")
    tensor.contents.int_contents.append(128)
    assert "has numbers that no INT8 is" in client.refused(request).details()


def test_a_grpc_caller_and_a_curl_ride_in_one_batch(server: ServerProcess, gate: Gate, client: Client) -> None:
    """Each with its own answer; the timing of each tells of the same call."""
    elevations = [float(number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        with held(server, gate):
            wire = Wire(server)
            wire.send(FORMATS["v2-binary"].request(20, 21, headers=("Canopy-Timing: 1",)))
            metadata = (("canopy-timing", "true"),)
            calls = [pool.submit(client.infer.with_call, matrix(each), metadata=metadata) for each in elevations]  # type: ignore[attr-defined]
            until(lambda: in_the_batcher(server)[0] == 10)
        for elevation, future in zip(elevations, calls, strict=True):
            response, call = future.result()
            assert labels(response) == [label(elevation)]
            told = dict(call.trailing_metadata())
            assert told["canopy-model"] == f"{MODEL}/7"
            found = BATCH.search(told["server-timing"])
            assert found is not None
            assert found[1] == "10"
    assert FORMATS["v2-binary"].labels(wire.receive()) == [label(20), label(21)]


def test_a_deadline_becomes_the_queues(server: ServerProcess, gate: Gate, client: Client) -> None:
    """Whoever's it is: gRPC's, Triton's parameter, or Canopy's metadata; the rows leave the queue."""
    parameters = {"timeout": InferParameter(int64_param=200_000)}
    with held(server, gate):
        for request, how in (
            (matrix(3), {"timeout": 0.3}),
            (matrix(3, parameters=parameters), {"timeout": PATIENCE}),
            (matrix(3), {"timeout": PATIENCE, "metadata": (("canopy-deadline-ms", "200"),)}),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                client.infer(request, **how)
            assert caught.value.code() in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
            until(lambda: in_the_batcher(server)[0] == 0)


def test_who_gives_up_leaves_the_queue(server: ServerProcess, gate: Gate, client: Client) -> None:
    """Its rows are not computed."""
    cancelled = counted(server, "cancelled")
    with held(server, gate):
        call = client.infer.future(matrix(3, 4))  # type: ignore[attr-defined]
        until(lambda: in_the_batcher(server)[0] == 2)
        call.cancel()
        until(lambda: in_the_batcher(server)[0] == 0)
    assert counted(server, "cancelled") == cancelled + 1


def test_a_row_on_which_the_model_fails_harms_no_neighbour(server: ServerProcess, gate: Gate, client: Client) -> None:
    """It fails by itself, and nothing of the inside is told."""
    with ThreadPoolExecutor(3) as pool:
        with held(server, gate):
            good, bad = pool.submit(client.infer, matrix(3)), pool.submit(client.refused, matrix(RAISES))
            until(lambda: in_the_batcher(server)[0] == 2)
        assert labels(good.result()) == [label(3)]
        assert bad.result().code() == grpc.StatusCode.INTERNAL


def test_server_and_model_tell_of_themselves(client: Client) -> None:
    """As over HTTP."""
    ask = client.channel
    assert method(ask, "ServerLive", ServerLiveResponse)(ServerLiveRequest()).live
    assert method(ask, "ServerReady", ServerReadyResponse)(ServerReadyRequest()).ready
    told = method(ask, "ServerMetadata", ServerMetadataResponse)(ServerMetadataRequest())
    assert (told.name, "binary_tensor_data" in told.extensions) == ("canopy-serve", True)
    metadata, ready = method(ask, "ModelMetadata", ModelMetadataResponse), method(ask, "ModelReady", ModelReadyResponse)
    for number in ("", "7"):
        model = metadata(ModelMetadataRequest(name=MODEL, version=number))
        assert [tensor.name for tensor in model.inputs] == list(covertype.FIELDS)
        assert [tensor.name for tensor in model.outputs] == ["predict", "predict_proba"]
        assert json.loads(model.properties["Wilderness_Area.categories"]) == list(covertype.WILDERNESS_AREAS)
        assert ready(ModelReadyRequest(name=MODEL, version=number)).ready
    for asked in ({"name": "X"}, {"name": MODEL, "version": "6"}):
        for call, kind in ((metadata, ModelMetadataRequest), (ready, ModelReadyRequest)):
            with pytest.raises(grpc.RpcError) as caught:
                call(kind(**asked))
            assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_the_standard_health_service(client: Client) -> None:
    """For the server and for the protocol's service, and for no other."""
    stub = health_pb2_grpc.HealthStub(client.channel)
    for name in ("", SERVICE):
        assert stub.Check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="X"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    watching = stub.Watch(health_pb2.HealthCheckRequest(service="X"))
    assert next(watching).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watching.cancel()


def test_a_server_without_a_model_says_so(start: Start, tmp_path: Path) -> None:
    """Nothing but that it lives; who watches its health hears of the model."""
    load = tmp_path / "load"
    with start("--grpc-port", "0", ready_within=None, load_after=str(load)) as server:
        server.wait_until_listening(PATIENCE)
        with connected(port_of(server)) as client:
            assert method(client.channel, "ServerLive", ServerLiveResponse)(ServerLiveRequest()).live
            assert not method(client.channel, "ServerReady", ServerReadyResponse)(ServerReadyRequest()).ready
            assert not method(client.channel, "ModelReady", ModelReadyResponse)(ModelReadyRequest(name=MODEL)).ready
            error = client.refused(matrix(3))
            assert error.code() == grpc.StatusCode.UNAVAILABLE
            assert dict(error.trailing_metadata()) == {"retry-after": "1", "grpc-retry-pushback-ms": "1000"}
            watching = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest())
            assert next(watching).status == health_pb2.HealthCheckResponse.NOT_SERVING
            load.touch()
            assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
            assert labels(client.infer(matrix(3))) == [label(3)]
            watching.cancel()


def test_overload_and_drain(start: Start, tmp_path: Path) -> None:
    """What does not fit is refused with when to come back, and what was accepted is answered after SIGTERM."""
    gate = Gate(tmp_path / "gate")
    with start("--grpc-port", "0", "--max-queue-rows", "2", gate=str(gate._path)) as server:
        with connected(port_of(server)) as client, ThreadPoolExecutor(2) as pool:
            with gate:
                blocking = pool.submit(client.infer, matrix(HELD))
                until(lambda: in_the_batcher(server) == (0, 1))
                waiting = pool.submit(client.infer, matrix(3, 4))
                until(lambda: in_the_batcher(server)[0] == 2)
                error = client.refused(matrix(5))
                assert error.code() == grpc.StatusCode.UNAVAILABLE
                assert int(dict(error.trailing_metadata())["retry-after"]) >= 1
                server.process.terminate()
            assert labels(blocking.result()) == [label(HELD)]
            assert labels(waiting.result()) == [label(3), label(4)]
        assert server.process.wait(PATIENCE) == 0


def test_a_version_that_is_replaced_meanwhile_answers_nobody(start: Start, tmp_path: Path) -> None:
    """Who has asked for it by its number is told so."""
    version, gate = tmp_path / "version", Gate(tmp_path / "gate")
    version.write_text("7")
    options = ("--grpc-port", "0", "--model-poll-seconds", "0.1")
    with (
        start(*options, version=str(version), gate=str(gate._path)) as server,
        connected(port_of(server)) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        with gate:
            blocking = pool.submit(client.infer, matrix(HELD))
            until(lambda: in_the_batcher(server) == (0, 1))
            waiting = pool.submit(client.refused, matrix(3, model_version="7"))
            until(lambda: in_the_batcher(server)[0] == 1)
            version.write_text("8")
            until(lambda: server.get("/health/ready")["model"] == f"{MODEL}/8")
        assert blocking.result().model_version == "7"
        error = waiting.result()
        assert (error.code(), error.details()) == (
            grpc.StatusCode.NOT_FOUND,
            "version 7 has just been replaced by 8",
        )


def test_who_watches_the_health_holds_up_no_drain(start: Start) -> None:
    """It is told that the server serves no more, and nothing after that."""
    with start("--grpc-port", "0", "--drain-timeout-seconds", "600") as server, connected(port_of(server)) as client:
        watching = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
        server.process.terminate()
        assert [each.status for each in watching] == [health_pb2.HealthCheckResponse.NOT_SERVING]
        assert server.process.wait(PATIENCE) == 0


def test_several_workers_share_a_port(start: Start) -> None:
    """Which has to be named; each answers, and figures are of all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with start("--workers", "2", "--grpc-port", str(port)) as server:
        for _ in range(20):
            with connected(port) as client:
                assert labels(client.infer(matrix(3))) == [label(3)]
        until(lambda: server.get("/stats")["requests"][f"/{SERVICE}/ModelInfer"]["200"] == 20)


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run a server that cannot start, to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "server.py"), "--port", "0", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_port_that_cannot_be_had_is_told_at_once() -> None:
    """Whether somebody has it, or it was left to chance for several workers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--grpc-port", str(port))
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "--grpc-port (CANOPY_GRPC_PORT)" in done.stderr
    done = run("--grpc-port", "0", "--workers", "2")
    assert done.returncode == 1
    assert "several workers cannot share a port that is not named" in done.stderr


def test_it_is_encrypted_with_the_servers_certificate(start: Start, tmp_path: Path) -> None:
    """Where HTTP is, so is gRPC."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--grpc-port", str(port), "--tls-certificate", str(certificate), "--tls-key", str(key))
    trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    with start(*options, ready_within=None), connected(port, trusted) as client:
        response = client.infer(matrix(3), wait_for_ready=True, timeout=PATIENCE)
        assert labels(response) == [label(3)]


def test_a_server_that_is_not_asked_to_knows_no_grpc(start: Start) -> None:
    """Neither a port, nor the memory that its library takes."""
    with start() as server:
        assert server.get("/")["grpc_port"] is None
        assert "grpc" not in Path(f"/proc/{server.process.pid}/maps").read_text()


def test_the_messages_are_those_of_the_proto(tmp_path: Path) -> None:
    """``make proto`` was not forgotten."""
    from grpc_tools import protoc

    source = "serving/grpc/open_inference.proto"
    assert protoc.main(["protoc", f"-I{ROOT}", f"--python_out={tmp_path}", str(ROOT / source)]) == 0
    made = "serving/grpc/open_inference_pb2.py"
    assert (tmp_path / made).read_text() == (ROOT / made).read_text()
