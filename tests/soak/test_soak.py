"""A soak in small, and that it would notice."""

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from random import Random

import pytest

from tests.conftest import ROOT, Start
from tests.helpers.support import PATIENCE, label
from tests.soak.clients import Clients
from tests.soak.ledger import Fault, Ledger
from tests.soak.relay import relay


@pytest.mark.slow
@pytest.mark.parametrize("workers", [pytest.param("1", id="alone"), pytest.param("2", id="two-workers")])
def test_the_product_survives_every_fault(workers: str) -> None:
    """Each of them happens once at least; with another seed and longer: ``make soak``."""
    command = [sys.executable, "-m", "tests.soak", "--time", "1s", "--seed", "14", "--workers", workers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600, check=False)
    if done.returncode == 2:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"soak: seed 14, {workers} workers: no fault"


@pytest.fixture
def ledger() -> Ledger:
    """Of two versions that say different things of a row."""
    return Ledger({1: [5, 6], 2: [7, 6]}, ["s3cr/t+of=mine"])


def test_an_answer_that_is_not_its_versions_is_a_fault(ledger: Ledger) -> None:
    """And so is one of a version that nobody promoted, or of another than all are known to serve."""
    ledger.answer(0, 1, 5, began=0)
    ledger.judge(10)
    ledger.answer(0, 1, 7, began=0)
    ledger.answer(0, 3, 5, began=0)
    ledger.settled(2)
    ledger.answer(0, 1, 5, began=time.monotonic() - 1)
    ledger.answer(0, 1, 5, began=time.monotonic())
    ledger.settled(None)
    ledger.answer(0, 1, 5, began=time.monotonic())
    assert ledger.faults == [
        "row 0 got label 7; version 1 says 5",
        "an answer names version 3, which nobody promoted",
        "version 1 answers; all workers serve 2",
    ]
    assert ledger.answered == {1: 3}
    with pytest.raises(Fault, match=r"row 0 got label 7.* \(and 2 more\)"):
        ledger.judge(10)


def test_a_lost_request_needs_an_excuse(ledger: Ledger) -> None:
    """One of the very kind, at the time; a killed worker excuses one broken connection of each client."""
    with ledger.excusing("broken"):
        ledger.loss("broken", 1, time.monotonic(), "lost")
        ledger.loss("broken", 2, time.monotonic(), "lost")
        began = time.monotonic()
    assert ledger.faults == []
    ledger.loss("broken", 3, began, "asked before it was over")
    assert ledger.faults == []
    with ledger.excusing("broken"):
        ledger.loss("broken", 1, began, "lost")
        ledger.loss("broken", 1, time.monotonic(), "lost again")
        ledger.loss("refused", 4, time.monotonic(), "nobody listens")
    ledger.loss("broken", 5, time.monotonic(), "too late")
    assert [fault.partition(": ")[2] for fault in ledger.faults] == ["lost again", "nobody listens", "too late"]


def test_some_requests_may_cross_a_farewell_but_not_many(ledger: Ledger) -> None:
    """One, and a hundredth of the connections each time that the server stops."""
    ledger.stops = 2
    with ledger.excusing("crossing"):
        for client in range(3):
            ledger.loss("crossing", client, time.monotonic(), "lost")
        ledger.judge(100)
        ledger.loss("crossing", 4, time.monotonic(), "lost")
    with pytest.raises(Fault, match="4 requests were lost on kept connections in 2 stops with 100 clients; 3 may"):
        ledger.judge(100)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param("Bearer s3cr/t+of=mine\\n", id="as-it-is"),
        pytest.param("http://warden:s3cr%2Ft%2Bof%3Dmine@server", id="in-an-address"),
        pytest.param("Basic d2FyZGVuOnMzY3IvdCtvZj1taW5l", id="as-basic-authorization"),
    ],
)
def test_a_secret_is_known_in_any_form(ledger: Ledger, told: str) -> None:
    """Wherever it stands; what is told of that does not tell it again."""
    ledger.read("the log", "nothing to see")
    assert ledger.faults == []
    ledger.read("the log", told)
    assert ledger.faults
    assert all("mine" not in fault for fault in ledger.faults)


def test_clients_hold_answers_against_their_version(start: Start) -> None:
    """Those of the stand-in are right for version 7 only; each client is asked for, and every answer counts."""
    rows = [[float(elevation), *[1.0] * 9, 0.0, 0.0] for elevation in range(30)]

    async def visit(labels: list[int], port: int) -> Ledger:
        ledger = Ledger({7: labels}, [])
        clients = Clients("127.0.0.1", port, rows, ledger, Random(1))  # noqa: S311 - no secrets
        asking = asyncio.create_task(clients.ask(2, 2))
        await asyncio.sleep(0)
        with suppress(Fault):
            await clients.all_are_answered(PATIENCE)
        asking.cancel()
        return ledger

    with start() as server:
        good = asyncio.run(visit([label(row[0]) for row in rows], server.port))
        bad = asyncio.run(visit([1 + label(row[0]) % 7 for row in rows], server.port))
    assert good.faults == []
    assert good.answered[7] >= 4
    assert bad.faults
    assert bad.answered == {}


async def test_a_relay_passes_drips_and_refuses() -> None:
    """As it is told; who drips goes on to when the relay is well again, and newcomers do not notice."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with listener, relay(listener.sockets[0].getsockname()[1]) as between:

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection("127.0.0.1", between.port)

        reader, writer = await connect()
        assert await reader.read() == b"hello"
        writer.close()
        await between.be("dripping")
        reader, writer = await connect()
        assert await reader.read(5) == b"h"
        await between.be("plain")
        quick, other = await connect()
        assert await quick.read() == b"hello"
        assert await reader.read(5) == b"e"
        other.close()
        writer.close()
        await between.be("down")
        with pytest.raises(ConnectionRefusedError):
            await connect()
