"""What one turn of the event loop takes up of what is sent."""

import asyncio

import pytest

from loadtest.system.process import ServerProcess
from serving import ReadBudget
from serving.http.read_budget import Recipient
from tests.helpers.support import Wire, fill, label, request, rows


class Crowd(Recipient):
    """Recipients that note the turn in which each piece reaches them.

    Attributes:
        taken: (turn, piece) of all pieces.
    """

    def __init__(self) -> None:
        self.read_budget = ReadBudget()
        self.taken: list[tuple[int, bytes]] = []
        self.turn = 0

    def take_up(self, data: bytes) -> None:
        """See ``Recipient``."""
        if data == b"poison":
            raise ArithmeticError
        self.taken.append((self.turn, data))

    async def turns(self, number: int) -> None:
        """Let some turns pass."""
        for _ in range(number):
            self.turn += 1
            await asyncio.sleep(0)


async def test_a_turn_takes_up_a_bounded_number_first_come_first_served() -> None:
    """The rest waits for the next turns, and what comes meanwhile waits behind it."""
    crowd = Crowd()
    fill(crowd.read_budget)
    for number in range(3000):
        crowd.read_budget.keep(crowd, b"%d" % number)
    await crowd.turns(1)
    assert len(crowd.taken) == 1024
    assert fill(crowd.read_budget) == 0
    crowd.read_budget.keep(crowd, b"late")
    await crowd.turns(2)
    assert [piece for _, piece in crowd.taken] == [*(b"%d" % number for number in range(3000)), b"late"]
    assert [turn for turn, _ in crowd.taken] == [1] * 1024 + [2] * 1024 + [3] * 953
    assert fill(crowd.read_budget) == 1024


async def test_one_that_fails_takes_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is logged, and those behind it are served."""
    crowd = Crowd()
    fill(crowd.read_budget)
    for piece in (b"a", b"poison", b"b", b"c"):
        crowd.read_budget.keep(crowd, piece)
    await crowd.turns(3)
    assert [piece for _, piece in crowd.taken] == [b"a", b"b", b"c"]
    assert fill(crowd.read_budget) == 1024
    assert "ArithmeticError" in caplog.text


def test_a_long_conversation_never_stops(server: ServerProcess) -> None:
    """Every thousandth request finds no room, and is answered all the same."""
    wire = Wire(server)
    for _ in range(1100):
        assert wire.ask(request(rows(3))).document == {"prediction": [label(3)]}
