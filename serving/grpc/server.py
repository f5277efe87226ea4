"""The gRPC server of a process: the protocol's service and the standard one for health.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from batcher import Closed
from serving.codecs import Frame, encoded
from serving.codecs.frame import read_frame
from serving.codecs.tensors import input_infos, output_infos
from serving.errors import Failure, known, told
from serving.grpc import open_inference_pb2 as messages
from serving.grpc.inference import GrpcInference
from serving.protocols.v2 import EXTENSIONS, NAME, PLATFORM, in_service
from serving.service import Service, timing

logger = logging.getLogger("canopy.serving")

SERVICE: Final = "inference.GRPCInferenceService"

_STATUSES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""The status of HTTP that the error table has → gRPC's; any other is INTERNAL."""

_LOOK: Final = 0.5
"""Seconds between looks at whether who watches the health is to be told something new."""

Context: TypeAlias = Any
"""grpc.aio.ServicerContext; gRPC is untyped."""


class GrpcAddressTaken(OSError):
    """The server cannot listen where it is to."""


class Tls(NamedTuple):
    """Files for encrypted connections.

    Attributes:
        certificate: PEM, with its chain.
        key: PEM; empty if it stands in the certificate's file.
    """

    certificate: str
    key: str


class GrpcServer:
    """Serves predictions over gRPC.

    Args:
        service: answers the requests.
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        shared: whether other processes listen at the same port.
        tls: None speaks without encryption.

    Attributes:
        port: where it listens, once it has started.
    """

    def __init__(self, service: Service, host: str, port: int, *, shared: bool, tls: Tls | None = None) -> None:
        self.port = port
        self._service = service
        self._host = host
        self._shared = shared
        self._tls = tls
        self._codec = GrpcInference()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen, from now on; to be called in the event loop.

        Raises:
            GrpcAddressTaken: it cannot.
        """
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", int(self._shared)),
                ("grpc.max_receive_message_length", self._service.max_body_bytes),
                ("grpc.max_send_message_length", -1),
            ]
        )
        server.add_generic_rpc_handlers([_handlers(self)])
        health_pb2_grpc.add_HealthServicer_to_server(_Health(self._service), server)
        host = f"[{self._host}]" if ":" in self._host else self._host
        address = f"{host}:{self.port}"
        try:
            if self._tls is None:
                self.port = server.add_insecure_port(address)
            else:
                self.port = server.add_secure_port(address, _credentials(self._tls))
        except RuntimeError as error:
            raise GrpcAddressTaken(f"gRPC cannot listen on {address}: {error}") from None
        await server.start()
        self._server = server

    async def stop(self, grace: float) -> None:
        """Take no more requests, and end when those that were accepted are answered, or in ``grace`` seconds."""
        if self._server is not None:
            await self._server.stop(grace)

    async def infer(self, body: bytes, context: Context) -> bytes:
        """``ModelInfer``. If the client gives up, its rows leave the queue."""
        service, codec = self._service, self._codec
        try:
            frame = read_frame(codec, b"", [(name.encode(), value.encode()) for name, value in _text(context)])
            if (remaining := context.time_remaining()) is not None:
                timeout = remaining if frame.timeout is None else min(remaining, frame.timeout)
                frame = Frame(codec, None, max(timeout, 1e-3), frame.timed)
            pending, frame = service.submit(body, frame)
            answer = await pending
            content = encoded(answer, frame).content
            metadata = tuple(answer.model.headers.items())
            if frame.timed:
                metadata += (("server-timing", timing(pending.waiter)),)
            context.set_trailing_metadata(metadata)
        except asyncio.CancelledError:
            if not context.cancelled() and service.draining:
                await self._fail(Closed("the engine did not answer in time"), context)
            raise
        except Exception as error:
            await self._fail(error, context)
        service.metrics.predictions.answered(codec.path, time.monotonic() - pending.waiter.arrived)
        return content

    async def _fail(self, error: Exception, context: Context) -> NoReturn:
        if known(error) is None:
            logger.error("a request failed", exc_info=error)
        failure = told(error)
        self._service.metrics.responded(self._codec.path, failure.problem.status)
        await _abort(failure, context)

    async def server_live(self, _request: Message, _context: Context) -> Message:
        """``ServerLive``."""
        return messages.ServerLiveResponse(live=True)

    async def server_ready(self, _request: Message, _context: Context) -> Message:
        """``ServerReady``."""
        return messages.ServerReadyResponse(ready=self._service.ready)

    async def model_ready(self, request: messages.ModelReadyRequest, context: Context) -> Message:
        """``ModelReady``."""
        try:
            in_service(self._service, request.name, request.version or None)
        except Exception as error:
            if (failure := told(error)).problem.status != 503:
                await _abort(failure, context)
            return messages.ModelReadyResponse(ready=False)
        return messages.ModelReadyResponse(ready=self._service.ready)

    async def server_metadata(self, _request: Message, _context: Context) -> Message:
        """``ServerMetadata``."""
        return messages.ServerMetadataResponse(name=NAME, version=version(NAME), extensions=EXTENSIONS)

    async def model_metadata(self, request: messages.ModelMetadataRequest, context: Context) -> Message:
        """``ModelMetadata``; its properties have the names of categories, as JSON."""
        try:
            model, table = in_service(self._service, request.name, request.version or None)
        except Exception as error:
            await _abort(told(error), context)
        response = messages.ModelMetadataResponse(name=model.name, versions=[model.version], platform=PLATFORM)
        for info in input_infos(table.schema):
            response.inputs.add(name=info.name, datatype=info.datatype, shape=info.shape)
            if info.categories:
                response.properties[f"{info.name}.categories"] = json.dumps(info.categories)
        for info in output_infos(model):
            response.outputs.add(name=info.name, datatype=info.datatype, shape=info.shape)
        return response


def _text(context: Context) -> list[tuple[str, str]]:
    """The metadata of a call that are text."""
    return [(name, value) for name, value in context.invocation_metadata() or () if isinstance(value, str)]


async def _abort(failure: Failure, context: Context) -> NoReturn:
    """End a call with what a client is told of an error, and when to come back, in whole seconds and exactly."""
    metadata: Sequence[tuple[str, str]] = ()
    if "Retry-After" in failure.headers:
        seconds = float(failure.headers["Retry-After"]) if failure.retry_after is None else failure.retry_after
        metadata = (
            ("retry-after", failure.headers["Retry-After"]),
            ("grpc-retry-pushback-ms", str(round(seconds * 1000))),
        )
    code = _STATUSES.get(failure.problem.status, grpc.StatusCode.INTERNAL)
    await context.abort(code, failure.detail, metadata)
    raise AssertionError  # abort has raised


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    certificate = Path(tls.certificate).read_bytes()
    key = Path(tls.key).read_bytes() if tls.key else certificate
    return grpc.ssl_server_credentials([(key, certificate)])


def _handlers(server: GrpcServer) -> grpc.GenericRpcHandler:
    """The protocol's methods; the bodies of ``ModelInfer`` are its codec's to read and write."""
    methods: dict[str, Callable[[Any, Context], Awaitable[Message]]] = {
        "ServerLive": server.server_live,
        "ServerReady": server.server_ready,
        "ModelReady": server.model_ready,
        "ServerMetadata": server.server_metadata,
        "ModelMetadata": server.model_metadata,
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            method,
            request_deserializer=getattr(messages, f"{name}Request").FromString,
            response_serializer=getattr(messages, f"{name}Response").SerializeToString,
        )
        for name, method in methods.items()
    }
    handlers["ModelInfer"] = grpc.unary_unary_rpc_method_handler(server.infer)
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


class _Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpc is untyped
    """The standard health service, for the whole server and for the protocol's.

    Args:
        service: what it tells of.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def _status(self, name: str) -> int:
        status = health_pb2.HealthCheckResponse
        if name not in {"", SERVICE}:
            return int(status.SERVICE_UNKNOWN)
        return int(status.SERVING if self._service.ready else status.NOT_SERVING)

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> Message:  # noqa: N802
        """See the protocol."""
        status = self._status(request.service)
        if status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r}")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: health_pb2.HealthCheckRequest, _context: Context) -> AsyncIterator[Message]:  # noqa: N802
        """See the protocol."""
        last = None
        while True:
            draining = self._service.draining  # which waits for all calls to end
            status = self._status(request.service)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
                last = status
            if draining:
                return
            await asyncio.sleep(_LOOK)
