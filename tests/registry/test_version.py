import msgspec
import pytest

from forest import artifact
from registry import ModelVersion
from registry.version import FORMAT, CompiledArtifactRef, read_tag

GOOD = {"path": "canopy/forest.canopy", "format": 1, "sha256": "0" * 64, "size": 10}


def test_the_format_is_that_of_the_forest() -> None:
    """The number that stands here so that nobody has to import numpy is the one that artifacts have."""
    assert FORMAT == artifact.FORMAT


def test_versions_are_equal_if_they_are_the_same_files() -> None:
    """A tag that comes later makes no other version; a number that is given anew does."""
    version = ModelVersion("Forest", "3", "models:/m-1", 5)
    assert version == ModelVersion(
        "Forest", "3", "models:/m-1", 5, compiled=read_tag("", msgspec.json.encode(GOOD).decode())
    )
    assert version != ModelVersion("Forest", "3", "models:/m-2", 6)
    assert (str(version), version.uri) == ("Forest/3", "models:/Forest/3")


def test_a_tag_is_read() -> None:
    """What training has written is understood, with fields that a later version may add."""
    text = msgspec.json.encode(GOOD | {"columns": 54}).decode()
    assert read_tag("Forest/3", text) == CompiledArtifactRef("canopy/forest.canopy", 1, "0" * 64, 10)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"path": "/etc/passwd"}, id="absolute"),
        pytest.param({"path": "../forest.canopy"}, id="upwards"),
        pytest.param({"path": "canopy/../../forest.canopy"}, id="upwards-from-within"),
        pytest.param({"path": "canopy/.."}, id="upwards-at-the-end"),
        pytest.param({"path": ""}, id="no-path"),
        pytest.param({"sha256": "0" * 63}, id="short-checksum"),
        pytest.param({"size": 0}, id="empty"),
        pytest.param({"format": "one"}, id="odd-format"),
    ],
)
def test_a_tag_that_leads_astray_is_ignored(change: dict[str, object]) -> None:
    """A path out of the artifacts, or values that no file has, are no tag."""
    assert read_tag("Forest/3", msgspec.json.encode(GOOD | change).decode()) is None
