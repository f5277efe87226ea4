"""The Starlette application."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from batcher import Closed
from serving.admin import Reload
from serving.codecs import Codec, encoded
from serving.codecs.frame import PARAMETERS, read_frame
from serving.cors import CrossOrigin
from serving.errors import (
    DEFAULT_RETRY_AFTER,
    EXCEPTION_HANDLERS,
    PROBLEMS,
    UnsupportedMediaType,
    known,
    problem_response,
)
from serving.exchange import Answer
from serving.http.protocol import EXTENSION
from serving.metrics.content import Metrics
from serving.openapi import Document
from serving.operation import JSON, Body, Operation, Served, always, json_operation
from serving.page.routes import page_routes
from serving.protocols import protocol_routes
from serving.routing import Route, json_response, label, not_found, read_body
from serving.service import Service, timing

logger = logging.getLogger("canopy.serving")

_PREDICTING: Final = frozenset(problem.status for problem in PROBLEMS.values()) - {401, 404, 422}
"""Statuses of failures to predict, whatever the format."""

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(
    service: Service,
    codecs: Mapping[str, Codec],
    description: dict[str, Any],
    lifespan: Lifespan,
    reload: Reload | None = None,
    health_route: str = "",
    origins: Collection[str] = (),
) -> Starlette:
    """Build the application.

    Args:
        service: answers the requests.
        codecs: path → the format of requests for predictions there.
        description: what ``GET /`` tells.
        lifespan: starts and stops what ``service`` needs.
        reload: what ``POST /admin/reload`` does; None leaves the route out.
        health_route: another path for ``/health/ready``; empty if there is none.
        origins: whose pages may ask, besides those of the server's own.
    """

    async def index(_request: Request) -> Response:
        return json_response(description | {"grpc_port": service.grpc_port} | service.rows() | service.state())

    async def live(_request: Request) -> Response:
        return json_response({"status": "live"})

    async def ready(_request: Request) -> Response:
        state = service.state()
        if state["status"] == "ready":
            return json_response(state)
        return json_response(state, 503, {"Retry-After": str(DEFAULT_RETRY_AFTER)})

    async def stats(_request: Request) -> Response:
        return json_response(service.statistics())

    async def metrics(request: Request) -> Response:
        content, media_type = service.expose(request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": media_type})

    async def openapi(_request: Request) -> Response:
        return Response(document.content(), media_type="application/json")

    routes = [] if reload is None else [Route("/admin/reload", reload.endpoint, methods=["POST"])]
    if health_route:
        routes.append(Route(health_route, ready, label="/health/ready"))
    app = Starlette(
        routes=[
            *routes,
            *page_routes(index),
            *(
                Route(
                    path,
                    _endpoint(service, codec),
                    methods=["POST"],
                    label=codec.path,
                    error=codec.error,
                    about=partial(_about, codec, path),
                )
                for path, codec in codecs.items()
            ),
            *protocol_routes(service),
            Route("/health/live", live, about=always(json_operation("live", "Whether the process lives.", "server"))),
            Route("/health/ready", ready, about=always(_READY)),
            Route("/stats", stats, about=always(json_operation("stats", "Figures of all workers.", "server"))),
            Route("/metrics", metrics, about=always(_METRICS)),
            Route("/openapi.json", openapi, about=always(_OPENAPI)),
        ],
        # What answers for pages of other origins is around what answers faults, for these they are to read too.
        middleware=[*([Middleware(CrossOrigin, origins)] if origins else []), Middleware(_Faults)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
    document = Document(service, app.routes)
    # Starlette would send POST /predict/ to another address, over which most clients lose the body or the method.
    app.router.redirect_slashes = False
    app.router.default = not_found
    return app


class CountedResponses:
    """Counts the responses of an ASGI application, its faults too, but not those that nobody is there to read.

    Args:
        app: the application.
        metrics: told of each response.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                connection = scope.get("extensions", {}).get(EXTENSION)
                if connection is None or not connection.lost:
                    self._metrics.responded(label(scope), message["status"])
            await send(message)

        await self._app(scope, receive, measured if scope["type"] == "http" else send)


