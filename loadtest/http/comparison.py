"""Servers of Canopy's, nginx and the forest itself, asked in turns."""

import math
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from loadtest.http.asking import Did, ask_canopy, ask_nginx
from loadtest.http.cost import Cost, Turn
from loadtest.http.forest import ForestClock
from loadtest.http.nginx import Nginx
from loadtest.http.way import Case, Kind, Question, Way
from loadtest.system.process import ServerProcess

_WARM_UP: Final = 1.0
"""Seconds that each is asked before the rounds."""

Contender: TypeAlias = Way | Question
"""A server of Canopy's that is asked in some way, or nginx that is asked something."""


class Contenders(NamedTuple):
    """Whoever takes turns; all of them run on the same core.

    Attributes:
        servers: by the kind.
        nginx: by what it is asked, whether or not on kept connections; empty without nginx.
        clock: of the forest that the servers answer from; None if they answer from something else.
        scripts: what makes a generator ask, by the question.
    """

    servers: Mapping[Kind, ServerProcess]
    nginx: Mapping[Question, Nginx]
    clock: ForestClock | None
    scripts: Mapping[Question, Path]


class Comparison:
    """Measures cases.

    Args:
        contenders: who takes turns.
        seconds: that each is asked in a round.

    Attributes:
        costs: of the cases so far.
    """

    def __init__(self, contenders: Contenders, seconds: float) -> None:
        self.costs: dict[Case, Cost] = {}
        self._contenders = contenders
        self._seconds = seconds

    def run(self, cases: Sequence[Case], rounds: int) -> None:
        """Measure cases; those of as many connections, and next to each other, take turns.

        Raises:
            RuntimeError: a generator failed, or the forest's clock did.
        """
        for (connections, _), group in groupby(cases, lambda case: (case.connections, case.way.question.close)):
            ways = [case.way for case in group]
            self.costs |= {Case(connections, way): Cost() for way in ways}
            self._round(connections, self._order(ways), _WARM_UP)
            for turn in range(rounds):
                sys.stderr.write(f"{connections:,} connections, {ways[0].question}, round {turn + 1} of {rounds}\n")
                # Every other round backwards, so that nobody always has the machine's better half of it.
                order = self._order(ways)[:: -1 if turn % 2 else 1]
                for way, found in self._round(connections, order, self._seconds).items():
                    self.costs[Case(connections, way)].turns.append(found)

    def _order(self, ways: Sequence[Way]) -> list[Contender]:
        questions = [each for each in dict.fromkeys(way.question for way in ways) if self._nginx(each) is not None]
        return [*questions, *ways]

    def _nginx(self, question: Question) -> Nginx | None:
        return self._contenders.nginx.get(question._replace(close=False))

    def _round(self, connections: int, order: Sequence[Contender], seconds: float) -> dict[Way, Turn]:
        did: dict[Way, tuple[Did, float]] = {}
        floor: dict[Question, float] = {}
        for each in order:
            if isinstance(each, Way):
                script = self._contenders.scripts[each.question]
                server = self._contenders.servers[each.kind]
                done = ask_canopy(server, each.question, script, connections, seconds)
                did[each] = done, self._forest(each.question, done.batch)
            elif (nginx := self._nginx(each)) is not None:
                floor[each] = ask_nginx(nginx, self._contenders.scripts[each], connections, seconds)
        return {
            way: Turn(
                done.cpu, done.engine, done.batch, floor.get(way.question, math.nan), forest, *done.asked, done.spread
            )
            for way, (done, forest) in did.items()
        }

    def _forest(self, question: Question, batch: float) -> float:
        """CPU time of the forest for a request, in seconds."""
        clock = self._contenders.clock
        return math.nan if clock is None else clock.seconds(max(1, round(batch))) * question.rows
