"""Responses as bytes, and a transport on which one may be begun before it is known."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE


def raw(response: Response, defaults: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of any response.

    Args:
        response: the response.
        defaults: headers that it has besides its own.
    """
    lines = [STATUS_LINE[response.status_code]]
    for name, value in (*defaults, *response.raw_headers):
        lines += [name, b": ", value, b"\r\n"]
    return b"".join([*lines, b"\r\n", bytes(response.body)])


_BEGINNING: Final = b"HTTP/1.1 "
"""What every response begins with."""


class Begun:
    """A transport on which the beginning of the next response may be sent ahead.

    Args:
        transport: the connection's.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._begun = False

    def begin(self) -> None:
        """Send the beginning, unless that is done."""
        if not self._begun:
            self._begun = True
            self._transport.write(_BEGINNING)

    def write(self, data: bytes) -> None:
        """Write a response, or some of it, without what was sent ahead."""
        if self._begun:
            self._begun = False
            data = data.removeprefix(_BEGINNING)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a transport can do
        return getattr(self._transport, name)
