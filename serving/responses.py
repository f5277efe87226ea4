"""The bytes of responses that do not go through ASGI."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from batcher import Overloaded
from serving.codecs import Codec
from serving.errors import problem_response
from serving.hotrequest import HotRequest
from serving.inference import Answer
from serving.model import Model
from serving.service import timing

logger = logging.getLogger("canopy.serving")

_KEPT: Final = 256
"""Answers that are remembered: all classes of any forest, but not all numbers that a regression may give."""


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


class Responses:
    """The bytes of answers, for all connections. What is the same for many is made once."""

    def __init__(self) -> None:
        self._defaults: list[tuple[bytes, bytes]] | None = None
        self._head = b""
        self._model: Model | None = None
        self._made: defaultdict[tuple[Codec, Any], dict[Any, bytes]] = defaultdict(dict)
        self._refusal: tuple[Exception, Codec] | None = None
        self._refused = 0, b""

    def failure(self, error: Exception, codec: Codec, defaults: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
        """The status of the response to an error, and the response, but for ``connection: close``.

        Args:
            error: the error; under overload the same one again and again, which is remembered.
            codec: of the request.
            defaults: as for ``of``.
        """
        if self._refusal is not None and self._refusal == (error, codec) and defaults is self._defaults:
            return self._refused
        try:
            response = codec.error(error)
        except Exception as fault:  # of the format's: the client gets an answer all the same
            logger.exception("a format failed to tell an error")
            response = problem_response(fault)
        made = response.status_code, raw(response, defaults)
        if isinstance(error, Overloaded):
            if defaults is not self._defaults:
                self._use(defaults, self._model)
            self._refusal, self._refused = (error, codec), made
        return made

    def of(self, answer: Answer, request: HotRequest, defaults: list[tuple[bytes, bytes]]) -> bytes:
        """The response to an answer, but for ``connection: close``.

        Args:
            answer: the answer.
            request: what it answers.
            defaults: the headers that every response has, the date among them; another list each time they change.

        Raises:
            RequestError: the model cannot give what the request asks for.
        """
        if defaults is not self._defaults or answer.model is not self._model:
            self._use(defaults, answer.model)
        labels, frame = answer.labels, request.frame
        if len(labels) > 1 or not frame.constant:
            return self._response(answer, request)
        made, label = self._made[frame.codec, frame.options], labels[0]
        try:
            response = made.get(label)
        except TypeError:  # a label that cannot be looked up
            return self._response(answer, request)
        if response is None:
            response = self._response(answer, request)
            if len(made) < _KEPT:
                made[label] = response
        return response

    def _use(self, defaults: list[tuple[bytes, bytes]], model: Model | None) -> None:
        """Forget what was made with other headers or for another model."""
        self._defaults, self._model = defaults, model
        lines = [name + b": " + value + b"\r\n" for name, value in defaults]
        if model is not None:
            lines += [f"{name}: {value}\r\n".encode() for name, value in model.headers.items()]
        self._head = b"HTTP/1.1 200 OK\r\n" + b"".join(lines)
        self._made.clear()
        self._refusal = None

    def _response(self, answer: Answer, request: HotRequest) -> bytes:
        frame = request.frame
        body = frame.codec.encode(answer, frame.options)
        timed = f"server-timing: {timing(request)}\r\n" if frame.timed else ""
        tail = f"{timed}content-length: {len(body)}\r\ncontent-type: {frame.codec.media_type}\r\n\r\n"
        return self._head + tail.encode() + body
