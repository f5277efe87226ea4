"""A model in a folder, without a registry."""

import shutil
from pathlib import Path

import pytest

from registry import ModelNotFound, ModelURI, UnusableModel
from registry.preparing.folder import copy_model, version_in
from registry.uri import folder_uri


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as MLflow saves one, as far as it is looked at here."""
    folder = tmp_path / "models"
    (folder / "canopy").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "model.skops").write_bytes(b"trees")
    return folder


def uri(folder: Path) -> ModelURI:
    """The folder's address."""
    return ModelURI.parse(folder_uri(str(folder)))


def test_a_version_is_its_files(folder: Path) -> None:
    """Equal files are one version wherever they lie; another byte, or another name, is another version."""
    first = version_in(uri(folder))
    assert first.name == "models"
    assert first.uri == folder_uri(str(folder))
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    assert version_in(uri(copy)).number == first.number
    (copy / "model.skops").write_bytes(b"tree!")
    other = version_in(uri(copy)).number
    (copy / "model.skops").rename(copy / "model.pkl")
    assert len({first.number, other, version_in(uri(copy)).number}) == 3


def test_what_a_volume_has_of_its_own_is_no_part_of_a_version(folder: Path) -> None:
    """Neither ext4's folder, nor what Kubernetes keeps there."""
    before = version_in(uri(folder)).number
    for name in ("lost+found", "..2026_11_26"):
        (folder / name).mkdir()
        (folder / name / "file").write_text("no model's")
    version = version_in(uri(folder))
    assert version.number == before
    copy_model(version, folder.parent / "copy")
    assert sorted(path.name for path in (folder.parent / "copy").iterdir()) == ["MLmodel", "canopy", "model.skops"]


def test_files_that_change_while_they_are_copied_are_refused(folder: Path) -> None:
    """What is served is what the version's number says."""
    version = version_in(uri(folder))
    (folder / "model.skops").write_bytes(b"tree!")
    with pytest.raises(UnusableModel, match="changed while they were copied"):
        copy_model(version, folder.parent / "copy")


def test_a_folder_without_a_model_says_what_is_there(folder: Path) -> None:
    """The remedy is the folder that has one, if one lies below."""
    with pytest.raises(ModelNotFound, match="models in it has: name that folder"):
        version_in(uri(folder.parent))
    (folder / "MLmodel").unlink()
    with pytest.raises(ModelNotFound, match=r"but canopy, model.skops: name a folder that MLflow has saved"):
        version_in(uri(folder))
    with pytest.raises(ModelNotFound, match="see whether it is mounted there"):
        version_in(uri(folder / "nothing"))


@pytest.mark.parametrize("content", [pytest.param(b"", id="empty"), pytest.param(b"short", id="cut-off")])
def test_a_compiled_forest_that_is_none_is_left_out(folder: Path, content: bytes) -> None:
    """The model beside it is compiled instead."""
    (folder / "canopy" / "forest.canopy").write_bytes(content)
    assert version_in(uri(folder)).compiled is None
