"""What comes between a version that is prepared and one that is served."""

import asyncio
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from registry import CacheUnusable, ModelVersion, Prepared, TooLarge, UnusableModel
from registry.caching.cache import Cache
from tests.helpers.support import COLUMNS, until
from workers import share_file
from workers.serving import delivery
from workers.serving.delivery import Delivery


class Server:
    """Notes what it is to serve, and can refuse it."""

    def __init__(self) -> None:
        self.served: list[Prepared] = []
        self.error: Exception | None = None
        self.shared = b""

    async def serve(self, prepared: Prepared) -> None:
        """Serve a version."""
        if self.error is not None:
            raise self.error
        if prepared.shared is not None:
            self.shared = os.pread(prepared.shared, 100, 0)
        self.served.append(prepared)


@pytest.fixture(autouse=True)
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Prepared]:
    """What is tried out; nothing really is."""
    seen: list[Prepared] = []

    async def note(prepared: Prepared, **_: object) -> None:
        seen.append(prepared)

    monkeypatch.setattr(delivery, "try_out", note)
    return seen


def deliver_to(server: Server, *, left: float = math.inf, share: bool = True, limit: float = 60) -> Delivery:
    """A delivery."""
    return Delivery(
        server.serve,
        max_batch_rows=10,
        log_level="error",
        limit=limit,
        memory_left=lambda: left,
        share=share_file if share else None,
    )


def entry(tmp_path: Path, number: str, engine: str = "pyfunc") -> Prepared:
    """An entry of the cache."""
    with Cache(tmp_path / "cache").hold(f"Odd/{number}-0") as draft:
        prepared = Prepared(ModelVersion("Odd", number), engine, draft.folder, COLUMNS)  # type: ignore[arg-type]
        if engine == "compiled":
            prepared.artifact.write_bytes(b"forest" * 1_000_000)
        else:
            prepared.model.mkdir()
            (prepared.model / "MLmodel").write_text(number)
        return draft.publish(prepared)


async def test_a_version_with_code_is_served_from_the_copy_that_was_tried_out(
    tmp_path: Path, tried: list[Prepared]
) -> None:
    """It lasts as long as it serves, and a little longer; then it goes, and nothing of the cache with it."""
    server = Server()
    deliver = deliver_to(server)
    entries = [entry(tmp_path, number) for number in "1234"]
    for each in entries:
        await deliver(each)
    assert server.served == tried
    folders = [each.folder for each in tried]
    assert len(set(folders)) == 4
    assert [(folder / "model" / "MLmodel").read_text() for folder in folders[2:]] == ["3", "4"]
    until(lambda: not folders[0].exists() and not folders[1].exists())
    assert all((each.model / "MLmodel").exists() for each in entries)


async def test_a_compiled_forest_is_neither_tried_nor_copied_by_name(tmp_path: Path, tried: list[Prepared]) -> None:
    """Workers get a copy without a name; a worker that is alone makes its own."""
    server, made = Server(), entry(tmp_path, "1", "compiled")
    await deliver_to(server)(made)
    assert server.shared == (b"forest" * 100)[:100]
    assert replace(server.served[0], shared=None) == made
    await deliver_to(server, share=False)(made)
    assert server.served[1] == made
    assert tried == []


async def test_a_forest_for_which_there_is_no_room_is_refused_in_words(tmp_path: Path) -> None:
    """Before the kernel kills somebody for it."""
    server, made = Server(), entry(tmp_path, "1", "compiled")
    with pytest.raises(TooLarge, match="Odd/1 needs 5 MB of memory beside what is served, and 3 MB are left"):
        await deliver_to(server, left=3 << 20)(made)
    assert server.served == []


async def test_what_is_refused_leaves_nothing_behind(tmp_path: Path, tried: list[Prepared]) -> None:
    """The next is not the worse for it."""
    server = Server()
    deliver = deliver_to(server)
    server.error = UnusableModel("no")
    with pytest.raises(UnusableModel, match="no"):
        await deliver(entry(tmp_path, "1"))
    until(lambda: not tried[0].folder.exists())
    server.error = None
    await deliver(entry(tmp_path, "2"))
    assert [each.version.number for each in server.served] == ["2"]


async def test_a_disk_that_hangs_is_told_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And asked no second time while it does."""
    calls = []

    def hang(*_: object) -> None:
        calls.append(1)
        time.sleep(2)

    monkeypatch.setattr(delivery, "own_copy", hang)
    deliver, made = deliver_to(Server(), limit=0.1), entry(tmp_path, "1")
    for _ in range(3):
        with pytest.raises(CacheUnusable, match=r"Odd/1 was not read within 0\.1 s from"):
            await deliver(made)
    assert calls == [1]
    await asyncio.sleep(0)
