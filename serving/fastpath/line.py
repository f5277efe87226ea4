# cython: language_level=3, annotation_typing=False
"""What a common request goes through: from the bytes of a connection to the queue, and from an answer to one write."""

from time import monotonic
from typing import TYPE_CHECKING

from serving.fastpath.head_cache import END, Head, HeadCache
from serving.fastpath.hotrequest import HotRequest
from serving.fastpath.responses import Responses
from serving.http.state import IDLE, ConnectionState

if TYPE_CHECKING:
    from serving.admission import Admission
    from serving.exchange import Answer
    from serving.metrics.recorder import Recorder

_IDLE = IDLE
_END = END
_END_LENGTH = len(END)


class Line(ConnectionState):
    """A connection, as far as common requests are concerned; ``HotConnection`` is the whole of it.

    Attributes:
        _admission: takes requests in.
        _responses: makes the bytes of the answers.
        _predictions: counts them.
        _heads: what the heads of requests mean that were seen before.
        _head: the one that is being parsed; empty if it began otherwise than at the beginning of what came.
        _hot: the request that is being parsed, if it is for the hot path.
    """

    __slots__ = ("_admission", "_head", "_heads", "_hot", "_predictions", "_responses")

    _admission: "Admission"
    _responses: Responses
    _predictions: "Recorder"
    _heads: HeadCache
    _head: bytes
    _hot: HotRequest | None

    def receive(self, data: bytes) -> None:
        """See ``Connection.receive``.

        A request that is wholly here, whose head is known, is queued without being parsed. If some of its body is
        still to come, it is kept for once; a parser that is given it later finds nothing else in it.
        """
        if self._reading != _IDLE or self.running is not None or self._flow.held:
            self.parse(data)
            return
        kept = self._partial
        if kept:
            data = kept + data
            self._partial = b""
        end = data.find(_END) + _END_LENGTH
        head = data[:end]
        known = self._heads.find(head)
        if known is None:
            self._head = head
            self.parse(data)
            return
        missing = known.length - (len(data) - end)
        if missing == 0:
            self.ask(known, data, end)
        elif missing > 0 and not kept:
            self._partial = data
        else:
            self.parse(data)

    def ask(self, known: Head, data: bytes, start: int) -> None:
        """Queue the request that is all of what has come, and whose body begins at ``start``."""
        self._hot = None
        request = HotRequest.__new__(HotRequest)
        request.begin(self, known.frame)
        request.keep_alive = known.keep_alive
        self.running = request
        if self.server_state.parting:
            self.be_last(request)
        self.cycle = request
        self.queue(request, data, start)

    def queue(self, request: HotRequest, body: bytes | bytearray, start: int) -> None:
        """Queue the running request, or answer what is wrong with it."""
        try:
            request.frame = self._admission.decode(request, request.frame, body, start)
            self._admission.enqueue(request, request.frame)
        except Exception as error:
            request.item = None  # or an idle connection would keep the model that it was decoded for
            self.fail(request, error)
        else:
            request.accepted = True

    def answer(self, request: HotRequest, answer: "Answer") -> None:
        """Write the answer to the running request."""
        try:
            response = self._responses.of(answer, request, self.server_state.default_headers)
        except Exception as error:  # or the rest of its batch would not be answered
            self.fail(request, error)
        else:
            self.write_response(request, response)
            self._predictions.answered(request.frame.codec.path, monotonic() - request.arrived)

    def write_response(self, request: HotRequest, response: bytes) -> None:
        """Write the response to the running request, and turn to the next one."""
        request.response_complete = True
        if not request.keep_alive:
            self.transport.write(response.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
            self.leave()
            self.on_response_complete()
            return
        self.transport.write(response)
        if self.pipeline or self._flow.read_paused or self._flow.held:
            self.on_response_complete()
            return
        self.running = None
        if self._reading == _IDLE:
            self._since = self.loop.time()
