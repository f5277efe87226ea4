"""The child as a process: what it takes, and what becomes of it when something is killed."""

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from forest import Origin, Parity, compile_forest, write_artifact
from preprocessing import Schema, covertype
from registry import (
    CacheUnusable,
    Columns,
    ModelNotFound,
    ModelURI,
    ModelVersion,
    Preparation,
    SchemaMismatch,
    StoreUnavailable,
    TooLarge,
    UnusableModel,
    read_stated,
)
from registry.artifacts import fetch
from registry.caching.cache import Cache
from registry.opening.engines import open_engine
from registry.preparing import header
from registry.preparing import prepare as module
from registry.preparing.prepare import prepare
from registry.version import FORMAT, SCHEMA_FILE, TAG, ArtifactRef, CompiledArtifactRef
from tests.conftest import ROOT
from tests.helpers.isolation import MLFLOW_WARNS
from tests.helpers.object_store import BUCKET
from tests.helpers.support import COLUMNS, PATIENCE, children, lives, until
from tests.registry.conftest import READY
from tests.registry.stub import answering
from tests.registry.support import Place, log_in_s3, prepared_in, way

pytestmark = MLFLOW_WARNS

READY_URI = f"models:/{READY}@production"
HEAVY = {"mlflow", "numpy", "forest", "sklearn", "asyncio", "pandas"}
MOST, MOST_S3 = 45_000, 80_000
"""kB of resident memory that a child may take to fetch what is compiled already, by a tracking server and from S3; it
takes 34 and 61."""


def command(uri: str, place: str, cache: Path, *options: str) -> list[str]:
    """The command line of a child."""
    script = "import sys; from registry.__main__ import main; sys.exit(main())"
    return [sys.executable, "-c", script, "prepare", uri, "--cache", str(cache), "--tracking-uri", place, *options]


@contextmanager
def running(*arguments: Any, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:  # noqa: ANN401
    """A child that runs; its log is in the file ``log`` in the folder of its cache's."""
    line = command(*arguments)
    log = Path(arguments[2]).parent / "log"
    with log.open("a") as out:
        child = subprocess.Popen(
            line, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=out, text=True
        )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def measured(uri: str, place: str, cache: Path) -> tuple[int, set[str]]:
    """The peak memory of a child in kB, and the top-level modules that it has imported."""
    script = """
import resource, sys
from registry.__main__ import main
status = main()
sys.stderr.write(f"\\n{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} " + " ".join(sys.modules))
sys.exit(status)
"""
    line = command(uri, place, cache)
    line[2] = script
    # A process inherits the peak of the one that it was forked from: a shell, which is small, stands between.
    line = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *line]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    peak, *modules = done.stderr.splitlines()[-1].split()
    return int(peak), {name.partition(".")[0] for name in modules}


def test_a_compiled_forest_is_fetched_from_the_tracking_server_in_little_memory(
    server_place: Place, tmp_path: Path
) -> None:
    """The child imports nothing heavy, takes at most 45 MB, and what it has fetched can be served."""
    peak, modules = measured(READY_URI, server_place.tracking_uri, tmp_path)
    assert modules.isdisjoint(HEAVY | {"boto3", "botocore"})
    assert peak < MOST
    prepared = prepared_in(tmp_path, READY_URI, server_place.tracking_uri)
    assert open_engine(prepared).name == "compiled"


@pytest.mark.usefixtures("s3")
def test_a_compiled_forest_is_fetched_from_s3_in_little_memory(server_place: Place, tmp_path: Path) -> None:
    """So does a child that asks an S3 store for the file; AWS's library takes it to 80 MB at most."""
    content = prepared_in(tmp_path / "first", READY_URI, server_place.tracking_uri).artifact.read_bytes()
    content += bytes(30 << 20)  # as large as real ones are; it is not opened
    uri = log_in_s3(server_place, content, "InS3")
    peak, modules = measured(uri, server_place.tracking_uri, tmp_path / "second")
    assert "boto3" in modules
    assert modules.isdisjoint(HEAVY)
    assert peak < MOST_S3


# Several at once, and killed ones.


