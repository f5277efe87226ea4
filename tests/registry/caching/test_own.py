"""A server's own copy of a version's files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from registry import CacheUnusable, ModelVersion, Prepared, UnusableModel
from registry.caching.cache import Cache
from registry.caching.entry_builder import RECORD
from registry.caching.own import own_copy
from tests.helpers.support import COLUMNS

VERSION = ModelVersion("Odd", "3")


@pytest.fixture
def entry(tmp_path: Path) -> Prepared:
    """An entry of the cache for pyfunc."""
    with Cache(tmp_path / "cache").hold("Odd/3-0") as draft:
        prepared = Prepared(VERSION, "pyfunc", draft.folder, COLUMNS)
        (prepared.model / "data").mkdir(parents=True)
        (prepared.model / "MLmodel").write_text("flavors: none")
        (prepared.model / "data" / "weights").write_bytes(bytes(range(256)) * 9000)
        return draft.publish(prepared)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the copy goes."""
    made = tmp_path / "own"
    made.mkdir()
    return made


def test_a_copy_has_all_files_and_minds_nothing_that_happens_to_the_entry(entry: Prepared, folder: Path) -> None:
    """Byte code that loading has added is not among them."""
    (entry.model / "data" / "model.pyc").touch()
    content = (entry.model / "data" / "weights").read_bytes()
    own = own_copy(entry, folder)
    for path in (entry.model / "data" / "weights", entry.model / "MLmodel"):
        os.truncate(path, 0)
    assert own == Prepared(VERSION, "pyfunc", folder, COLUMNS)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "model/MLmodel",
        "model/data/weights",
    ]
    assert (own.model / "data" / "weights").read_bytes() == content


def flip(entry: Prepared) -> None:
    """Change a byte, but no size."""
    with (entry.model / "data" / "weights").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"!")


def replaced(entry: Prepared) -> None:
    """Put another version's entry in the place."""
    record = entry.folder / RECORD
    record.write_text(record.read_text().replace('"number":"3"', '"number":"4"'))


def leading_out(entry: Prepared) -> None:
    """Have the record name a file elsewhere."""
    record = entry.folder / RECORD
    record.write_text(record.read_text().replace("model/MLmodel", "../../MLmodel"))


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        pytest.param(flip, "weights is damaged: its checksum does not fit", id="flipped"),
        pytest.param(lambda entry: os.truncate(entry.model / "data" / "weights", 9), "checksum", id="cut-off"),
        pytest.param(lambda entry: (entry.model / "MLmodel").unlink(), "No such file", id="gone"),
        pytest.param(lambda entry: (entry.folder / RECORD).unlink(), "No such file", id="record-gone"),
        pytest.param(lambda entry: (entry.folder / RECORD).write_text("{}"), "version", id="record-spoilt"),
        pytest.param(replaced, "it is about Odd/4 for pyfunc", id="replaced"),
        pytest.param(leading_out, "it leads to", id="leading-out"),
    ],
)
def test_what_is_not_as_it_was_prepared_is_refused(
    entry: Prepared, folder: Path, harm: Callable[[Prepared], object], reason: str
) -> None:
    """It could be loaded, and answer wrongly, without a word."""
    harm(entry)
    with pytest.raises(UnusableModel, match=reason) as raised:
        own_copy(entry, folder)
    assert str(raised.value).startswith("Odd/3 cannot be loaded: ")


def test_a_full_disk_is_not_the_versions_fault(entry: Prepared, tmp_path: Path) -> None:
    """The remedy is told."""
    with pytest.raises(CacheUnusable, match="TMPDIR"):
        own_copy(entry, tmp_path / "cache" / "Odd" / "3-0" / "model" / "MLmodel")
