"""Pages of other origins, which browsers let ask where the server agrees (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from serving.errors import BadParameter, problem_response

SENT: Final = ("Canopy-Deadline-Ms", "Canopy-Timing", "Content-Type", "Inference-Header-Content-Length")
"""Headers that such pages may send, besides those that any page may."""

READ: Final = (
    "Canopy-Engine",
    "Canopy-Model",
    "Inference-Header-Content-Length",
    "Retry-After",
    "Server-Timing",
)
"""Headers of answers that they may read, likewise."""


class CrossOrigin(CORSMiddleware):
    """Lets pages of some origins ask.

    Args:
        app: answers.
        origins: of the pages, as browsers write them; ``*`` for all.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(app, origins, allow_methods=("GET", "HEAD", "POST"), allow_headers=SENT, expose_headers=READ)

    def preflight_response(self, request_headers: Headers) -> Response:
        """See ``CORSMiddleware``; a refusal is a problem document here, as any other error is."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        refused = bytes(response.body).decode().removeprefix("Disallowed CORS ")
        problem = problem_response(BadParameter(f"a page of another origin asks for what it may not have: {refused}"))
        for name, value in response.headers.items():
            problem.headers.setdefault(name, value)
        return problem
