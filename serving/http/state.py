# cython: language_level=3, annotation_typing=False
"""What connections know of themselves, and of what they share; compiled code finds it without a look-up."""

from asyncio import get_running_loop
from typing import TYPE_CHECKING, Any

from serving.http.read_budget import Recipient

if TYPE_CHECKING:
    from serving.http.context import ConnectionContext

IDLE, HEAD, BODY, LEAVING = range(4)
"""What a connection reads: nothing yet, a request's head, its body, or only what it will throw away."""

SLICE = 16_384
"""Bytes that are parsed at once, so that of a long row of small requests only the first come into being."""

_SLICE = SLICE


class SharedState:
    """What all connections of a server share.

    Attributes:
        parting: whether each request that begins is its connection's last, and its answer says so.
        closed: whether connections are closed as soon as they have nothing to answer.
        default_headers: what each response has; another list each time they change.
    """

    __slots__ = ("closed", "default_headers", "parting")

    def __init__(self) -> None:
        self.parting = False
        self.closed = False
        self.default_headers: list[tuple[bytes, bytes]] = []


class FlowState:
    """How far a connection reads ahead, and writes.

    Attributes:
        read_paused: whether nothing is read.
        write_paused: whether the client does not take its answers.
        held: what was read, and is parsed when there is room for more.
    """

    __slots__ = ("held", "read_paused", "write_paused")

    def __init__(self) -> None:
        self.read_paused = False
        self.write_paused = False
        self.held = b""


class ConnectionState(Recipient):
    """The attributes of a connection, uvicorn's own among them that each request touches.

    They have places of their own: beyond thirty attributes Python no longer lays out the objects of a class alike,
    which would cost a kilobyte each.

    Args:
        context: what all connections share.
        server_state: uvicorn's, and ours.

    Attributes:
        running: the request that is being answered.
        on_lost: called when the client has gone, while a request waits for its answer.
        lost: whether the client has gone.
        _reading: what is read, one of IDLE, HEAD, BODY and LEAVING.
        _partial: the beginning of a request whose head is known, and whose body is not there yet.
        _kept: pieces that were read and not taken up.
        _since: when what is waited for began, in seconds of the event loop.
        _patience: seconds that are waited at least for anything that is waited for.
        _stalled: since when the client has not taken its answers; None if it does.
        _left: since when nothing is read but to be thrown away; None before.
        _ended: whether the client sends no more.
        _fault: what was wrong with what was read; nothing is parsed any more.
        _last: the request that was told to be the connection's last; None if none was, or not by us.
        _wasted: bytes that were read to be thrown away.
        _held_back: whether nothing is read because too much was kept.
        _chunk: bytes that the parser was given last.
        _head_bytes: of the head that is being read, and of what came before it in the same piece.
        _before: what ``_head_bytes`` was when the head began.
    """

    __slots__ = (
        "_before",
        "_chunk",
        "_ended",
        "_fault",
        "_flow",
        "_head_bytes",
        "_held_back",
        "_kept",
        "_last",
        "_left",
        "_limits",
        "_metrics",
        "_partial",
        "_patience",
        "_read_budget",
        "_reading",
        "_since",
        "_stalled",
        "_wasted",
        "cycle",
        "flow",
        "loop",
        "lost",
        "on_lost",
        "pipeline",
        "running",
        "server_state",
        "transport",
    )

    _before: int
    _chunk: int
    _ended: bool
    _fault: Any
    _flow: FlowState
    _head_bytes: int
    _held_back: bool
    _kept: int
    _last: Any
    _left: float | None
    _limits: Any
    _metrics: Any
    _partial: bytes
    _patience: float
    _read_budget: Any
    _reading: int
    _since: float
    _stalled: float | None
    _wasted: int
    cycle: Any
    flow: Any
    loop: Any
    lost: bool
    on_lost: Any
    pipeline: Any
    running: Any
    server_state: Any
    transport: Any

    def __init__(self, context: "ConnectionContext", server_state: SharedState) -> None:
        self._limits, self._metrics, self._read_budget = context
        self.server_state = server_state
        self.loop = get_running_loop()
        self.transport = self.flow = self._flow = self.pipeline = None  # type: ignore[assignment]  # not connected yet
        self.running = self.cycle = self.on_lost = None
        self.lost = self._ended = self._held_back = False
        self._reading = IDLE
        self._since = self.loop.time()
        self._patience = self._limits.shortest
        self._partial = b""
        self._kept = self._before = self._chunk = self._head_bytes = self._wasted = 0
        self._fault = self._last = self._left = self._stalled = None

    def data_received(self, data: bytes) -> None:
        """Bytes have come: take them up, or have them kept."""
        if self._read_budget.admit():
            self.receive(data)
        else:
            self.keep(data)

    def keep(self, data: bytes) -> None:
        """Have bytes kept for a later turn."""
        self._kept += 1
        if (self._kept > 1 or len(data) > _SLICE) and not self._flow.read_paused:
            self._held_back = True
            self.flow.pause_reading()
        self._read_budget.keep(self, data)

    def take_up(self, data: bytes) -> None:
        """See ``Recipient``."""
        self._kept -= 1
        if self.lost or self.transport.is_closing():
            return
        self.receive(data)
        if self._kept:
            return
        if self._held_back:
            self._held_back = False
            self.flow.resume_reading()
        if self._ended or self.server_state.closed:
            self.all_taken_up()

    def receive(self, data: bytes) -> None:
        """Take up bytes that have come."""
        raise NotImplementedError

    def may_expire(self, now: float) -> bool:
        """Whether ``expire`` may find that the client takes too long; of most it is known at once that they do not.

        Args:
            now: the event loop's time.
        """
        if self._partial or self._ended or self._left is not None or self._stalled is not None:
            return True
        if self._kept or self._flow.read_paused:  # it is we who do not read, which ``expire`` takes into account
            return True
        return now - self._since > self._patience

    def expire(self, now: float) -> None:
        """Part with a client that takes too long."""
        raise NotImplementedError

    # What is asked of a connection from within compiled code; it stands behind all of its classes.

    def all_taken_up(self) -> None:
        """All that was kept is taken up, and the client sends no more, or the server has closed."""
        raise NotImplementedError

    def parse(self, data: bytes) -> None:
        """Parse bytes that have come."""
        raise NotImplementedError

    def be_last(self, request: Any) -> None:  # noqa: ANN401 - uvicorn's own type, or ours
        """Have a request be the connection's last."""
        raise NotImplementedError

    def leave(self) -> None:
        """Part, now that the last answer is given."""
        raise NotImplementedError

    def fail(self, request: Any, error: Exception) -> None:  # noqa: ANN401
        """Answer a request with what went wrong."""
        raise NotImplementedError

    def on_response_complete(self) -> None:
        """A request is answered: turn to the next one."""
        raise NotImplementedError


def expire_all(connections: list[ConnectionState], now: float) -> None:
    """Part with the clients that take too long: once a second, for ten thousand connections too.

    Args:
        connections: all of them.
        now: the event loop's time.
    """
    for connection in connections:
        if connection.may_expire(now):
            connection.expire(now)
