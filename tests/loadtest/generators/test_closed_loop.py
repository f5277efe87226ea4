"""The crowd tells right answers from failures."""

import asyncio
from pathlib import Path

from loadtest.generators.closed_loop import encode_request, run_crowd
from tests.conftest import Start
from tests.helpers.stub_server import HELD
from tests.helpers.support import Gate, counted, until

ROW = [3000.0, *[1.0] * 9, 0.0, 0.0]


def test_every_user_is_answered_again_and_again(start: Start) -> None:
    """All users together get far more answers than there are users, and no failure."""
    goals = iter((0, 2000))  # of which some come before the crowd is counted, more of them on a busy machine

    async def look() -> None:
        goal = next(goals)
        await asyncio.to_thread(until, lambda: counted(server, "answered") >= goal)

    with start() as server:
        requests = [encode_request(server.host, [float(elevation), *ROW[1:]]) for elevation in range(100)]
        how = {"users": 20, "seconds": 0, "warm_up": 0}
        tally = asyncio.run(run_crowd(server.host, server.port, requests, **how, look=look))
    assert tally.failures == {}
    assert tally.answered > 100
    assert tally.answered <= len(tally.latencies) + 20
    assert min(tally.latencies) > 0


def test_refusals_count_as_failures(start: Start) -> None:
    """A status other than 200 is a failure, however fast it comes."""
    with start("--max-queue-rows", "1", fixed=0.05) as server:
        requests = [encode_request(server.host, ROW)]
        tally = asyncio.run(run_crowd(server.host, server.port, requests, users=10, seconds=0.5, warm_up=0.1))
    assert tally.failures["status 503"] > 0


def test_a_lost_connection_counts_as_a_failure(start: Start, tmp_path: Path) -> None:
    """A server that dies under the crowd does not go unnoticed."""
    gate = tmp_path / "gate"

    async def kill() -> None:
        if server.process.poll() is None:
            await asyncio.to_thread(until, lambda: counted(server, "accepted") == 5)
            server.process.kill()
            server.process.wait()

    with start(gate=str(gate)) as server, Gate(gate):  # no answer is on its way when it dies
        request = [encode_request(server.host, [HELD, *ROW[1:]])]
        failures = asyncio.run(
            run_crowd(server.host, server.port, request, users=5, seconds=0, warm_up=0, look=kill)
        ).failures
    assert sum(count for reason, count in failures.items() if reason.startswith("connection lost")) == 5


def test_slow_answers_are_waited_for_and_counted(start: Start, tmp_path: Path) -> None:
    """An answer that comes after the counting still has its latency; one that never comes is a failure."""
    gate = tmp_path / "gate"
    with start("--batching", "off", fixed=0.15) as server:
        answers = iter([0, 8])

        async def some() -> None:
            """Begin to count at once, and end when each has been answered twice, however long that takes."""
            least = next(answers)
            await asyncio.to_thread(until, lambda: counted(server, "answered") >= least)

        request = [encode_request(server.host, ROW)]
        patient = asyncio.run(run_crowd(server.host, server.port, request, users=4, seconds=0, warm_up=0, look=some))
        assert patient.failures == {}
        assert max(patient.latencies) > 0.45
    with start(gate=str(gate)) as server, Gate(gate):
        request = [encode_request(server.host, [HELD, *ROW[1:]])]
        hasty = asyncio.run(
            run_crowd(server.host, server.port, request, users=4, seconds=0.1, warm_up=0, last_answer_timeout=0)
        )
    assert hasty.failures == {"no answer": 4}


def test_whole_numbers_are_sent_as_integers() -> None:
    """The body looks as a person would write it."""
    assert encode_request("x", [1.0, 2.5]).endswith(b'\r\n\r\n{"features":[1,2.5]}')


def test_what_is_counted_can_be_looked_at_when_it_begins_and_ends(start: Start) -> None:
    """While the crowd goes on asking: the first look sees the warm-up, the second one what was counted, too."""
    seen: list[int] = []

    async def look() -> None:
        seen.append(await asyncio.to_thread(counted, server, "answered"))

    with start() as server:
        request = [encode_request(server.host, ROW)]
        tally = asyncio.run(run_crowd(server.host, server.port, request, users=5, seconds=0.3, warm_up=0.2, look=look))
    warm, end = seen
    assert 0 < warm < end
    assert tally.answered > 0
