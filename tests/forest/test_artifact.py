"""The file of a compiled forest: what is written is read, and nothing else is."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest import CompiledEngine, compile_forest
from forest.artifact import FORMAT, MAGIC, BadArtifact, Origin, Parity, read, write
from tests.forest.conftest import Written
from tests.forest.files.tampering import ALIGNMENT, ARRAYS, PREFIX, header, header_end, sections
from tests.forest.forests import PLANS, Grown, Plan, assert_same, grow


@given(PLANS, st.integers(0, 2**32 - 1))
def test_a_forest_read_from_a_file_predicts_the_same_bits(scratch: Path, plan: Plan, seed: int) -> None:
    """Whatever the forest, what is loaded predicts as scikit-learn does, and holds the numbers that were written."""
    grown = grow(plan)
    arrays = compile_forest(grown.estimator)
    path = scratch / "any.forest"
    write(path, arrays, Origin("any"), Parity(rows=1, different=0))
    rows = grown.rows(20, seed)
    assert_same(CompiledEngine.load(path).predict(rows), grown.estimator, rows)
    for name in ARRAYS:
        found, expected = getattr(read(path).arrays, name), getattr(arrays, name)
        assert found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()


def test_all_that_is_told_of_a_forest_is_kept(tiny: Grown, tmp_path: Path) -> None:
    """Names, classes, numbers, origin and parity come back as they were given, with the libraries' versions."""
    arrays = compile_forest(tiny.estimator, columns=["Größe", 'a "b"', ""])
    path = tmp_path / "told.forest"
    write(path, arrays, Origin("models:/Ä", "12"), Parity(rows=5, different=2))
    artifact = read(path)
    assert artifact.arrays.columns == ("Größe", 'a "b"', "")
    assert artifact.arrays.classes is not None
    assert artifact.arrays.classes.tolist() == [0, 1, 2]
    assert artifact.arrays.classes.dtype == tiny.estimator.classes_.dtype
    assert artifact.arrays.key_bits == arrays.key_bits
    assert (artifact.arrays.nodes, artifact.arrays.depth) == (arrays.nodes, arrays.depth)
    assert artifact.header.columns == ["Größe", 'a "b"', ""]
    assert artifact.header.origin == Origin("models:/Ä", "12")
    assert artifact.header.parity == Parity(rows=5, different=2)
    assert artifact.header.versions == {name: version(name) for name in ("canopy-serve", "scikit-learn", "numpy")}
    assert artifact.size == path.stat().st_size


@pytest.mark.parametrize(
    ("parity", "passed"),
    [
        pytest.param(Parity(rows=5, different=0), True, id="all-equal"),
        pytest.param(Parity(rows=5, different=1), False, id="one-differs"),
        pytest.param(Parity(rows=0, different=0), False, id="nothing-compared"),
    ],
)
def test_parity_has_passed_if_something_was_compared_and_nothing_differed(
    parity: Parity,
    passed: bool,
) -> None:
    """A comparison of no rows proves nothing."""
    assert parity.passed is passed


def test_the_file_is_laid_out_as_described(written: Written) -> None:
    """Each array stands at a multiple of a cache line, up to the end, behind a header with a name and a format."""
    assert written.content[:8] == MAGIC
    assert int.from_bytes(written.content[8:12], "little") == FORMAT
    found = sections(written.content)
    assert found["base"].stop == len(written.content)
    for name in ARRAYS:
        assert found[name].start % ALIGNMENT == 0
        assert written.content[found[name].start : found[name].stop] == getattr(written.arrays, name).tobytes()


def test_two_writes_of_a_forest_give_the_same_bytes(written: Written, tmp_path: Path) -> None:
    """Nothing in the file is of the moment."""
    write(tmp_path / "again", written.arrays, Origin("tiny", "7"), Parity(rows=12, different=0))
    assert (tmp_path / "again").read_bytes() == written.content


def test_what_is_read_cannot_be_changed(written: Written) -> None:
    """The arrays are views of a copy of the file, and refuse to be written to."""
    arrays = read(written.path).arrays
    for name in ARRAYS:
        if not getattr(arrays, name).size:  # there is nothing to change
            continue
        assert not getattr(arrays, name).flags.writeable
        assert not getattr(arrays, name).flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            getattr(arrays, name)[...] = 0


def test_a_loaded_forest_outlives_its_file(written: Written, tiny: Grown, tmp_path: Path) -> None:
    """Who has loaded a forest is not disturbed when the file is replaced or removed."""
    path = tmp_path / "short-lived.forest"
    path.write_bytes(written.content)
    engine = CompiledEngine.load(path)
    other = replace(written.arrays, leaves=np.ascontiguousarray(written.arrays.leaves[:, ::-1]))
    write(path, other, Origin("other"), Parity(rows=0, different=0))
    assert_same(engine.predict(tiny.matrix), tiny.estimator, tiny.matrix)
    path.unlink()
    assert_same(engine.predict(tiny.matrix), tiny.estimator, tiny.matrix)


