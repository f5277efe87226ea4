"""The supervisor with real processes that do little."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.conftest import ROOT
from tests.support import lives
from workers import Refused, Seat, Supervisor, listen, share_memory

WORKER = f"""
import asyncio, json, mmap, os, signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
import workers

seat, channel = workers.Seat.take(os.environ)
superior = workers.Superior(workers.Channel(channel))
memory = mmap.mmap(seat.memory, 0)

async def main():
    dismissed = asyncio.Event()
    attending = asyncio.create_task(superior.attend(dismissed.set))
    superior.beat()
    told = json.loads(await superior.task())
    memory[8 * seat.index : 8 * seat.index + 8] = os.getpid().to_bytes(8, "little")
    if "refuse" in told:
        await superior.failed(told["refuse"])
    else:
        await superior.serving(f"{{told['name']}} by {{seat.count}}")
    if told.get("deaf") == seat.index:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    while not dismissed.is_set():
        await asyncio.sleep(0.05)
        superior.beat()

asyncio.run(main())
"""
"""A worker that writes its process number into the shared memory."""

Made = Callable[..., Supervisor]


@pytest.fixture
def memory() -> Iterator[int]:
    """Descriptor of memory for two process numbers."""
    descriptor = share_memory(16)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def make(memory: int) -> Iterator[Made]:
    """Make a supervisor of two workers. Signals are afterwards as before."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def made(*command: str, hang_timeout: float = 30, stop_timeout: float = 30) -> Supervisor:
        listeners = listen("127.0.0.1", 0, 100, 2)
        return Supervisor(
            command or [sys.executable, "-c", WORKER],
            os.environ,
            [Seat(index, 2, listener.detach(), memory) for index, listener in enumerate(listeners)],
            hang_timeout=hang_timeout,
            stop_timeout=stop_timeout,
        )

    yield made
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def pids(memory: int) -> Callable[[], list[int]]:
    """Read what the workers wrote."""
    return lambda: [int.from_bytes(os.pread(memory, 8, at), "little") for at in (0, 8)]


@asynccontextmanager
async def running(supervisor: Supervisor, **task: object) -> AsyncIterator[str]:
    """Run a supervisor until all its workers serve a task; yields what they say of it, and stops them.

    Raises:
        Refused: they do not.
    """
    served = asyncio.get_running_loop().create_future()

    async def direct() -> None:
        served.set_result(await supervisor.serve(json.dumps(task).encode()))
        await asyncio.Event().wait()

    run = asyncio.create_task(supervisor.run(direct))
    await asyncio.wait([run, served], timeout=30, return_when=asyncio.FIRST_COMPLETED)
    try:
        if run.done():
            run.result()
        yield served.result()
    finally:
        supervisor.stop()
        await run


async def came_true(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Poll until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.01)


async def test_workers_serve_a_task_and_end_together(make: Made, pids: Callable[[], list[int]]) -> None:
    """Each has its seat and the memory that all share; when they are dismissed, none is left."""
    async with running(make(), name="a forest") as description:
        assert description == "a forest by 2"
        one, other = pids()
        assert one != other
        assert lives(one)
        assert lives(other)
    assert not lives(one)
    assert not lives(other)


async def test_a_worker_that_is_killed_is_replaced(
    make: Made, pids: Callable[[], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    """Its replacement gets the same seat and the same task; the log names the signal, and the other goes on."""
    async with running(make(), name="a forest"):
        one, other = pids()
        os.kill(one, signal.SIGKILL)
        await came_true(lambda: pids()[0] != one)
        assert pids()[1] == other
        assert lives(other)
    assert "worker 0 was ended by SIGKILL: replacing it" in caplog.text


async def test_a_silent_worker_is_replaced(
    make: Made, pids: Callable[[], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    """One that hangs, and does not heed SIGTERM, is killed; the log says why."""
    supervisor = make(hang_timeout=1)
    async with running(supervisor, name="a forest", deaf=1):
        one, other = pids()
        await came_true(lambda: pids()[1] != other)
        assert pids()[0] == one
        assert not lives(other)
        assert "worker 1 hangs: nothing was heard of it for 1 s" in caplog.text
        for pid in pids():  # the replacement hangs too
            os.kill(pid, signal.SIGKILL)


async def test_a_worker_that_does_not_end_is_killed(
    make: Made, pids: Callable[[], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    """After the time to stop nothing is waited for."""
    async with running(make(stop_timeout=0.5), name="a forest", deaf=0):
        one, other = pids()
    assert not lives(one)
    assert not lives(other)
    assert "worker 0 does not end: killing it" in caplog.text
    assert "worker 1 does not end" not in caplog.text


async def test_what_a_worker_cannot_do_ends_them_all(make: Made, pids: Callable[[], list[int]]) -> None:
    """The reason is the worker's own."""
    with pytest.raises(Refused, match="it is spoilt"):
        async with running(make(), name="a forest", refuse="it is spoilt"):
            pass
    assert not any(map(lives, filter(None, pids())))


@pytest.mark.parametrize(
    ("command", "end"),
    [
        pytest.param(["/bin/false"], "ended with status 1", id="ends-at-once"),
        pytest.param(["/nonexistent/program"], "cannot be started (No such file or directory)", id="not-there"),
    ],
)
async def test_a_worker_that_cannot_start_is_tried_again_and_again(
    make: Made, caplog: pytest.LogCaptureFixture, command: list[str], end: str
) -> None:
    """At once, and then ever more slowly, while the other attempts go on; stopping does not wait for the next."""
    supervisor = make(*command)

    async def direct() -> None:
        await came_true(lambda: f"worker 1 {end}: replacing it in 1 s" in caplog.text)

    await supervisor.run(direct)
    messages = [record.getMessage() for record in caplog.records if "worker 1" in record.getMessage()]
    assert messages == [f"worker 1 {end}: replacing it{delay}" for delay in ("", " in 0.5 s", " in 1 s")]


async def test_a_fault_of_who_directs_ends_the_workers(make: Made) -> None:
    """It is raised when they have ended."""

    async def direct() -> None:
        raise ArithmeticError("this was not foreseen")

    supervisor = make()
    with pytest.raises(ArithmeticError, match="not foreseen"):
        await supervisor.run(direct)
    assert repr(supervisor) == "<Supervisor 0 of 2 workers stopping>"
