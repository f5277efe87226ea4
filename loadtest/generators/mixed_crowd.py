"""A crowd in which some clients behave and others break off in every way."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from loadtest.generators.answers import same
from loadtest.generators.departures import WAYS, Leaver, leave
from loadtest.generators.line import Line
from loadtest.system.process import ServerProcess

PAUSE: Final = 0.5
"""Longest time, in seconds, from a client's departure to its return."""

PATIENCE: Final = 10.0
"""Seconds after which an answer to a well-behaved client fails to come."""


@dataclass(slots=True)
class CrowdTally:
    """What the clients saw.

    Attributes:
        answered: right answers to the well-behaved.
        failures: how often each kind of failure hit one of them.
        left: how often a client left in each way.
        stayed: how often the server left a client's connection open for far too long, in each way.
    """

    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    stayed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class MixedCrowd:
    """Clients of one server: some break off, some behave.

    Attributes:
        server: whom they ask.
        truth: requests and the right answers to them.
        bad: clients that break off at any one time.
        good: clients that behave at any one time.
        draw: decides who breaks off how.
    """

    server: ServerProcess
    truth: dict[bytes, bytes]
    bad: int
    good: int
    draw: Random

    async def run(self, seconds: float, tally: CrowdTally) -> None:
        """Let them come and go for a while; then all are gone."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            good = [group.create_task(self._behave(until, tally)) for _ in range(self.good)]
            ways = itertools.islice(itertools.cycle(WAYS), self.bad)
            bad = [group.create_task(self._misbehave(way, until, tally)) for way in ways]
            await asyncio.wait(good)
            for task in bad:  # some would take their time
                task.cancel()

    async def _behave(self, until: float, tally: CrowdTally) -> None:
        requests = list(self.truth)
        while time.monotonic() < until:
            try:
                async with Line(self.server.host, self.server.port) as line:
                    for request in self.draw.choices(requests, k=100):
                        async with asyncio.timeout(PATIENCE):
                            answer = await line.ask(request)
                        if (reason := same(answer.status, answer.body, self.truth[request])) is not None:
                            tally.failures[reason] += 1
                        else:
                            tally.answered += 1
                        if time.monotonic() >= until:
                            break
                        await asyncio.sleep(0.01)
            except TimeoutError:
                tally.failures["no answer"] += 1
            except OSError as error:
                tally.failures[f"connection lost: {error}"] += 1
                await asyncio.sleep(0.1)

    async def _misbehave(self, way: str, until: float, tally: CrowdTally) -> None:
        """Leave again and again in one way: so there are as many at a time in the slow ways as in the quick ones."""
        requests = list(self.truth)
        while time.monotonic() < until:
            await asyncio.sleep(self.draw.uniform(0, PAUSE))
            leaver = Leaver(self.server.host, self.server.port, self.draw.choice(requests), self.draw)
            try:
                ended = await leave(way, leaver)
            except ConnectionRefusedError:  # the well-behaved tell of it
                continue
            tally.left[way] += 1
            tally.stayed[way] += not ended


async def learn(server: ServerProcess, requests: Sequence[bytes]) -> dict[bytes, bytes]:
    """Ask a quiet server each request by itself.

    Raises:
        RuntimeError: an answer is not 200.
    """
    truth = {}
    async with Line(server.host, server.port) as line:
        for request in requests:
            answer = await line.ask(request)
            if answer.status != 200:
                raise RuntimeError(f"status {answer.status}: {answer.body.decode()}")
            truth[request] = answer.body
    return truth
