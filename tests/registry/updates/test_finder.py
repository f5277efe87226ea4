"""Finding versions for a server."""

import json
import math
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import registry.updates.finder
from registry import (
    CacheUnusable,
    EngineChoice,
    ModelNotFound,
    ModelURI,
    ModelVersion,
    Preparation,
    Prepared,
    Stated,
    StoreUnavailable,
    TooLarge,
    TrustedFormats,
    UnusableModel,
    read_stated,
)
from registry.caching.cache import Cache
from registry.caching.entry_builder import sizes
from registry.caching.resolution_cache import last_served, recall_unchanged
from registry.opening.engines import open_engine
from registry.updates.finder import CachedFinder
from registry.version import UNRESOLVED
from tests.conftest import ROOT
from tests.helpers.isolation import MLFLOW_WARNS
from tests.helpers.support import COLUMNS, modules_after
from tests.registry.conftest import READY
from tests.registry.stub import answering
from tests.registry.support import Place, prepared_in, spoil, way

pytestmark = MLFLOW_WARNS

URI = ModelURI.parse(f"models:/{READY}@production")


def finder(
    tracking_uri: str,
    folder: Path,
    *,
    uri: ModelURI = URI,
    choice: EngineChoice = "auto",
    formats: TrustedFormats = "any",
    stated: Stated = None,
    memory_left: float = math.inf,
    prepare_timeout: float = 300,
    look_timeout: float = 60,
) -> CachedFinder:
    """A finder that logs nothing."""
    return CachedFinder(
        uri,
        way(tracking_uri),
        Preparation(choice, formats, stated=stated),
        Cache(folder),
        memory_left=lambda: memory_left,
        log_level="error",
        prepare_timeout=prepare_timeout,
        look_timeout=look_timeout,
    )


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing start a child."""

    async def fail(*_: object, **__: object) -> None:
        raise AssertionError("a child was started")

    monkeypatch.setattr("registry.updates.finder.prepare_in_child", fail)


async def at_hand(found: CachedFinder) -> Prepared | None:
    """What a finder has without a child; None if it would start one."""
    version = await found.resolve()
    if version is UNRESOLVED:
        return None
    try:
        return await found.prepare(version)
    except AssertionError:
        return None


@pytest.mark.usefixtures("no_child")
async def test_what_is_prepared_is_found_without_a_child(place: Place, tmp_path: Path) -> None:
    """For the same engine and trust only."""
    assert await at_hand(finder(place.tracking_uri, tmp_path)) is None
    made = prepared_in(tmp_path, str(URI), place.tracking_uri)
    assert await at_hand(finder(place.tracking_uri, tmp_path)) == made
    assert await at_hand(finder(place.tracking_uri, tmp_path, choice="sklearn")) is None
    assert await at_hand(finder(place.tracking_uri, tmp_path, formats="skops")) is None


@pytest.mark.slow
async def test_what_is_prepared_for_another_order_of_columns_is_never_found(
    sqlite_place: Place, tmp_path: Path
) -> None:
    """A child is told the order that is stated; whoever states another, or none, has to prepare for himself."""
    unnamed = ModelURI.parse("models:/Unnamed/1")
    uci = read_stated("covertype-uci")
    made = await finder(sqlite_place.tracking_uri, tmp_path, uri=unnamed, stated=uci).prepare(UNRESOLVED)
    assert made.columns.known == "stated"
    assert made.columns.order is not None
    for stated, found in ((uci, made), (None, None), (read_stated("covertype"), None)):
        mine = finder(sqlite_place.tracking_uri, tmp_path, uri=unnamed, stated=stated)
        await mine.keep(made)
        assert await mine.last_known() == found


async def test_what_is_not_prepared_a_child_prepares(server_place: Place, tmp_path: Path) -> None:
    """Once: then it is found."""
    found = finder(server_place.tracking_uri, tmp_path)
    made = await found.prepare(await found.resolve())
    assert (str(made.version), made.engine) == (f"{READY}/1", "compiled")
    assert await found.prepare(await found.resolve()) == made
    await found.discard(made)
    assert not made.folder.exists()
    assert await found.prepare(await found.resolve()) == made


async def test_what_was_removed_or_spoilt_is_made_ready_again(server_place: Place, tmp_path: Path) -> None:
    """The very version that is served, whatever the URI means by now."""
    made = prepared_in(tmp_path, str(URI), server_place.tracking_uri)
    found = finder(server_place.tracking_uri, tmp_path, uri=ModelURI.parse("models:/Nobody/1"))
    for harm in (shutil.rmtree, spoil):
        harm(made.folder)
        with pytest.raises(UnusableModel):
            open_engine(made)
        await found.restore(made)
        assert open_engine(made).name == "compiled"


async def test_a_child_that_takes_too_long_is_ended(sqlite_place: Place, tmp_path: Path) -> None:
    """No version keeps the next one from being served for ever."""
    found = finder(sqlite_place.tracking_uri, tmp_path, prepare_timeout=0.2)
    with pytest.raises(UnusableModel, match=r"was not prepared within 0\.2 s"):
        await found.prepare(UNRESOLVED)


@pytest.mark.slow
async def test_a_child_has_no_more_memory_than_is_left(sqlite_place: Place, tmp_path: Path) -> None:
    """A model that must be compiled is too large then; it is not even begun."""
    found = finder(sqlite_place.tracking_uri, tmp_path, uri=ModelURI.parse("models:/Permuted/1"), memory_left=200 << 20)
    with pytest.raises(TooLarge, match="the 200 MB that are left"):
        await found.prepare(await found.resolve())


@pytest.mark.usefixtures("no_child")
async def test_an_sqlite_store_is_asked_again_only_after_it_was_written_to(sqlite_place: Place, tmp_path: Path) -> None:
    """While the database is the same, its last answer stands; anything written to it asks for a child."""
    from mlflow import MlflowClient

    shutil.copy(sqlite_place.tracking_uri.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    made = prepared_in(tmp_path / "cache", str(URI), uri)
    found = finder(uri, tmp_path / "cache")
    assert await at_hand(found) == made
    MlflowClient(uri, uri).set_registered_model_alias(READY, "rival", "1")
    assert await found.resolve() is UNRESOLVED


async def test_what_was_served_last_is_known_though_the_registry_is_down(
    server_place: Place, closed_port: int, tmp_path: Path
) -> None:
    """For its own registry and URI only, and as long as it is in the cache."""
    made = prepared_in(tmp_path, str(URI), server_place.tracking_uri)
    found = finder(server_place.tracking_uri, tmp_path)
    assert await found.last_known() is None
    await found.keep(made)
    assert await finder(server_place.tracking_uri, tmp_path).last_known() == made
    assert await finder(server_place.tracking_uri, tmp_path, uri=ModelURI.parse(made.version.uri)).last_known() is None
    down = finder(f"http://127.0.0.1:{closed_port}", tmp_path)
    assert await down.last_known() is None
    with pytest.raises(StoreUnavailable):
        await down.resolve()
    with pytest.raises(ModelNotFound, match="alias nobody"):
        await finder(server_place.tracking_uri, tmp_path, uri=ModelURI.parse(f"models:/{READY}@nobody")).resolve()
    await found.discard(made)
    assert await found.last_known() is None


async def test_a_note_that_cannot_be_read_or_written_is_none(sqlite_place: Place, tmp_path: Path) -> None:
    """A half-written note counts as none, and a folder that takes none does not keep a model from being served."""
    config, cache = way(sqlite_place.tracking_uri), Cache(tmp_path)
    made = prepared_in(tmp_path, str(URI), sqlite_place.tracking_uri)
    found = finder(sqlite_place.tracking_uri, tmp_path)
    await found.keep(made)
    known: dict[str, Any] = {".resolved": recall_unchanged, ".served": last_served}
    for kind, read in known.items():
        assert read(URI, config, cache) == made.version
        (note,) = (tmp_path / kind).iterdir()
        note.write_bytes(note.read_bytes()[:-9])
        assert read(URI, config, cache) is None
        shutil.rmtree(tmp_path / kind)
        (tmp_path / kind).touch()
    assert prepared_in(tmp_path, str(URI), sqlite_place.tracking_uri) == made
    await found.keep(made)
    assert await found.last_known() is None


def test_looking_imports_nothing_heavy(server_place: Place, tmp_path: Path) -> None:
    """The process that serves asks the tracking server with neither MLflow nor boto3."""
    script = f"""
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from registry import RegistryConfig, ModelURI, Preparation
from registry.caching.cache import Cache
from registry.caching.entry_builder import sizes
from registry.updates.finder import CachedFinder
config = RegistryConfig.read({server_place.tracking_uri!r}, {{}})
found = CachedFinder(
    ModelURI.parse({str(URI)!r}), config, Preparation(), Cache(Path({str(tmp_path)!r})),
    memory_left=lambda: 0, log_level="info", prepare_timeout=60, look_timeout=60,
)
assert asyncio.run(found.resolve()).number == "1"
"""
    found = modules_after(script)
    assert "requests" in found
    assert found.isdisjoint({"mlflow", "numpy", "forest", "sklearn", "boto3", "botocore"})


@pytest.mark.usefixtures("no_child")
async def test_what_is_served_for_months_is_kept(place: Place, tmp_path: Path) -> None:
    """To look is to ask for the version that is served, and for what was written down of it."""
    made = prepared_in(tmp_path, str(URI), place.tracking_uri)
    mine = finder(place.tracking_uri, tmp_path)
    await mine.keep(made)
    month = time.time() - 31 * 86_400
    written = [file for file in sizes(tmp_path) if file.startswith(".served")]
    assert written
    for path in (made.folder, *map(tmp_path.joinpath, written)):
        os.utime(path, (month, month))
    await mine.resolve()
    Cache(tmp_path).prune()
    assert await mine.last_known() == made


@pytest.mark.usefixtures("no_child")
async def test_the_disk_is_none_of_the_event_loops_business(
    sqlite_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the cache's folder is, which may be on another machine, the requests of a server go on."""
    made = prepared_in(tmp_path, str(URI), sqlite_place.tracking_uri)
    mine = finder(sqlite_place.tracking_uri, tmp_path)
    seen = set()

    def watch(owner: Any, name: str) -> None:  # noqa: ANN401
        call = getattr(owner, name)

        def watched(*given: Any) -> Any:  # noqa: ANN401
            seen.add(name)
            assert threading.current_thread() is not threading.main_thread()
            return call(*given)

        monkeypatch.setattr(owner, name, watched)

    notes = {"keep_served", "last_served", "recall_unchanged", "remember_served"}
    for name in notes:
        watch(registry.updates.finder, name)
    for name in ("find", "discard"):
        watch(Cache, name)
    await mine.keep(made)
    assert await at_hand(mine) == made
    assert await mine.last_known() == made
    await mine.discard(made)
    assert seen == notes | {"find", "discard"}