def cut_off(path: Path) -> None:
    """Leave nothing of a file, in place."""
    os.truncate(path, 0)


def overwritten(path: Path) -> None:
    """Write something else into a file, in place, as cp and rsync --inplace do."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))


def flipped(path: Path) -> None:
    """Flip the last bit of every byte behind the header, in place."""
    content = np.fromfile(path, dtype=np.uint8)
    content[PREFIX:] ^= 1
    with path.open("r+b") as file:
        file.write(content.tobytes())


HARM = pytest.mark.parametrize("harm", [cut_off, overwritten, flipped])


@HARM
def test_a_loaded_forest_minds_no_change_of_its_file(
    written: Written, tiny: Grown, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """A file that is mapped would kill its reader when it becomes shorter, or have it answer wrongly without a word."""
    path = tmp_path / "changed.forest"
    path.write_bytes(written.content)
    engine = CompiledEngine.load(path)
    harm(path)
    assert_same(engine.predict(tiny.matrix), tiny.estimator, tiny.matrix)


@pytest.mark.parametrize("left", [0, 7, PREFIX, 200])
def test_a_file_that_becomes_shorter_while_it_is_read_is_damaged(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Whatever is left of it; the reader lives."""
    path = tmp_path / "shrinking.forest"
    path.write_bytes(written.content)
    fstat = os.fstat

    def shrink(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        os.truncate(path, left)
        return found

    monkeypatch.setattr("forest.artifact.os.fstat", shrink)
    with pytest.raises(BadArtifact, match="shrinking"):
        read(path)


@HARM
def test_a_shared_copy_is_mapped_only_if_nobody_can_change_it(
    written: Written, tiny: Grown, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """A file that is open, but has no seals, is copied like any other; the descriptor is closed."""
    path = tmp_path / "open.forest"
    path.write_bytes(written.content)
    descriptor = os.open(path, os.O_RDONLY)
    engine = CompiledEngine(read(path, descriptor).arrays)
    harm(path)
    assert_same(engine.predict(tiny.matrix), tiny.estimator, tiny.matrix)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("mask", [pytest.param(0o077, id="strict"), pytest.param(0, id="lax")])
def test_other_users_may_read_an_artifact_and_only_its_owner_may_write_it(
    written: Written, tmp_path: Path, mask: int
) -> None:
    """The permissions are 0644, whatever the process's mask."""
    before = os.umask(mask)
    try:
        write(tmp_path / "a", written.arrays, Origin("tiny"), Parity(rows=0, different=0))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_folders_on_the_way_are_made(written: Written, tmp_path: Path) -> None:
    """An artifact may be written to a folder that is not there yet."""
    path = tmp_path / "a" / "b" / "c.forest"
    write(path, written.arrays, Origin("tiny", "7"), Parity(rows=12, different=0))
    assert path.read_bytes() == written.content
    assert list(path.parent.iterdir()) == [path]


def failing(error: BaseException) -> Callable[..., Any]:
    """A function that raises."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OSError(28, "No space left on device"), id="full-disk"),
        pytest.param(KeyboardInterrupt(), id="interrupt"),
    ],
)
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        pytest.param(os, "fchmod", id="before-writing"),
        pytest.param(os, "fsync", id="after-writing"),
        pytest.param(Path, "replace", id="at-the-end"),
    ],
)
@pytest.mark.parametrize("there", [pytest.param(True, id="replacing"), pytest.param(False, id="new")])
def test_a_write_that_fails_leaves_what_was_there(
    written: Written,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    error: BaseException,
    there: bool,
) -> None:
    """The old file is whole, or there is none, and nothing else is left in the folder."""
    path = tmp_path / "a.forest"
    if there:
        path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(error))
        with pytest.raises(type(error)):
            write(path, written.arrays, Origin("tiny"), Parity(rows=0, different=0))
    assert [(each, each.read_bytes()) for each in tmp_path.iterdir()] == ([(path, b"old")] if there else [])


@pytest.mark.parametrize("at", ["a folder", "below a file"])
def test_where_no_file_can_be_nothing_is_written(written: Written, tmp_path: Path, at: str) -> None:
    """A path that is a folder, or leads through a file, raises and leaves nothing behind."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    path = {"a folder": tmp_path / "folder", "below a file": tmp_path / "file" / "a.forest"}[at]
    with pytest.raises(OSError, match=r"directory|File exists"):
        write(path, written.arrays, Origin("tiny"), Parity(rows=0, different=0))
    assert {each.name for each in tmp_path.iterdir()} == {"folder", "file"}


def lengths(content: bytes) -> list[int]:
    """Lengths to cut an artifact to: around each of its parts, and in the middle of them."""
    ends = [0, 8, 12, 16, PREFIX, *(part.stop for part in sections(content).values())]
    around = {end + step for end in ends for step in (-1, 0, 1)}
    around |= {part.start + len(part) // 2 for part in sections(content).values()}
    return sorted(length for length in around if 0 <= length < len(content))


def test_a_file_that_was_cut_off_is_refused(written: Written, tmp_path: Path) -> None:
    """Wherever it ends, the message names the file."""
    path = tmp_path / "cut.forest"
    found = lengths(written.content)
    assert len(found) > 20
    for length in found:
        path.unlink(missing_ok=True)
        path.write_bytes(written.content[:length])
        with pytest.raises(BadArtifact) as raised:
            CompiledEngine.load(path)
        assert str(raised.value).startswith(f"{path}: "), length


@pytest.mark.parametrize("more", [pytest.param(b"\0", id="byte"), pytest.param(bytes(64), id="line")])
def test_a_file_that_goes_on_is_refused(written: Written, tmp_path: Path, more: bytes) -> None:
    """What stands behind the arrays is damage too."""
    (tmp_path / "long.forest").write_bytes(written.content + more)
    with pytest.raises(BadArtifact, match=r"long\.forest: is damaged: its checksum does not fit"):
        CompiledEngine.load(tmp_path / "long.forest")


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_byte_that_changed_is_noticed(written: Written, scratch: Path, place: float, flip: int) -> None:
    """Wherever it stands, the file is refused and named."""
    check_flip(written, scratch, int(place * len(written.content)), flip)


@pytest.mark.parametrize("at", range(PREFIX))
def test_a_byte_of_the_prefix_that_changed_is_noticed(written: Written, scratch: Path, at: int) -> None:
    """The checksum does not cover these bytes; each has a check of its own."""
    for bit in range(8):
        check_flip(written, scratch, at, 1 << bit)


def check_flip(written: Written, scratch: Path, at: int, flip: int) -> None:
    """A file with some bits of one byte flipped is refused and named."""
    path = scratch / "flipped.forest"
    path.unlink(missing_ok=True)
    path.write_bytes(written.content[:at] + bytes([written.content[at] ^ flip]) + written.content[at + 1 :])
    with pytest.raises(BadArtifact) as raised:
        CompiledEngine.load(path)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "0 bytes are no compiled forest", id="empty"),
        pytest.param(b"x", "1 bytes are no compiled forest", id="one-byte"),
        pytest.param(MAGIC, "8 bytes are no compiled forest", id="name-only"),
        pytest.param(b"\x80\x04\x95" + bytes(500), "make one with `python -m forest compile`", id="pickle"),
        pytest.param(b"PK\x03\x04" + bytes(500), "make one with `python -m forest compile`", id="skops"),
        pytest.param(bytes(500), "make one with `python -m forest compile`", id="zeros"),
    ],
)
def test_a_foreign_file_is_refused_with_the_remedy(tmp_path: Path, content: bytes, message: str) -> None:
    """The message names the file and says how to make a right one, or how little is in it."""
    path = tmp_path / "foreign.forest"
    path.write_bytes(content)
    with pytest.raises(BadArtifact) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("format_", [0, FORMAT + 1, 2**32 - 1])
