import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from workers.channel import Alive, Channel, Failed, Message, PrepareRollout, Serving


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """Both ends of a channel."""
    one, other = (Channel(end.detach()) for end in Channel.pair())
    yield one, other
    one.close()
    other.close()


async def test_messages_arrive_as_they_were_sent(ends: tuple[Channel, Channel]) -> None:
    """Each by itself and in order, however fast they come."""
    messages: list[Message] = [
        PrepareRollout(1, msgspec.Raw(b'{"folder":"/x"}')),
        Serving(1, "a forest"),
        Alive(),
        Failed(2, "it's spoilt: “é”" * 1000),
    ]
    for message in messages:
        await ends[0].send(message)
    assert [await ends[1].receive() for _ in messages] == messages


async def test_one_end_may_finish_and_still_listen(ends: tuple[Channel, Channel]) -> None:
    """The other hears that nothing more comes, and can answer."""
    ends[0].finish()
    assert await ends[1].receive() is None
    await ends[1].send(Alive())
    assert await ends[0].receive() == Alive()


async def test_the_end_of_the_other_is_heard(ends: tuple[Channel, Channel]) -> None:
    """Also by one who waits already, and if the other has not read all; what is said to nobody does no harm."""
    await ends[0].send(Alive())
    waiting = asyncio.create_task(ends[0].receive())
    await asyncio.sleep(0)
    ends[1].close()
    assert await waiting is None
    ends[0].push(Alive())
    await ends[0].send(Alive())
    ends[0].finish()
    assert await ends[0].receive() is None


def test_an_offer_never_waits(ends: tuple[Channel, Channel]) -> None:
    """Where nobody reads, it is dropped, again and again."""
    for _ in range(10_000):
        ends[0].push(Alive())


async def test_files_go_along_with_an_offer(ends: tuple[Channel, Channel], tmp_path: Path) -> None:
    """They are open in both processes then, in each by a descriptor of its own."""
    path = tmp_path / "file"
    path.write_text("forest")
    with path.open("rb") as file:
        assert ends[0].push(PrepareRollout(1, msgspec.Raw(b"{}"), (file.fileno(),)))
        message = await ends[1].receive()
        assert isinstance(message, PrepareRollout)
        (descriptor,) = message.files
        assert descriptor != file.fileno()
        assert not os.get_inheritable(descriptor)
    with os.fdopen(descriptor) as received:
        assert received.read() == "forest"
