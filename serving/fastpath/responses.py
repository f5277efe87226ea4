# cython: language_level=3, annotation_typing=False
"""The bytes of responses that do not go through ASGI."""

import logging
from collections import defaultdict
from typing import Any

from batcher import Overloaded
from serving.codecs import Codec, Frame, encoded
from serving.errors import problem_response
from serving.exchange import Answer
from serving.fastpath.hotrequest import HotRequest
from serving.http.written import raw
from serving.model import Model
from serving.service import timing

logger = logging.getLogger("canopy.serving")

_KEPT = 256
"""Answers that are remembered: all classes of any forest, but not all numbers that a regression may give."""


class Responses:
    """The bytes of answers, for all connections. What is the same for many is made once."""

    __slots__ = ("_defaults", "_frame", "_head", "_made", "_model", "_of_frame", "_refusal", "_refused")

    def __init__(self) -> None:
        self._defaults: list[tuple[bytes, bytes]] | None = None
        self._head = b""
        self._model: Model | None = None
        self._made: defaultdict[tuple[Codec, Any], dict[Any, bytes]] = defaultdict(dict)
        self._frame: Frame | None = None
        self._of_frame: dict[Any, bytes] = {}
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
        frame = request.frame
        if answer.rows > 1 or not frame.constant:
            return self._response(answer, request)
        if frame is not self._frame:  # that of the request before, mostly
            self._frame, self._of_frame = frame, self._made[frame.codec, frame.options]
        made, label = self._of_frame, answer.first()
        label = label or (repr(label),)  # 0.0 and -0.0 are equal, and not the same
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
        self._frame = None
        self._refusal = None

    def _response(self, answer: Answer, request: HotRequest) -> bytes:
        frame = request.frame
        content, media_type, headers = encoded(answer, frame)
        tail = f"content-length: {len(content)}\r\ncontent-type: {media_type}\r\n\r\n"
        if frame.timed:
            headers = (*headers, ("server-timing", timing(request)))
        if headers:
            tail = "".join([f"{name}: {value}\r\n" for name, value in headers]) + tail
        return self._head + tail.encode() + content
