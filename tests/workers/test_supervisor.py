"""The supervisor with real processes that do little."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.helpers.support import PATIENCE, lives
from workers import RolloutRefused, Supervisor, WorkerSlot, listen, share_memory

WORKER = f"""
import asyncio, json, mmap, os, signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
import workers

slot, channel = workers.WorkerSlot.take(os.environ)
supervisor_client = workers.SupervisorClient(workers.Channel(channel))
memory = mmap.mmap(slot.memory, 0)

async def main():
    dismissed = asyncio.Event()
    attending = asyncio.create_task(supervisor_client.attend(lambda _: dismissed.set()))
    supervisor_client.beat()
    serving = asyncio.create_task(serve())
    while not dismissed.is_set():
        await asyncio.sleep(0.05)
        supervisor_client.beat()

async def serve():
    while True:
        task, files = await supervisor_client.task()
        told = json.loads(task)
        if "note" in told:
            open(told["note"] + str(slot.index), "wb").write(os.pread(files[0], 100, 0))
        memory[16 * slot.index : 16 * slot.index + 8] = os.getpid().to_bytes(8, "little")
        if "gate" in told and slot.index == 1:
            if os.path.isdir(os.path.dirname(told["gate"])):
                print("at the gate", file=open(told["gate"], "a"), flush=True)
            await asyncio.sleep(0.05)
            calling_off = asyncio.create_task(supervisor_client.called_off())
            while not os.path.exists(told["gate"] + ".open") and not calling_off.done():
                await asyncio.sleep(0.01)
            if calling_off.done():
                continue
        if told.get("die") == slot.index:
            os.kill(os.getpid(), signal.SIGKILL)
        if told.get("refuse") == slot.index:
            await supervisor_client.failed("it is spoilt")
            continue
        if not await supervisor_client.agree():
            continue
        memory[16 * slot.index + 8 : 16 * slot.index + 16] = told["version"].to_bytes(8, "little")
        await supervisor_client.serving(f"version {{told['version']}} by {{slot.count}}")
        if told.get("deaf") == slot.index:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        if told.get("refresh") == slot.index:
            supervisor_client.refresh()
        if told.get("tell"):
            while supervisor_client.news == b"null":
                await asyncio.sleep(0.01)
            open(told["tell"] + str(slot.index), "wb").write(supervisor_client.news)

asyncio.run(main())
"""
"""A worker that writes its process number and the version that it serves into the shared memory."""

Made = Callable[..., Supervisor]


@pytest.fixture
def memory() -> Iterator[int]:
    """Descriptor of memory for two process numbers and two versions."""
    descriptor = share_memory(32)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def make(memory: int) -> Iterator[Made]:
    """Make a supervisor of two workers. Signals are afterwards as before."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def made(
        *command: str, hang_timeout: float = 30, ready_timeout: float = 60, stop_timeout: float = 30
    ) -> Supervisor:
        listeners = listen("127.0.0.1", 0, 100, 2)
        return Supervisor(
            command or [sys.executable, "-c", WORKER],
            os.environ,
            [WorkerSlot(index, 2, listener.detach(), memory) for index, listener in enumerate(listeners)],
            hang_timeout=hang_timeout,
            ready_timeout=ready_timeout,
            stop_timeout=stop_timeout,
        )

    yield made
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def pids(memory: int) -> Callable[[], list[int]]:
    """Read what the workers wrote."""
    return lambda: [int.from_bytes(os.pread(memory, 8, at), "little") for at in (0, 16)]


@pytest.fixture
def versions(memory: int) -> Callable[[], list[int]]:
    """Read which versions the workers serve."""
    return lambda: [int.from_bytes(os.pread(memory, 8, at), "little") for at in (8, 24)]


def encoded(**task: object) -> bytes:
    """A task, as workers are sent it."""
    return json.dumps(task).encode()


