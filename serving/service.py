"""What answers requests, whatever brings them: decode, queue, encode."""

import asyncio
import re
from dataclasses import asdict
from typing import Any, Final

import orjson

from batcher import Batcher, Waiter
from preprocessing import Row, RowDecoder
from serving.errors import BadParameter, ModelNotReady, NoProbabilities
from serving.inference import Answer
from serving.model import ModelHandle

_DECIMAL: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


class Service:
    """The parts that serve predictions, joined.

    Args:
        handle: the model in service.
        decoder: decodes and validates bodies.
        max_body_bytes: longest body.

    Attributes:
        batcher: set once the event loop runs.
        draining: whether the server is about to stop: it answers what it has, but is not ready for more.
    """

    def __init__(self, handle: ModelHandle, decoder: RowDecoder, *, max_body_bytes: int) -> None:
        self.handle = handle
        self.max_body_bytes = max_body_bytes
        self.batcher: Batcher[list[Row], Answer] | None = None
        self.draining = False
        self._decoder = decoder

    def __repr__(self) -> str:
        return f"<Service {self.handle!r} {self.batcher!r}{' draining' * self.draining}>"

    def submit(self, body: bytes, timeout: float | None) -> asyncio.Future[Answer]:
        """Queue one request body.

        Args:
            body: the JSON.
            timeout: seconds that the request may wait in the queue; None leaves that to the batcher.

        Returns:
            A future, as ``Batcher.submit`` describes it.

        Raises:
            InvalidBody: the body is no JSON or breaks the schema.
            ModelNotReady: no model is loaded.
            Closed: the server is shutting down.
            Overloaded: the request is refused.
        """
        rows = self._decoder.decode(body)
        return self._ready().submit(rows, len(rows), timeout=timeout)

    def enter(self, waiter: Waiter[list[Row], Answer], body: bytes | bytearray) -> None:
        """Queue one request body for a waiter, whose ``item`` and ``rows`` this sets.

        Raises:
            Exception: as ``submit``.
        """
        waiter.item = rows = self._decoder.decode(body)
        waiter.rows = len(rows)
        self._ready().enter(waiter)

    def withdraw(self, waiter: Waiter[list[Row], Answer]) -> None:
        """A waiter that was queued has given up."""
        if self.batcher is not None:
            self.batcher.withdraw(waiter)

    def _ready(self) -> Batcher[list[Row], Answer]:
        if self.batcher is None or self.handle.model is None:
            raise ModelNotReady
        return self.batcher

    @property
    def stuck(self) -> bool:
        """Whether the service cannot answer any more, though its event loop runs."""
        return False

    def give_up(self) -> None:
        """Fail every request that is not in the engine: the time to drain is over."""
        if self.batcher is not None:
            self.batcher.close()

    def state(self) -> dict[str, Any]:
        """Readiness and the model in service."""
        model = self.handle.model
        status = "draining" if self.draining else "loading" if model is None else "ready"
        return {
            "status": status,
            "model": None if model is None else str(model),
            "engine": None if model is None else model.engine.name,
        }

    def statistics(self) -> dict[str, Any]:
        """The batcher's statistics, with the state."""
        return self.state() | {"batcher": None if self.batcher is None else asdict(self.batcher.statistics())}


def queue_timeout(header: str | None) -> float | None:
    """Read the header Canopy-Deadline-Ms: seconds that the request may wait in the queue; None if it is not there.

    Raises:
        BadParameter: it is no positive number.
    """
    if header is None:
        return None
    milliseconds = float(header) if _DECIMAL.fullmatch(header) else 0.0
    if milliseconds == 0:
        raise BadParameter(f"Canopy-Deadline-Ms must be a positive number of milliseconds, not {header!r}")
    return milliseconds / 1000


def wants_probabilities(parameter: str | None) -> bool:
    """Read the query parameter ``probabilities``.

    Raises:
        BadParameter: it is neither true nor false.
    """
    if parameter is None:
        return False
    try:
        return _BOOLEANS[parameter.lower()]
    except KeyError:
        raise BadParameter(f"probabilities must be true or false, not {parameter!r}") from None


def encode(answer: Answer, *, probabilities: bool) -> bytes:
    """The JSON of an answer: ``prediction``, and if asked ``probabilities`` with the ``classes`` that they are of.

    Raises:
        NoProbabilities: they were asked for, and the model gives none.
    """
    document: dict[str, Any] = {"prediction": answer.labels}
    if probabilities:
        if answer.probabilities is None:
            raise NoProbabilities(f"{answer.model} is served by {answer.model.engine.name}, which gives labels only")
        document["probabilities"] = answer.probabilities
        classes = answer.model.engine.classes
        document["classes"] = None if classes is None else classes.tolist()
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
