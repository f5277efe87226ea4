"""The folder of prepared models, alone."""

import errno
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from preprocessing import covertype
from registry import CacheUnusable, Columns, ModelVersion, Preparation, Prepared, read_stated
from registry.caching.cache import Cache, key
from registry.caching.entry_builder import RECORD
from registry.opening import kernel
from tests.helpers.support import COLUMNS
from tests.registry.support import way

ACCESS = way("http://tracking.invalid")
VERSION = ModelVersion("Forest", "3", "models:/m-1", 5)
REVERSED = Columns(covertype.SCHEMA, tuple(range(53, -1, -1)), "assumed")
KEY = key(VERSION, ACCESS, Preparation())


def made(cache: Cache, key: str = KEY, content: bytes = b"trees") -> Prepared:
    """An entry."""
    with cache.hold(key) as draft:
        prepared = Prepared(VERSION, "compiled", draft.folder, REVERSED, warning="slow")
        prepared.artifact.write_bytes(content)
        return draft.publish(prepared)


def test_what_was_made_is_found(tmp_path: Path) -> None:
    """An entry is found with all that was said of it, by its key alone, and nothing else is left in the folder."""
    cache = Cache(tmp_path)
    assert cache.find(KEY) is None
    entry = made(cache)
    assert entry == Prepared(VERSION, "compiled", tmp_path / KEY, REVERSED, warning="slow")
    assert len(entry.warnings) == 2
    assert cache.find(KEY) == entry
    assert cache.find(key(VERSION, ACCESS, Preparation("sklearn"))) is None
    assert entry.artifact.read_bytes() == b"trees"
    left = sorted(path.name for path in entry.folder.parent.iterdir())
    assert left == [f".{entry.folder.name}.lock", entry.folder.name]


def test_who_asks_does_not_matter() -> None:
    """The same version has one key, whatever the credentials."""
    assert key(VERSION, way("http://user:secret@tracking.invalid"), Preparation()) == KEY


def test_whatever_makes_other_files_has_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Server, name, number, source, time, engine, trust, stated columns and kernel are all in the key."""
    others = [
        key(VERSION, way("http://elsewhere"), Preparation()),
        key(ModelVersion("Wood", "3", "models:/m-1", 5), ACCESS, Preparation()),
        key(ModelVersion("Forest", "4", "models:/m-1", 5), ACCESS, Preparation()),
        key(ModelVersion("Forest", "3", "models:/m-2", 5), ACCESS, Preparation()),
        key(ModelVersion("Forest", "3", "models:/m-1", 6), ACCESS, Preparation()),
        key(VERSION, ACCESS, Preparation("sklearn")),
        key(VERSION, ACCESS, Preparation(formats="skops")),
        key(VERSION, ACCESS, Preparation(others="serve")),
        key(VERSION, ACCESS, Preparation(stated=read_stated("covertype"))),
        key(VERSION, ACCESS, Preparation(stated=read_stated("covertype-uci"))),
    ]
    monkeypatch.setattr(kernel, "built", lambda: False)
    assert len({KEY, key(VERSION, ACCESS, Preparation()), *others}) == len(others) + 2


@pytest.mark.parametrize("name", ["..", ".resolved", "a b", "Förest", "x" * 300, "50%"])
def test_any_name_of_a_model_is_a_folder_in_the_cache(tmp_path: Path, name: str) -> None:
    """Names that a file system would take for something else, or not at all, lead to an entry like any other."""
    cache = Cache(tmp_path)
    entry = made(cache, key(ModelVersion(name, "1"), ACCESS, Preparation()))
    assert entry.folder.parent.parent == tmp_path
    assert not entry.folder.parent.name.startswith(".")


def truncate(entry: Prepared) -> None:
    """Cut the artifact short."""
    entry.artifact.write_bytes(b"tre")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(truncate, id="truncated"),
        pytest.param(lambda entry: entry.artifact.unlink(), id="artifact-gone"),
        pytest.param(lambda entry: (entry.folder / RECORD).unlink(), id="record-gone"),
        pytest.param(lambda entry: (entry.folder / RECORD).write_bytes(b""), id="record-empty"),
        pytest.param(lambda entry: (entry.folder / RECORD).write_text('{"files": 1}'), id="record-odd"),
    ],
)
def test_an_entry_that_is_not_whole_is_replaced(tmp_path: Path, spoil: Callable[[Prepared], object]) -> None:
    """What a failing disk or a curious hand has left is not found, and the next to prepare it puts a new one there."""
    cache = Cache(tmp_path)
    spoil(made(cache))
    assert cache.find(KEY) is None
    entry = made(cache, content=b"new trees")
    assert cache.find(KEY) == entry
    assert entry.artifact.read_bytes() == b"new trees"


def test_an_entry_stays_until_another_takes_its_place(tmp_path: Path) -> None:
    """Others may be opening it; who has a file of it open keeps that, and nothing else is left of it."""
    cache = Cache(tmp_path)
    old = made(cache)
    with old.artifact.open("rb") as opened:
        with cache.hold(KEY) as draft:
            new = Prepared(VERSION, "compiled", draft.folder, COLUMNS)
            new.artifact.write_bytes(b"new trees")
            assert cache.find(KEY) == old
            draft.publish(new)
        assert opened.read() == b"trees"
    assert old.artifact.read_bytes() == b"new trees"
    assert len(list(old.folder.parent.iterdir())) == 2


def test_an_entry_that_is_older_than_wanted_is_none(tmp_path: Path) -> None:
    """When it was last asked for does not matter."""
    cache = Cache(tmp_path)
    entry = made(cache)
    os.utime(entry.folder / RECORD, (1000, 1000))
    assert cache.find(KEY, 1000) == entry
    assert cache.find(KEY, 1001) is None


def test_files_that_loading_adds_do_no_harm(tmp_path: Path) -> None:
    """Byte code of a model's own modules, written when it is loaded, does not make an entry another one."""
    entry = made(Cache(tmp_path))
    (entry.folder / "model.pyc").touch()
    assert Cache(tmp_path).find(KEY) == entry


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_what_fails(tmp_path: Path, error: type[BaseException]) -> None:
    """An exception passes and the half-made entry goes."""
    cache = Cache(tmp_path)

    def fail() -> None:
        with cache.hold(KEY) as draft:
            (draft.folder / "half").touch()
            raise error

    with pytest.raises(error):
        fail()
    assert cache.find(KEY) is None
    assert [path.suffix for path in (tmp_path / KEY).parent.iterdir()] == [".lock"]