DRIPPING = json.dumps({"model_version": {"name": READY, "version": "1", "source": "x" * 500}}).encode()


async def test_a_registry_that_drips_is_given_up_in_time_and_by_one_thread(tmp_path: Path) -> None:
    """Each read of its answer ends soon, but the whole does not. While a look hangs, only a child takes another."""
    with answering(page=DRIPPING, drip=0.05) as stub:
        mine = finder(f"http://127.0.0.1:{stub.port}", tmp_path, look_timeout=0.5)
        threads = threading.active_count()
        with pytest.raises(StoreUnavailable, match=r"has not told within 0\.5 s what .*CANOPY_LOOK_TIMEOUT_SECONDS"):
            await mine.resolve()
        for _ in range(5):
            assert await mine.resolve() is UNRESOLVED
        hanging = [each for each in threading.enumerate() if each.name == "canopy-daemon"]
        assert len(hanging) == 1
        assert threading.active_count() - threads <= 1 + len(stub.asked)
        with pytest.raises(StoreUnavailable, match=r"has not told within 0\.5 s what"):
            await mine.prepare(UNRESOLVED)  # in the child, too
        stub.stalled.set()
        hanging[0].join(10)
        assert not hanging[0].is_alive()
    with pytest.raises(StoreUnavailable, match="cannot be used"):  # a thread asks again, and there is nobody any more
        await mine.resolve()


async def test_a_cache_that_hangs_is_told_in_time_and_by_few_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of another machine that does not answer, for one; however often it is asked."""
    calls, release = [], threading.Event()

    def hang(*_: object) -> None:
        calls.append(1)
        release.wait(60)

    monkeypatch.setattr("registry.updates.finder.recall_unchanged", hang)
    monkeypatch.setattr("registry.updates.finder.last_served", hang)
    mine = finder(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path, look_timeout=0.05)
    for call in (mine.resolve, mine.last_known) * 5:
        with pytest.raises(CacheUnusable, match=r"has not answered within 0\.05 s"):
            await call()
    assert len(calls) == 4
    release.set()


async def test_a_served_version_that_cannot_be_noted_is_served_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so."""
    made = Prepared(ModelVersion(READY, "1"), "compiled", tmp_path, COLUMNS)
    monkeypatch.setattr("registry.updates.finder.remember_served", lambda *_: time.sleep(1))
    await finder(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path, look_timeout=0.05).keep(made)
    assert "has not answered within 0.05 s" in caplog.text