class _Faults:
    """Answers the faults that no handler knows, with a 500 that tells nothing of them; the log tells all.

    Starlette would raise them again when they are answered, at which uvicorn would close the connection without a word.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        started = scope["type"] != "http"

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if started:
                raise
            logger.exception("a request failed")
            await problem_response(error)(scope, receive, send)


_READY: Final = json_operation(
    "ready",
    "Whether it serves, and which version.",
    "server",
    error={JSON: Body({"type": "object"})},
    statuses=(503,),
)
_METRICS: Final = Operation(
    "metrics",
    "Figures of all workers, for Prometheus.",
    "server",
    {"text/plain": Body({"type": "string"}), "application/openmetrics-text": Body({"type": "string"})},
)
_OPENAPI: Final = json_operation("openapi", "This document.", "server", statuses=(503,))


def _about(codec: Codec, path: str, served: Served) -> Operation:
    """What a format does, with what all of them have."""
    operation = codec.about(served)
    name = operation.name
    if path != codec.path:
        name += "OfVersion" if "{version}" in path else "AsAsked"
    statuses = {*_PREDICTING, codec.refusal}
    if "{model}" in path:
        statuses.add(404)
    return operation._replace(
        name=name, parameters=(*operation.parameters, *PARAMETERS), statuses=tuple(sorted(statuses))
    )


def _endpoint(service: Service, codec: Codec) -> Callable[[Request], Awaitable[Response]]:
    """What answers requests for predictions in a format."""

    async def predict(request: Request) -> Response:
        name, version = request.path_params.get("model", service.name), request.path_params.get("version")
        service.check_served(name, version)
        frame = read_frame(codec, request.scope["query_string"], request.scope["headers"], version)
        _check_body_type(codec, request.headers)
        pending, frame = service.submit(await read_body(request, service.max_body_bytes), frame)
        answer = await _answered(request, service, pending)
        content, media_type, more = encoded(answer, frame)
        service.metrics.predictions.predicted(time.monotonic() - pending.waiter.arrived)
        headers = answer.model.headers | dict(more)
        if frame.timed:
            headers["Server-Timing"] = timing(pending.waiter)
        return Response(content, 200, headers, media_type)

    async def endpoint(request: Request) -> Response:
        try:
            return await predict(request)
        except ClientDisconnect:
            raise
        except Exception as error:
            if known(error) is None:
                logger.exception("a request failed")
            return codec.error(error)

    return endpoint


def _check_body_type(codec: Codec, headers: Headers) -> None:
    """Refuse a body that is said to be compressed, or of a type that the format does not take; it may say nothing."""
    for encoding in headers.getlist("content-encoding"):
        if encoding.lower() != "identity":
            raise UnsupportedMediaType(f"the content encoding is {encoding!r}; send the body as it is")
    for content_type in headers.getlist("content-type"):
        if not codec.takes(content_type.partition(";")[0].strip().lower()):
            raise UnsupportedMediaType(f"the content type is {content_type!r}; send {' or '.join(codec.content_types)}")


async def _answered(request: Request, service: Service, future: asyncio.Future[Answer]) -> Answer:
    """Await an answer; if the client hangs up first, its rows leave the queue.

    Raises:
        ClientDisconnect: the client hung up.
        BatcherError: the answer is a failure.
    """
    connection = request.scope.get("extensions", {}).get(EXTENSION)
    if connection is None:  # another ASGI server: the rows of a client that has gone are computed all the same
        return await future
    connection.on_lost = future.cancel
    try:
        return await future
    except asyncio.CancelledError:
        if connection.lost:
            raise ClientDisconnect from None
        if service.draining:  # uvicorn cancels what its shutdown can no longer wait for
            raise Closed("the engine did not answer in time") from None
        raise
    finally:
        connection.on_lost = None
