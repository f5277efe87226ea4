"""Clients that keep their connections: some ask without a pause, others think between two requests."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import orjson

from loadtest.generators.closed_loop import encode_request
from loadtest.generators.line import Answer, Line
from tests.soak.ledger import Fault, Ledger

PATIENCE: Final = 60.0
"""Seconds after which an answer, or a connection, fails to come."""

PREFIX: Final = b"BestModelRF/"


@dataclass(slots=True)
class Client:
    """One of them.

    Attributes:
        number: its own.
        pauses: least and most seconds between two requests.
        right: answers so far that were right, or excused.
    """

    number: int
    pauses: tuple[float, float]
    right: int = 0


@dataclass(slots=True)
class Clients:
    """All of them.

    Attributes:
        host: whom they ask.
        port: likewise.
        rows: what they ask for.
        ledger: where all that they see goes.
        draw: decides who asks what, and when.
    """

    host: str
    port: int
    rows: Sequence[Sequence[float]]
    ledger: Ledger
    draw: Random
    everybody: list[Client] = field(default_factory=list)

    async def ask(self, hurried: int, pausing: int) -> None:
        """Ask until cancelled."""
        self.everybody = [Client(number, (0.001, 0.01)) for number in range(hurried)]
        self.everybody += [Client(hurried + number, (0.1, 1.5)) for number in range(pausing)]
        requests = [encode_request(self.host, row) for row in self.rows]
        async with asyncio.TaskGroup() as group:
            for client in self.everybody:
                group.create_task(self._go_on(client, requests))

    async def all_are_answered(self, seconds: float) -> None:
        """Wait until each was answered once more.

        Raises:
            Fault: somebody was not, or something else was seen that must not be.
        """
        before = [client.right for client in self.everybody]
        give_up = time.monotonic() + seconds
        for client, so_far in zip(self.everybody, before, strict=True):
            while client.right <= so_far:
                self.ledger.judge(len(self.everybody))
                if time.monotonic() > give_up:
                    raise Fault(f"client {client.number} was not answered for {seconds:g} s")
                await asyncio.sleep(0.02)

    async def _go_on(self, client: Client, requests: Sequence[bytes]) -> None:
        while True:
            began = time.monotonic()
            line = Line(self.host, self.port)
            try:
                async with asyncio.timeout(PATIENCE):
                    await line.__aenter__()
            except OSError as error:  # TimeoutError is one
                self.ledger.loss("refused", client.number, began, f"cannot connect: {error!r}")
                await asyncio.sleep(0.1)
                continue
            try:
                await self._converse(client, line, requests)
            finally:
                await line.__aexit__(None, None, None)

    async def _converse(self, client: Client, line: Line, requests: Sequence[bytes]) -> None:
        """Ask over a connection for as long as it is kept."""
        used = False
        while not line.ended():
            row = self.draw.randrange(len(requests))
            began = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE):
                    answer = await line.ask(requests[row])
            except TimeoutError:
                self.ledger.fault(f"client {client.number} got no answer within {PATIENCE:g} s")
                return
            except OSError as error:
                self._lost(client, began, used=used, error=error)
                return
            used = True
            self._judge(client, row, answer, began)
            if answer.headers.get(b"connection") == b"close":
                return
            await asyncio.sleep(self.draw.uniform(*client.pauses))

    def _lost(self, client: Client, began: float, *, used: bool, error: OSError) -> None:
        detail = f"{'a kept' if used else 'a new'} connection broke instead of an answer: {error!r}"
        killed = self.ledger.open("broken", began)
        if used and not killed and self.ledger.open("crossing", began):
            self.ledger.loss("crossing", client.number, began, detail)
        elif not used and killed and self.ledger.open("refused", began):
            # The socket of a process that is killed outlives it for a moment: that is as good as nobody.
            self.ledger.loss("refused", client.number, began, detail)
        else:
            self.ledger.loss("broken", client.number, began, detail)

    def _judge(self, client: Client, row: int, answer: Answer, began: float) -> None:
        body = answer.body.decode("utf-8", "replace")
        self.ledger.read("an answer", f"{answer.headers} {body}")
        if answer.status == 503:
            self.ledger.loss("not ready", client.number, began, f"status 503: {body}")
            return
        model = answer.headers.get(b"canopy-model", b"")
        if answer.status != 200 or not model.startswith(PREFIX):
            self.ledger.fault(f"client {client.number}: status {answer.status} of {model.decode()}: {body}")
            return
        (label,) = orjson.loads(answer.body)["prediction"]
        self.ledger.answer(row, int(model.removeprefix(PREFIX)), label, began)
        client.right += 1