def test_another_format_is_refused_with_the_remedy(written: Written, tmp_path: Path, format_: int) -> None:
    """The message has both numbers and says what to do."""
    path = tmp_path / "other.forest"
    path.write_bytes(written.content[:8] + format_.to_bytes(4, "little") + written.content[12:])
    with pytest.raises(BadArtifact) as raised:
        read(path)
    assert str(raised.value) == (
        f"{path}: has format {format_}, this version of Canopy reads format {FORMAT}: compile it anew"
    )


@pytest.mark.parametrize("load", [pytest.param(read, id="read"), pytest.param(CompiledEngine.load, id="load")])
def test_what_cannot_be_read_is_no_bad_artifact(tmp_path: Path, load: Callable[[Path], object]) -> None:
    """A file that is missing, and a folder, raise the system's error."""
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)


def test_the_header_is_short(written: Written) -> None:
    """What stands before the arrays is JSON that a person can read."""
    assert header_end(written.content) < 1000
    assert header(written.content)["origin"] == {"model": "tiny", "version": "7"}


def test_arrays_of_another_layout_are_written_as_the_file_has_them(
    written: Written, tmp_path: Path, tiny: Grown
) -> None:
    """Arrays in another order of memory, or of bytes, give the same file."""

    def turned(array: NDArray[Any]) -> NDArray[Any]:
        return np.asfortranarray(array.astype(array.dtype.newbyteorder(">")))

    parts: dict[str, Any] = {name: turned(getattr(written.arrays, name)) for name in ARRAYS}
    other = replace(written.arrays, **parts)
    write(tmp_path / "turned", other, Origin("tiny", "7"), Parity(rows=12, different=0))
    assert (tmp_path / "turned").read_bytes() == written.content
    assert_same(CompiledEngine.load(tmp_path / "turned").predict(tiny.matrix), tiny.estimator, tiny.matrix)
