"""The supervisor, as a worker sees it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from workers import Channel, SupervisorClient
from workers.channel import CancelRollout, CommitRollout, PrepareRollout, Ready


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[tuple[Channel, SupervisorClient]]:
    """The supervisor's end of a channel, and what listens at the other."""
    ours, theirs = (Channel(end.detach()) for end in Channel.pair())
    client = SupervisorClient(theirs)
    attending = asyncio.create_task(client.attend(lambda _: None))
    yield ours, client
    attending.cancel()
    ours.close()
    theirs.close()


def preparation(number: int, *files: int) -> PrepareRollout:
    """A task that is its number."""
    return PrepareRollout(number, msgspec.Raw(str(number).encode()), files)


async def test_a_task_is_called_off_while_the_worker_gets_ready(pair: tuple[Channel, SupervisorClient]) -> None:
    """Whoever hangs over it can go on with the next; one that all serve is never called off."""
    ours, client = pair
    ours.push(preparation(1))
    assert await client.task() == (b"1", ())
    waiting = asyncio.create_task(client.called_off())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    ours.push(CancelRollout(1))
    await asyncio.wait_for(waiting, 10)
    for message in (preparation(2), CommitRollout(2)):
        ours.push(message)
    assert await client.task() == (b"2", ())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.called_off(), 0.05)
    assert await client.agree()
    assert await ours.receive() == Ready(2)


async def test_what_was_called_off_before_it_was_begun_is_not_begun(
    pair: tuple[Channel, SupervisorClient], tmp_path: Path
) -> None:
    """Its files are closed."""
    ours, client = pair
    path = tmp_path / "file"
    path.touch()
    before = _open_files()
    with path.open() as file:
        for message in (preparation(1, file.fileno()), CancelRollout(1), preparation(2)):
            ours.push(message)
        assert await client.task() == (b"2", ())
    assert _open_files() == before


def _open_files() -> int:
    found = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - not a folder of ours
        with suppress(OSError):
            os.fstat(int(name))
            found += 1
    return found
