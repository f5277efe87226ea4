"""What an operator may have the server do."""

import hmac
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from serving.errors import Unauthorized


class Reload:
    """``POST /admin/reload``, for those who know a token.

    Args:
        refresh: looks whether there is a new version to serve.
        token: the bearer token (https://www.rfc-editor.org/rfc/rfc6750#section-2.1).
    """

    def __init__(self, refresh: Callable[[], object], token: str) -> None:
        self._look = refresh
        self._expected = f"Bearer {token}".encode()

    async def endpoint(self, request: Request) -> Response:
        """Answer at once: what comes of it is to be seen at ``/health/ready``.

        Raises:
            Unauthorized: the token is another, or none.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not hmac.compare_digest(f"{scheme.capitalize()} {token}".encode(), self._expected):
            raise Unauthorized("send the header Authorization: Bearer TOKEN, with the server's admin token")
        self._look()
        return Response(b'{"status":"looking"}', HTTPStatus.ACCEPTED, media_type="application/json")