@pytest.mark.slow
def test_processes_that_start_at_once_prepare_a_model_once(sqlite_place: Place, tmp_path: Path) -> None:
    """Two processes on one folder end with the same entry; one has compiled it and the other has waited."""
    arguments = ("models:/Permuted/1", sqlite_place.tracking_uri, tmp_path / "cache")
    with ExitStack() as stack:
        pair = [stack.enter_context(running(*arguments)) for _ in range(2)]
        outcomes = [json.loads(child.communicate(timeout=PATIENCE)[0]) for child in pair]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]["type"] == "prepared"
    log = (tmp_path / "log").read_text()
    assert len(re.findall(r"compiling \d+ trees", log)) == 1
    assert log.count("waiting for another process") <= 1


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_nothing_in_the_way(sqlite_place: Place, tmp_path: Path) -> None:
    """Killed while it downloads or compares, it leaves no entry; the next makes one and clears up."""
    arguments = ("models:/Permuted/1", sqlite_place.tracking_uri, tmp_path / "cache")
    for moment in ("downloading", "comparing"):
        (tmp_path / "log").unlink(missing_ok=True)
        with running(*arguments) as child:
            until(lambda moment=moment: moment in (tmp_path / "log").read_text())  # type: ignore[misc]
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        left = list((tmp_path / "cache" / "Permuted").iterdir())
        assert len(left) == 2
        assert all(path.name.startswith(".") for path in left), "a lock and a folder, nothing that looks finished"
    prepared = prepared_in(tmp_path / "cache", arguments[0], sqlite_place.tracking_uri)
    assert open_engine(prepared).name == "compiled"
    assert len(list(prepared.folder.parent.iterdir())) == 2


CONTENT = bytes(1 << 20)


@contextmanager
def slow_server(content: bytes = CONTENT, **how: Any) -> Iterator[str]:  # noqa: ANN401 - as the stub takes it
    """A tracking server with one version, whose compiled forest comes as told; yields its address."""
    logged = CompiledArtifactRef("forest.canopy", FORMAT, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    tag = {"key": TAG, "value": msgspec.json.encode(logged).decode()}
    version = {"name": "Slow", "version": "1", "source": "models:/m-1", "tags": [tag]}
    pages = {
        "model-versions/get?name=Slow&version=1": json.dumps({"model_version": version}).encode(),
        "get-download-uri?name=Slow&version=1": b'{"artifact_uri": "mlflow-artifacts:/m"}',
        "forest.canopy": content,
    }
    with answering(pages=pages, **how) as stub:
        yield f"http://127.0.0.1:{stub.port}"


def test_a_process_that_is_killed_while_it_fetches_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    """Half a file stays in a folder that nobody takes for an entry, and the next to fetch it clears it up."""
    with slow_server(cut=300_000) as address:
        with running("models:/Slow/1", address, tmp_path / "cache") as child:
            until(lambda: any(path.stat().st_size for path in tmp_path.rglob("forest.canopy")))
            child.kill()
            child.wait()
        (half,) = tmp_path.rglob("forest.canopy")
        assert half.stat().st_size < len(CONTENT)
        assert half.parent.name.startswith(".")
    with slow_server() as address:
        # Another port is another server: the entry is that of the first.
        cache = Cache(tmp_path / "cache")
        with cache.hold(str(half.parent.relative_to(cache.folder).with_name(half.parent.name[1:].rpartition(".")[0]))):
            assert not half.exists()


def test_a_child_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    """A server that is killed leaves no child behind, though the child waits for a tracking server."""
    script = """
import asyncio, sys
from pathlib import Path
from registry import RegistryConfig, ModelURI, Preparation
from registry.updates.child import prepare_in_child
uri, config = ModelURI.parse("models:/Slow/1"), RegistryConfig.read(sys.argv[1], {})
asyncio.run(prepare_in_child(uri, config, Preparation(), Path(sys.argv[2])))
"""
    with slow_server(cut=300_000) as address:
        parent = subprocess.Popen([sys.executable, "-c", script, address, str(tmp_path)], stderr=subprocess.DEVNULL)
        try:
            until(lambda: bool(list(tmp_path.rglob("forest.canopy"))))
            (child,) = children(parent.pid)
            assert Path(f"/proc/{child}/oom_score_adj").read_text() == "1000\n"
        finally:
            parent.kill()
            parent.wait()
        until(lambda: not lives(child))


# What cannot be fetched, and what does not fit.


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"sha256": "0" * 64}, "is damaged: its checksum does not fit", id="damaged"),
        pytest.param({"path": "canopy/gone.canopy"}, "there is no", id="gone"),
    ],
)
def test_a_compiled_forest_that_is_no_good_is_made_anew(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, object], reason: str
) -> None:
    """A damaged or missing artifact is told, and the model is compiled as if none had been logged."""
    retag(place, change)
    with caplog.at_level("INFO", "canopy"):
        prepared = prepared_in(tmp_path, f"models:/{READY}/2", place.tracking_uri)
    assert open_engine(prepared).name == "compiled"
    assert reason in caplog.text
    assert f"compiling {READY}/2 anew" in caplog.text
    assert "comparing with scikit-learn" in caplog.text


