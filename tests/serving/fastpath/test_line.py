"""A connection's hot path within one process: a request may have its answer before it is known to be queued."""

import asyncio
import gc
import json
import weakref
from typing import Any

import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray

from batcher import Batcher, Limits
from forest import Prediction
from preprocessing import Schema
from serving import Model, ModelHandle, Service, SharedMetrics, Table, infer
from serving.codecs import CODECS
from serving.codecs.tensors import MATRIX
from serving.fastpath.hotpath import HotConnection, HotPath
from serving.http.context import ConnectionContext, ConnectionLimits, ServerState, with_common
from serving.http.read_budget import ReadBudget
from serving.http.state import expire_all
from serving.metrics.content import CONTENT

LIMITS = ConnectionLimits(head_timeout=10, body_timeout=30, keep_alive=75, write_timeout=30)


class Engine:
    """Computes at once."""

    name = "stub"
    bounded = True
    dtype = np.float32
    classes = np.array([0, 1])

    def predict(self, matrix: NDArray[Any]) -> Prediction:
        """See ``Engine``."""
        return Prediction(np.zeros(len(matrix), dtype=int), np.tile([1.0, 0.0], (len(matrix), 1)))


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:  # noqa: ANN401
        """See ``asyncio.Transport``."""
        self.written += data

    def is_closing(self) -> bool:
        """See ``asyncio.Transport``."""
        return False

    def close(self) -> None:
        """See ``asyncio.Transport``."""

    def can_write_eof(self) -> bool:
        """See ``asyncio.Transport``."""
        return True

    def write_eof(self) -> None:
        """See ``asyncio.Transport``."""

    def pause_reading(self) -> None:
        """See ``asyncio.Transport``."""

    def resume_reading(self) -> None:
        """See ``asyncio.Transport``."""


async def application(_scope: object, _receive: object, _send: object) -> None:
    """What nobody asks."""


class Bench:
    """A service whose engine runs on the event loop, and what its connections share."""

    def __init__(self, **limits: Any) -> None:  # noqa: ANN401 - the batcher's
        board = SharedMetrics(CONTENT)
        self.service = Service("m", ModelHandle(), max_body_bytes=10**6, board=board)
        table = Table(Schema.unnamed(2), max_rows_per_request=10, max_batch_rows=1024)
        self.service.put_in_service(Model("m", "1", Engine()), table)
        self.service.begin(Batcher(infer, Limits(max_wait=0, **limits)))
        self._path = HotPath(self.service, {codec.path: codec for codec in CODECS})
        config = uvicorn.Config(application, interface="asgi3", ws="none", lifespan="off", log_config=None)
        config.load()
        self._state = ServerState()
        self._kind = with_common(HotConnection, config, self._state, {})
        self._context = ConnectionContext(LIMITS, self.service.metrics, ReadBudget())

    def part(self) -> None:
        """Let each answer be its connection's last."""
        self._state.parting = True

    def connect(self) -> tuple[HotConnection, Transport]:
        """A new connection."""
        connection, transport = self._kind(self._path, self._context, self._state), Transport()
        connection.connection_made(transport)
        return connection, transport


def post(path: str, document: object) -> bytes:
    """A request."""
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


REQUESTS = {
    "predict": post("/predict", {"features": [1, 2]}),
    "v2": post(
        "/v2/models/m/infer", {"inputs": [{"name": MATRIX, "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
    ),
    "v1": post("/v1/models/m:predict", {"instances": [[1, 2]]}),
    "invocations": post("/invocations", {"inputs": [[1, 2]]}),
}


@pytest.mark.parametrize("format_", REQUESTS)
@pytest.mark.parametrize("crowd", [1, 7])
async def test_whoever_fills_a_batch_is_answered_as_asked(format_: str, crowd: int) -> None:
    """The batch runs, and answers, while its last request is being queued."""
    bench = Bench(max_batch_items=crowd)
    lines = [bench.connect() for _ in range(crowd)]
    for _ in range(2):  # first parsed, then known
        for connection, transport in lines:
            transport.written = b""
            connection.data_received(REQUESTS[format_])
        await asyncio.sleep(0.01)
        assert [transport.written.partition(b"\r\n")[0] for _, transport in lines] == [b"HTTP/1.1 200 OK"] * crowd


async def test_a_client_that_is_not_read_does_not_run_out_of_time() -> None:
    """The seconds in which the server does not read are not the client's."""
    bench = Bench()
    connection, transport = bench.connect()
    began = asyncio.get_running_loop().time()
    connection.data_received(b"POST /predict HTTP/1.1\r\nhost: x\r\n")
    connection.flow.pause_reading()
    for second in range(1, 15):
        expire_all([connection], began + second)
    connection.flow.resume_reading()
    expire_all([connection], began + 20)
    assert transport.written == b""
    expire_all([connection], began + 26)
    assert transport.written.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(REQUESTS["predict"], id="waiting"),
        pytest.param(REQUESTS["predict"][:-3], id="within-a-body"),
        pytest.param(REQUESTS["predict"] * 3, id="pipelined"),
    ],
)
async def test_a_client_that_has_gone_leaves_nothing_for_the_garbage_collector(sent: bytes) -> None:
    """Whatever it had sent."""
    bench = Bench()
    connection, transport = bench.connect()
    gone = weakref.ref(transport)
    connection.data_received(sent)
    gc.disable()
    try:
        connection.connection_lost(None)
        await asyncio.sleep(0.01)
        del connection, transport
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("known", [pytest.param(0, id="the-first"), pytest.param(5, id="known-to-be-alone")])
async def test_the_last_of_what_came_together_is_the_last_that_is_answered(known: int) -> None:
    """While the server parts, though the first may be answered before the others are read."""
    bench = Bench()
    other, _ = bench.connect()
    for _ in range(known):
        other.data_received(REQUESTS["predict"])
        await asyncio.sleep(0.05)
    bench.part()
    connection, transport = bench.connect()
    connection.data_received(REQUESTS["predict"] * 3)
    await asyncio.sleep(0.05)
    assert transport.written.count(b"HTTP/1.1 200 OK") == 3
    *_, last = transport.written.split(b"HTTP/1.1 200 OK")
    assert transport.written.count(b"connection: close") == last.count(b"connection: close") == 1
