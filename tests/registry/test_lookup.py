"""Finding what is prepared already, from the process that serves."""

import shutil
from pathlib import Path

import pytest

from registry import ModelNotFound, ModelURI, StoreUnavailable
from registry.cache import Cache
from registry.lookup import last_known, look_up
from registry.recall import recall, recall_unchanged
from tests.isolation import MLFLOW_WARNS
from tests.registry.conftest import READY
from tests.registry.support import Place, prepared_in, way
from tests.support import modules_after

pytestmark = MLFLOW_WARNS

URI = ModelURI.parse(f"models:/{READY}@production")


def test_what_is_prepared_is_looked_up(place: Place, tmp_path: Path) -> None:
    """Before it is prepared there is nothing; afterwards it is found, for the same engine and trust only."""
    access, cache = way(place.tracking_uri), Cache(tmp_path)
    assert look_up(URI, access, "auto", cache) is None
    assert last_known(URI, access, "auto", cache) is None
    made = prepared_in(tmp_path, str(URI), place.tracking_uri)
    assert look_up(URI, access, "auto", cache) == made
    assert last_known(URI, access, "auto", cache) == made
    assert look_up(URI, access, "sklearn", cache) is None
    assert look_up(URI, access, "auto", cache, "skops") is None


def test_an_sqlite_store_is_asked_again_only_after_it_was_written_to(sqlite_place: Place, tmp_path: Path) -> None:
    """While the database is the same, its last answer stands; anything written to it asks for a child."""
    from mlflow import MlflowClient

    shutil.copy(sqlite_place.tracking_uri.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    access, cache = way(uri), Cache(tmp_path / "cache")
    made = prepared_in(tmp_path / "cache", str(URI), uri)
    assert look_up(URI, access, "auto", cache) == made
    MlflowClient(uri, uri).set_registered_model_alias(READY, "rival", "1")
    assert recall_unchanged(URI, access, cache) is None
    assert look_up(URI, access, "auto", cache) is None
    assert recall(URI, access, cache) == made.version
    assert last_known(URI, access, "auto", cache) == made


def test_a_registry_that_is_down_is_told_and_the_last_answer_is_known(
    server_place: Place, closed_port: int, tmp_path: Path
) -> None:
    """Looking up raises what is wrong; what was known of another registry is not taken for this one's."""
    cache = Cache(tmp_path)
    prepared_in(tmp_path, str(URI), server_place.tracking_uri)
    down = way(f"http://127.0.0.1:{closed_port}")
    with pytest.raises(StoreUnavailable):
        look_up(URI, down, "auto", cache)
    assert last_known(URI, down, "auto", cache) is None
    with pytest.raises(ModelNotFound, match="alias nobody"):
        look_up(ModelURI.parse(f"models:/{READY}@nobody"), way(server_place.tracking_uri), "auto", cache)


def test_a_note_that_cannot_be_read_or_written_is_none(sqlite_place: Place, tmp_path: Path) -> None:
    """A half-written note counts as none, and a folder that takes none does not keep a model from being prepared."""
    access, cache = way(sqlite_place.tracking_uri), Cache(tmp_path)
    prepared_in(tmp_path, str(URI), sqlite_place.tracking_uri)
    (note,) = (tmp_path / ".resolved").iterdir()
    note.write_bytes(note.read_bytes()[:-9])
    assert recall(URI, access, cache) is None
    shutil.rmtree(tmp_path / ".resolved")
    (tmp_path / ".resolved").touch()
    prepared_in(tmp_path, str(URI), sqlite_place.tracking_uri)
    assert recall(URI, access, cache) is None


def test_looking_up_imports_nothing_heavy(server_place: Place, tmp_path: Path) -> None:
    """The process that serves asks the tracking server with neither MLflow nor boto3 nor requests."""
    script = f"""
from pathlib import Path
from registry import Access, ModelURI
from registry.cache import Cache
from registry.lookup import look_up
access = Access.read({server_place.tracking_uri!r}, {{}})
assert look_up(ModelURI.parse({str(URI)!r}), access, "auto", Cache(Path({str(tmp_path)!r}))) is None
"""
    found = modules_after(script)
    assert "urllib3" in found
    assert found.isdisjoint({"mlflow", "numpy", "forest", "sklearn", "asyncio", "requests", "boto3", "botocore"})
