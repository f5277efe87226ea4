"""Every failure's response, in one table: exception → status and problem type (RFC 9457)."""

import math
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

import batcher
import preprocessing


class RequestError(Exception):
    """A request that cannot be answered, for a reason that lies in its HTTP frame."""


class BadParameter(RequestError):
    """A header or query parameter has a bad value."""


class BodyTooLarge(RequestError):
    """The body is longer than the server takes."""


class UnsupportedMediaType(RequestError):
    """The body is said to be something else than JSON."""


class MalformedRequest(RequestError):
    """What came is no HTTP, or breaks its rules."""


class UnknownTransferCoding(RequestError):
    """The body is coded in a way that the server cannot read."""


class HeadTooLarge(RequestError):
    """The request line and headers are longer than the server takes."""


class RequestTimeout(RequestError):
    """The request was not complete in time."""


class NoProbabilities(RequestError):
    """Probabilities were asked of a model that gives none."""


class UnencodableLabels(RequestError):
    """The model's labels are of a type that the format has not."""


class NotServed(RequestError):
    """A model or a version is asked for that is not the one in service."""


class Unauthorized(RequestError):
    """The request has not the token that it needs."""


class ModelNotReady(RequestError):
    """No model is loaded yet."""

    def __init__(self) -> None:
        super().__init__("the model is still being loaded")


class Problem(NamedTuple):
    """How a kind of failure is answered.

    Attributes:
        status: HTTP status.
        kind: last part of the problem's type URI.
        title: what went wrong, the same for each occurrence.
    """

    status: int
    kind: str
    title: str


PROBLEMS: Final[dict[type[Exception], Problem]] = {
    preprocessing.MalformedJSON: Problem(400, "malformed-json", "The body is not JSON"),
    preprocessing.InvalidRow: Problem(422, "invalid-row", "The body does not fit the schema"),
    MalformedRequest: Problem(400, "malformed-request", "What came is no valid HTTP request"),
    UnknownTransferCoding: Problem(501, "unknown-transfer-coding", "The transfer coding is not understood"),
    RequestTimeout: Problem(408, "request-timeout", "The request took too long to arrive"),
    HeadTooLarge: Problem(431, "head-too-large", "The request line and headers are too long"),
    BadParameter: Problem(400, "bad-parameter", "A header or query parameter has a bad value"),
    BodyTooLarge: Problem(413, "body-too-large", "The body is too long"),
    NotServed: Problem(404, "model-not-served", "There is no such model, or no such version of it"),
    Unauthorized: Problem(401, "unauthorized", "The request needs a bearer token"),
    UnsupportedMediaType: Problem(415, "unsupported-media-type", "The body is of a type that is not taken here"),
    NoProbabilities: Problem(422, "no-probabilities", "The model gives no probabilities"),
    UnencodableLabels: Problem(422, "unencodable-labels", "The format has no type for the model's labels"),
    ModelNotReady: Problem(503, "model-not-ready", "No model is loaded yet"),
    batcher.QueueFull: Problem(503, "queue-full", "The queue is full"),
    batcher.DeadlineUnreachable: Problem(503, "deadline-unreachable", "The backlog is longer than the deadline"),
    batcher.EngineStuck: Problem(503, "engine-stuck", "The model does not answer"),
    batcher.Closed: Problem(503, "draining", "The server is shutting down"),
    batcher.DeadlineExceeded: Problem(504, "deadline-exceeded", "The deadline passed in the queue"),
    batcher.EngineFailed: Problem(500, "inference-failed", "The model failed on this request"),
}

MEDIA_TYPE: Final = "application/problem+json"
DEFAULT_RETRY_AFTER: Final = 1
"""Seconds to wait before a retry when nothing better is known."""


def known(error: Exception) -> Problem | None:
    """What the table says of an error; None if it is a fault of the server's own."""
    return next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), None)


def _sendable(text: str) -> str:
    """The text without what UTF-8 cannot carry: JSON's escapes may name half a pair of surrogates."""
    return text.encode("utf-8", "replace").decode()


class Failure(NamedTuple):
    """What a client is told of an error, in whatever form.

    Attributes:
        problem: status, kind and title.
        detail: what went wrong this time.
        path: JSONPath of the fault in the body; None if it lies elsewhere.
        retry_after: exact seconds to wait before a retry, if they were computed.
        headers: that the response has whatever its form.
    """

    problem: Problem
    detail: str
    path: str | None
    retry_after: float | None
    headers: dict[str, str]


def told(error: Exception) -> Failure:
    """What to tell of an error: of one that the table does not know, nothing of the inside.

    Every 503 carries Retry-After in whole seconds.
    """
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        problem = Problem(error.status_code, phrase.lower().replace(" ", "-"), phrase)
        detail = error.detail
        headers.update(error.headers or {})
    elif (found := known(error)) is not None:
        problem, detail = found, _sendable(str(error))
    else:
        problem = Problem(500, "internal-error", "The server failed")
        detail = "The fault is the server's; its log has the details."
    path = _sendable(error.path) if isinstance(error, preprocessing.InvalidRow) else None
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    exact = error.retry_after if isinstance(error, batcher.Overloaded) else None
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(DEFAULT_RETRY_AFTER if exact is None else max(1, math.ceil(exact)))
    return Failure(problem, detail, path, exact, headers)


def problem_response(error: Exception) -> Response:
    """The response to an error: a problem document with type, title, status and detail.

    An invalid row adds ``path``, the JSONPath of the fault; a refusal for overload adds the exact ``retry_after``.
    """
    problem, detail, path, retry_after, headers = told(error)
    document: dict[str, Any] = {
        "type": f"urn:canopy:problem:{problem.kind}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
    }
    if path is not None:
        document["path"] = path
    if retry_after is not None:
        document["retry_after"] = retry_after
    return Response(orjson.dumps(document), problem.status, headers, MEDIA_TYPE)


def plain_status(failure: Failure) -> int:
    """The status in protocols that know no 422: whatever is wrong with a body is a bad request there."""
    status = failure.problem.status
    return 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status


def plain_error(error: Exception) -> Response:
    """The response to an error in protocols that have ``{"error": …}`` for it."""
    failure = told(error)
    return Response(orjson.dumps({"error": failure.detail}), plain_status(failure), failure.headers, "application/json")


async def handle(_request: Request, error: Exception) -> Response:
    """Exception handler of the Starlette application."""
    return problem_response(error)


async def handle_disconnect(_request: Request, _error: Exception) -> Response:
    """The client is gone: nobody reads this response."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


EXCEPTION_HANDLERS: Final[Any] = {
    **dict.fromkeys(PROBLEMS, handle),
    HTTPException: handle,
    ClientDisconnect: handle_disconnect,
}