def test_a_compiled_forest_that_only_mlflow_can_read_is_fetched_by_it(
    sqlite_place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where our own client knows no way to the artifacts, MLflow's brings the file, which is checked alike."""
    monkeypatch.delitem(fetch._OPEN, "file")
    with caplog.at_level("INFO", "canopy"):
        prepared = prepared_in(tmp_path, READY_URI, sqlite_place.tracking_uri)
        assert sorted(path.name for path in prepared.folder.iterdir()) == ["forest.canopy", "prepared.json"]
        retag(sqlite_place, {"sha256": "0" * 64})
        assert open_engine(prepared).name == "compiled"
        assert "comparing" not in caplog.text
        prepared_in(tmp_path, f"models:/{READY}/2", sqlite_place.tracking_uri)
    assert "its checksum does not fit; compiling" in caplog.text


def test_another_format_is_not_fetched(place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An artifact that another version of Canopy has made is left alone."""
    retag(place, {"format": FORMAT + 1})
    with caplog.at_level("INFO", "canopy"):
        prepared_in(tmp_path, f"models:/{READY}/2", place.tracking_uri)
    assert "fetching" not in caplog.text
    assert "comparing with scikit-learn" in caplog.text


NAMED, OTHERS = tuple(covertype.COLUMNS), tuple(covertype.COLUMNS[::-1])


@pytest.mark.parametrize(
    ("names", "stated", "reason"),
    [
        pytest.param(NAMED, None, None, id="named"),
        pytest.param(NAMED, NAMED, None, id="as-stated"),
        pytest.param(NAMED, OTHERS, "contradict `columns` of --schema", id="not-as-stated"),
        pytest.param(OTHERS, None, "does not name the columns of a table in their order", id="other-order"),
        pytest.param(OTHERS, OTHERS, "does not name the columns of a table in their order", id="other-order-stated"),
        pytest.param(None, None, "does not name", id="unnamed"),
        pytest.param(None, NAMED, "does not name", id="unnamed-but-stated"),
        pytest.param(("a", "b"), None, "names columns of a table that is not described", id="of-something-else"),
    ],
)
def test_only_a_compiled_forest_that_names_the_schemas_columns_is_taken_as_it_is(
    forest: Any,  # noqa: ANN401 - sklearn is untyped
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    names: tuple[str, ...] | None,
    stated: tuple[str, ...] | None,
    reason: str | None,
) -> None:
    """Else the log says why the model itself is looked at, whose signature may tell more."""
    logged = tmp_path / "logged"
    write_artifact(logged, compile_forest(forest, columns=names), Origin("Logged"), Parity(rows=1, different=0))
    file = CompiledArtifactRef("canopy/forest.canopy", FORMAT, "0" * 64, 1)
    version = ModelVersion("Logged", "1", compiled=file)
    monkeypatch.setattr(module, "locate", lambda *_: "")
    monkeypatch.setattr(module, "_fetch", lambda _config, _location, _file, path: shutil.copy(logged, path))
    table = None if stated is None else Schema(covertype.SCHEMA.fields, stated, covertype.SCHEMA.example)
    fetched = partial(module._fetched, version, way("http://tracking.invalid"), Preparation(stated=table), tmp_path)
    if reason is None:
        made = fetched()
        assert (made.columns, made.warnings) == (COLUMNS, [])
        assert open_engine(made).name == "compiled"
    else:
        with pytest.raises(module.NotFetched, match=reason):
            fetched()
        assert reason in caplog.text
        assert "compiling Logged/1 anew" in caplog.text
        assert not (tmp_path / "forest.canopy").exists()


DESCRIBED = Schema.of_columns(["a", "b"], ["integer", "number"])


@pytest.mark.parametrize(
    ("names", "description", "reason"),
    [
        pytest.param(("a", "b"), DESCRIBED.encode(), None, id="described"),
        pytest.param(("b", "a"), DESCRIBED.encode(), "in their order", id="in-another-order"),
        pytest.param(("a", "c"), DESCRIBED.encode(), "schema is that of canopy/schema.json", id="of-another-table"),
        pytest.param(("a", "b"), b"{}", "canopy/schema.json beside the model describes no table", id="of-no-table"),
        pytest.param(("a", "b"), None, "gone", id="gone"),
        pytest.param(
            ("a", "b"),
            b'{"fields": [{"name": "a", "missing": true}, {"name": "b"}]}',
            "takes no missing values",
            id="with-missing-values",
        ),
    ],
)
def test_a_compiled_forest_is_taken_with_the_table_that_was_logged_beside_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    names: tuple[str, ...],
    description: bytes | None,
    reason: str | None,
) -> None:
    """As the tag of its version tells; nothing else is left in the folder."""
    from sklearn.ensemble import RandomForestClassifier

    rows = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    forest = RandomForestClassifier(3, random_state=0).fit(rows, rows[:, 0] > 0)
    logged = tmp_path / "logged"
    write_artifact(logged, compile_forest(forest, columns=names), Origin("Logged"), Parity(rows=1, different=0))
    file = CompiledArtifactRef("canopy/forest.canopy", FORMAT, "0" * 64, 1, ArtifactRef(SCHEMA_FILE, "0" * 64, 1))

    def bring(_config: object, _location: object, wanted: CompiledArtifactRef | ArtifactRef, path: Path) -> None:
        if wanted is file:
            shutil.copy(logged, path)
        elif description is None:
            raise UnusableModel("it is gone")
        else:
            path.write_bytes(description)

    monkeypatch.setattr(module, "locate", lambda *_: "")
    monkeypatch.setattr(module, "_fetch", bring)
    folder = tmp_path / "folder"
    folder.mkdir()
    version = ModelVersion("Logged", "1", compiled=file)
    fetched = partial(module._fetched, version, way("http://tracking.invalid"), Preparation(), folder)
    if reason is None:
        made = fetched()
        assert (made.columns, open_engine(made).name) == (Columns(DESCRIBED), "compiled")
        assert [path.name for path in folder.iterdir()] == ["forest.canopy"]
    else:
        with pytest.raises(module.NotFetched, match=reason):
            fetched()
        assert reason in caplog.text
        assert not list(folder.iterdir())


def test_a_stated_order_decides_whether_a_compiled_forest_will_do(sqlite_place: Place, tmp_path: Path) -> None:
    """The model beside it is held against the statement: with its own order it goes on, with another it is refused."""
    own = np.random.default_rng(7).permutation(54)
    stated = Schema(covertype.SCHEMA.fields, tuple(np.array(covertype.COLUMNS)[own].tolist()), covertype.SCHEMA.example)
    made = prepare(
        ModelURI.parse(READY_URI), way(sqlite_place.tracking_uri), Preparation(stated=stated), Cache(tmp_path)
    )
    assert (made.engine, made.columns) == ("compiled", Columns(covertype.SCHEMA, tuple(own.tolist())))
    other = read_stated("covertype-uci")
    with pytest.raises(SchemaMismatch, match="contradict `columns` of --schema"):
        prepare(ModelURI.parse(READY_URI), way(sqlite_place.tracking_uri), Preparation(stated=other), Cache(tmp_path))


@pytest.mark.parametrize("content", [b"", b"CANOPY\x0fF" * 20, bytes(100)])
def test_a_header_that_cannot_be_read_is_damaged(tmp_path: Path, content: bytes) -> None:
    """UnusableModel says so; that of an artifact tells its columns."""
    file = tmp_path / "forest.canopy"
    file.write_bytes(content)
    with pytest.raises(UnusableModel, match=r"forest\.canopy is damaged"):
        header.told(file)


def retag(place: Place, change: dict[str, object]) -> None:
    """Let the second version of READY be the first with a tag that says something else."""
    import mlflow
    from mlflow import MlflowClient

    mlflow.set_tracking_uri(place.tracking_uri)  # an SQLite store resolves a model's source by it
    client = MlflowClient(place.tracking_uri, place.tracking_uri)
    first = client.get_model_version(READY, "1")
    if len(client.search_model_versions(f"name='{READY}'")) == 1:
        client.create_model_version(READY, first.source, model_id=first.source.removeprefix("models:/"))
    client.set_model_version_tag(READY, "2", TAG, json.dumps(json.loads(first.tags[TAG]) | change))


def test_a_compiled_forest_is_of_no_use_to_other_engines(sqlite_place: Place, tmp_path: Path) -> None:
    """Asked for scikit-learn, the model itself is downloaded."""
    prepared = prepared_in(tmp_path, READY_URI, sqlite_place.tracking_uri, "sklearn")
    assert open_engine(prepared).name == "sklearn"


def test_a_model_that_does_not_fit_into_memory_is_told(sqlite_place: Place, tmp_path: Path) -> None:
    """A limit that the model exceeds makes it TooLarge, with the way out; what is compiled already needs none."""
    limit = str(120 << 20)
    with running("models:/Permuted/1", sqlite_place.tracking_uri, tmp_path / "cache", "--memory", limit) as child:
        outcome = json.loads(child.communicate(timeout=PATIENCE)[0])
    assert outcome["error"] == TooLarge.__name__, outcome
    assert "the 120 MB that are left" in outcome["message"]
    assert "`python -m registry prepare models:/Permuted/1 --cache FOLDER`" in outcome["message"]
    assert list((tmp_path / "cache").glob("Permuted/[!.]*")) == []


def test_a_disk_that_a_model_does_not_fit_on_is_told(
    sqlite_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds no space, MLflow's client too, the cache's folder and the remedy are named."""

    def full(*_how: object) -> None:
        raise RuntimeError("The following failures occurred") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("registry.preparing.download.ModelsArtifactRepository.download_artifacts", full)
    with pytest.raises(CacheUnusable, match="No space left on device; free space there"):
        prepared_in(tmp_path, "models:/Permuted/1", sqlite_place.tracking_uri)


@pytest.mark.parametrize(
    ("bucket", "change", "remedy"),
    [
        pytest.param("nobody", {}, "bucket does not exist; see whether MLFLOW_S3_ENDPOINT_URL", id="no-bucket"),
        pytest.param(
            BUCKET, {"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:1"}, "see whether the store is up", id="down"
        ),
    ],
)
@pytest.mark.usefixtures("s3")
def test_a_store_that_mlflow_cannot_download_from_is_told(
    server_place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bucket: str,
    change: dict[str, str],
    remedy: str,
) -> None:
    """Where the model itself has to be downloaded, a store that refuses is unavailable, and the remedy is named."""
    from mlflow import MlflowClient

    for name, value in change.items() | {("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_MAX_ATTEMPTS", "1")}:
        monkeypatch.setenv(name, value)
    client = MlflowClient(server_place.tracking_uri, server_place.tracking_uri)
    name = f"Away{len(client.search_registered_models())}"
    experiment = client.create_experiment(name, artifact_location=f"s3://{bucket}/away")
    model = client.create_logged_model(experiment, "model")
    client.create_registered_model(name)
    client.create_model_version(name, f"models:/{model.model_id}", model_id=model.model_id)
    with pytest.raises(StoreUnavailable, match=f"the files of {name}/1 cannot be downloaded: .*{remedy}"):
        prepared_in(tmp_path, f"models:/{name}/1", server_place.tracking_uri)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("Permuted", "prepared", marks=pytest.mark.slow),
        pytest.param("Nobody's", "failed"),  # MLflow has been imported, and asked
    ],
)
def test_a_user_without_name_and_home_may_prepare_a_model(
    sqlite_place: Place, tmp_path: Path, name: str, told: str
) -> None:
    """As a container's may be; MLflow alone would end with a traceback when it is imported."""
    (tmp_path / "sitecustomize.py").write_text("import pwd\npwd.getpwuid = {}.__getitem__\n")
    nobody = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    for variable in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        nobody.pop(variable, None)
    done = subprocess.run(
        command(f"models:/{name}/1", sqlite_place.tracking_uri, tmp_path / "cache"),
        env=nobody,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    outcome = json.loads(done.stdout)
    assert outcome["type"] == told, done.stderr
    assert outcome.get("error", ModelNotFound.__name__) == ModelNotFound.__name__


def test_a_version_that_was_never_logged_is_unusable(server_place: Place, tmp_path: Path) -> None:
    """A version without artifacts is told as such."""
    from mlflow import MlflowClient

    client = MlflowClient(server_place.tracking_uri, server_place.tracking_uri)
    client.create_registered_model("Bare")
    experiment = client.create_experiment("bare")
    run = client.create_run(experiment)
    client.create_model_version("Bare", f"{run.info.artifact_uri}/nothing", run.info.run_id)
    with pytest.raises(UnusableModel, match=r"Bare/1 cannot be loaded: .*make train"):
        prepare(ModelURI.parse("models:/Bare/1"), way(server_place.tracking_uri), Preparation(), Cache(tmp_path))
    assert ModelVersion("Bare", "1").uri == "models:/Bare/1"
