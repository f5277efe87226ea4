"""Threads that may be left behind."""

import asyncio
import threading

import pytest

from workers.threads import Errands, LeftBehind


async def test_a_call_in_a_thread_returns_or_raises() -> None:
    """What it returns or raises is its caller's."""
    errands = Errands()
    assert await errands.run(lambda: 3, 10) == 3
    with pytest.raises(ZeroDivisionError):
        await errands.run(lambda: 1 // 0, 10)
    assert await errands.run(threading.current_thread, None) is not threading.main_thread()


@pytest.mark.parametrize("end", [pytest.param("late", id="over-its-limit"), pytest.param("cancel", id="given-up")])
async def test_a_call_that_hangs_is_left_behind_and_no_other_begun_until_it_ends(end: str) -> None:
    """However often it is tried, one thread hangs; afterwards all is as before."""
    errands, release, begun = Errands(), threading.Event(), []

    def hang() -> None:
        begun.append(1)
        release.wait(60)

    if end == "late":
        with pytest.raises(TimeoutError):
            await errands.run(hang, 0.05)
    else:
        call = asyncio.create_task(errands.run(hang, None))
        while not begun:  # noqa: ASYNC110 - it begins in a thread
            await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.wait([call])
    for _ in range(20):
        with pytest.raises(LeftBehind):
            await errands.run(hang, 0.05)
    assert len(begun) == 1
    release.set()
    while True:
        try:
            assert await errands.run(lambda: 5, 10) == 5
        except LeftBehind:
            await asyncio.sleep(0.001)
        else:
            break


async def test_several_may_hang_but_each_name_only_once() -> None:
    """Up to the most that there may be."""
    errands, release = Errands(2), threading.Event()
    for name in ("a", "b"):
        with pytest.raises(TimeoutError):
            await errands.run(lambda: release.wait(60), 0.05, name)
        with pytest.raises(LeftBehind):
            await errands.run(lambda: None, 10, name)
    with pytest.raises(LeftBehind):
        await errands.run(lambda: None, 10, "c")
    release.set()