@asynccontextmanager
async def running(supervisor: Supervisor, **task: object) -> AsyncIterator[str]:
    """Run a supervisor until all its workers serve a task; yields what they say of it, and stops them.

    Raises:
        RolloutRefused: they do not.
    """
    served = asyncio.get_running_loop().create_future()

    async def direct() -> None:
        served.set_result(await supervisor.serve(encoded(**task)))
        await asyncio.Event().wait()

    run = asyncio.create_task(supervisor.run(direct))
    await asyncio.wait([run, served], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    try:
        if run.done():
            run.result()
        yield served.result()
    finally:
        supervisor.stop()
        await run


async def came_true(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Poll until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.01)


async def test_workers_serve_a_task_and_end_together(make: Made, pids: Callable[[], list[int]]) -> None:
    """Each has its seat and the memory that all share; when they are dismissed, none is left."""
    async with running(make(), version=1) as description:
        assert description == "version 1 by 2"
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
    async with running(make(), version=1):
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
    supervisor = make(hang_timeout=4)
    async with running(supervisor, version=1, deaf=1):
        one, other = pids()
        await came_true(lambda: pids()[1] != other)
        assert pids()[0] == one
        assert not lives(other)
        assert "worker 1 hangs: nothing was heard of it for 4 s" in caplog.text
        for pid in pids():  # the replacement hangs too
            os.kill(pid, signal.SIGKILL)


async def test_a_worker_that_does_not_end_is_killed(
    make: Made, pids: Callable[[], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    """After the time to stop nothing is waited for."""
    async with running(make(stop_timeout=0.5), version=1, deaf=0):
        one, other = pids()
    assert not lives(one)
    assert not lives(other)
    assert "worker 0 does not end: killing it" in caplog.text
    assert "worker 1 does not end" not in caplog.text


async def test_what_a_worker_cannot_do_ends_them_all(make: Made, pids: Callable[[], list[int]]) -> None:
    """The reason is the worker's own."""
    with pytest.raises(RolloutRefused, match="it is spoilt"):
        async with running(make(), version=1, refuse=1):
            pass
    assert not any(map(lives, filter(None, pids())))


async def test_a_new_task_is_served_by_all_at_once(
    make: Made, versions: Callable[[], list[int]], tmp_path: Path
) -> None:
    """Whoever is ready goes on with the old one until the last is ready as well."""
    supervisor, gate, opened = make(), tmp_path / "gate", tmp_path / "gate.open"
    async with running(supervisor, version=1):
        serving = asyncio.create_task(supervisor.serve(encoded(version=2, gate=str(gate))))
        await came_true(gate.exists)
        assert versions() == [1, 1]
        opened.touch()
        assert await serving == "version 2 by 2"
        assert versions() == [2, 2]


async def test_what_one_cannot_do_none_does(make: Made, versions: Callable[[], list[int]]) -> None:
    """All go on with what they have, and so do replacements; the next task is tried afresh."""
    supervisor = make()
    async with running(supervisor, version=1):
        with pytest.raises(RolloutRefused, match="it is spoilt"):
            await supervisor.serve(encoded(version=2, refuse=1))
        assert versions() == [1, 1]
        assert await supervisor.serve(encoded(version=3)) == "version 3 by 2"
        assert versions() == [3, 3]


async def test_one_that_is_killed_while_all_get_ready_is_replaced_and_joins_them(
    make: Made, pids: Callable[[], list[int]], versions: Callable[[], list[int]], tmp_path: Path
) -> None:
    """Its replacement first serves what the others serve, and then gets ready with them."""
    supervisor, gate, opened = make(), tmp_path / "gate", tmp_path / "gate.open"
    async with running(supervisor, version=1):
        serving = asyncio.create_task(supervisor.serve(encoded(version=2, gate=str(gate))))
        await came_true(gate.exists)
        killed = pids()[1]
        os.kill(killed, signal.SIGKILL)
        await came_true(lambda: gate.read_text().count("\n") == 2)
        assert pids()[1] != killed
        assert versions() == [1, 1]
        opened.touch()
        assert await serving == "version 2 by 2"
        assert versions() == [2, 2]


async def test_a_task_that_kills_its_workers_is_refused(
    make: Made, versions: Callable[[], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    """After three deaths; the replacement serves what it was before."""
    caplog.set_level(logging.INFO)
    supervisor = make()
    async with running(supervisor, version=1):
        with pytest.raises(
            RolloutRefused, match="3 workers ended while they got ready for it, the last one was ended by SIG"
        ):
            await supervisor.serve(encoded(version=2, die=0))
        await came_true(lambda: caplog.text.count("worker 0 serves again") == 3)
        assert versions() == [1, 1]


async def test_a_task_that_is_called_off_leaves_what_all_serve(
    make: Made, versions: Callable[[], list[int]], tmp_path: Path
) -> None:
    """A worker that hangs over it is withdrawn from it, and the next task is served by all."""
    supervisor, gate, opened = make(), tmp_path / "gate", tmp_path / "gate.open"
    async with running(supervisor, version=1):
        serving = asyncio.create_task(supervisor.serve(encoded(version=2, gate=str(gate))))
        await came_true(gate.exists)
        serving.cancel()
        await asyncio.wait([serving])
        assert serving.cancelled()
        assert versions() == [1, 1]
        opened.touch()
        assert await supervisor.serve(encoded(version=3)) == "version 3 by 2"
        assert versions() == [3, 3]


async def test_workers_are_not_waited_for_for_ever(make: Made, versions: Callable[[], list[int]]) -> None:
    """One that is well but never ready, or that cannot start, is no reason to know nothing for ever."""
    supervisor = make(ready_timeout=5)
    async with running(supervisor, version=1):
        supervisor._ready_timeout = 0.3
        with pytest.raises(RolloutRefused, match=r"not all workers were ready for it within 0\.3 s"):
            await supervisor.serve(encoded(version=2, gate="/nonexistent/folder/gate"))
        assert versions() == [1, 1]


async def test_it_is_too_late_to_call_off_what_all_were_told_to_serve(make: Made) -> None:
    """Then it is what is served, though a replacement may still be on its way."""
    supervisor = make()
    async with running(supervisor, version=1):
        serving = asyncio.create_task(supervisor.serve(encoded(version=2)))
        await came_true(lambda: supervisor._committed is not None and supervisor._committed.number == 2)
        serving.cancel()
        await asyncio.wait([serving])
        assert not serving.cancelled()
        assert serving.result()


async def test_files_reach_every_worker_replacements_too(
    make: Made, pids: Callable[[], list[int]], tmp_path: Path
) -> None:
    """Also when who has handed them over has closed its own, and their names are gone."""
    supervisor, path, seen = make(), tmp_path / "file", tmp_path / "seen"
    async with running(supervisor, version=1):
        path.write_text("forest")
        descriptor = os.open(path, os.O_RDONLY)
        path.unlink()
        await supervisor.serve(encoded(version=2, note=str(seen)), [descriptor])
        notes = [tmp_path / f"seen{index}" for index in (0, 1)]
        assert [note.read_text() for note in notes] == ["forest", "forest"]
        notes[0].unlink()
        killed = pids()[0]
        os.kill(killed, signal.SIGKILL)
        await came_true(lambda: notes[0].exists() and notes[0].read_text() == "forest")


async def test_news_reach_every_worker_and_a_look_reaches_the_supervisor(make: Made, tmp_path: Path) -> None:
    """Each worker knows what was said last, and may say that somebody wants a look to be taken."""
    supervisor, looks = make(), []
    supervisor.on_refresh = lambda: looks.append(1)
    async with running(supervisor, version=1, refresh=1, tell=str(tmp_path / "news")):
        supervisor.inform(b'{"update_error":"none"}')
        files = [tmp_path / f"news{index}" for index in (0, 1)]
        await came_true(lambda: all(file.exists() and file.read_bytes() for file in files))
        assert [file.read_bytes() for file in files] == [b'{"update_error":"none"}'] * 2
        await came_true(lambda: looks == [1])


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