def test_what_a_killed_process_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    """Half-made entries of the same key go; those of other keys stay, for somebody may be at work on them."""
    cache, place = Cache(tmp_path), tmp_path / KEY
    left, other = place.with_name(f".{place.name}.abc"), place.with_name(".4-other.abc")
    for folder in (left, other):
        folder.mkdir(parents=True)
        (folder / "half").touch()
    made(cache)
    assert not left.exists()
    assert other.exists()


def test_what_a_killed_process_left_is_cleared_by_pruning_too(tmp_path: Path) -> None:
    """Half-made entries that nobody is at work on go when another is made; one that somebody holds stays."""
    cache, other = Cache(tmp_path), key(VERSION, ACCESS, Preparation("sklearn"))
    made(cache)
    left = (tmp_path / KEY).with_name(f".{(tmp_path / KEY).name}.abc")
    left.mkdir()
    with cache.hold(other) as draft:
        cache.prune()
        assert draft.folder.exists()
    assert not left.exists()
    assert cache.find(KEY) is not None


def test_where_there_are_no_locks_it_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without locks entries are made all the same, and what others are at work on is left alone."""

    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("registry.caching.lock.fcntl.flock", refuse)
    place = tmp_path / KEY
    at_work = place.with_name(f".{place.name}.abc")
    at_work.mkdir(parents=True)
    entry = made(Cache(tmp_path))
    assert Cache(tmp_path).find(KEY) == entry
    assert at_work.exists()


def test_an_entry_can_be_discarded(tmp_path: Path) -> None:
    """What turned out to be unusable is not found again; discarding it twice is no error."""
    cache = Cache(tmp_path)
    entry = made(cache)
    cache.discard(entry)
    cache.discard(entry)
    assert cache.find(KEY) is None
    assert not entry.folder.exists()


def test_what_nobody_asks_for_goes_after_thirty_days(tmp_path: Path) -> None:
    """Old entries and what was left half-made go; an entry that was found lately stays, however old it is."""
    cache = Cache(tmp_path)
    old, used = made(cache), made(cache, key(VERSION, ACCESS, Preparation("compiled")))
    month = time.time() - 31 * 86_400
    left = old.folder.with_name(".9-left.abc")
    left.mkdir()
    for folder in (old.folder, used.folder, left):
        os.utime(folder, (month, month))
    cache.find(key(VERSION, ACCESS, Preparation("compiled")))
    cache.prune()
    assert not old.folder.exists()
    assert not left.exists()
    assert used.artifact.exists()


# Disks.


def run(*command: str) -> bool:
    """Run one of the system's commands; whether it has succeeded."""
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.getuid() != 0 or not run("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)):
        pytest.skip("only root can make a file system")
    try:
        yield folder
    finally:
        run("umount", str(folder))


def test_a_full_disk_is_told(disk: Path) -> None:
    """No space raises CacheUnusable with the folder and what to do, and the space that was taken is given back."""
    cache = Cache(disk)
    with pytest.raises(CacheUnusable, match=rf"{disk} cannot be used: No space left.*free space.*CANOPY_CACHE"):
        made(cache, content=bytes(1 << 20))
    assert made(cache) == cache.find(KEY)


def test_a_folder_that_may_only_be_read_serves_what_is_in_it(disk: Path) -> None:
    """Entries are found, and what would have to be written raises CacheUnusable with what to do."""
    cache = Cache(disk)
    entry = made(cache)
    run("mount", "-o", "remount,ro", str(disk))
    assert cache.find(KEY) == entry
    with pytest.raises(CacheUnusable, match=r"Read-only file system; allow this user to write there"):
        made(cache, key(VERSION, ACCESS, Preparation("sklearn")))
    with pytest.raises(CacheUnusable, match="Read-only"):
        cache.discard(entry)
    cache.prune()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way raises CacheUnusable with the folder's name."""
    (tmp_path / "file").touch()
    with pytest.raises(CacheUnusable, match=f"{tmp_path / 'file' / 'cache'} cannot be used: Not a directory"):
        made(Cache(tmp_path / "file" / "cache"))


def test_the_kernel_is_found_without_importing_it() -> None:
    """Asking whether it is built gives the answer that importing it would."""
    from forest.native.extensions import native

    native()
    assert kernel.built()
