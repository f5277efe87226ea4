"""Preparing a model in another process, and the command that this process runs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import NoReturn, get_type_hints

import pytest

from registry import (
    BadModelURI,
    BadRegistryConfig,
    CacheUnusable,
    EngineChoice,
    ModelNotFound,
    ModelURI,
    Preparation,
    RegistryError,
    SchemaMismatch,
    StoreUnavailable,
    TooLarge,
    UntrustedFormat,
    UnusableModel,
    read_stated,
)
from registry import __main__ as module
from registry.updates.child import prepare_in_child
from settings import Settings
from tests.helpers.isolation import MLFLOW_WARNS
from tests.helpers.support import PATIENCE, lives, modules_after, shell_script
from tests.registry.conftest import NAME
from tests.registry.support import Place, prepared_in, way

pytestmark = MLFLOW_WARNS

URI = ModelURI.parse("models:/Forest/Production")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder for what is prepared."""
    made = tmp_path / "files"
    made.mkdir()
    return made


# The real child.


async def test_a_child_prepares_what_this_process_would(sqlite_place: Place, tmp_path: Path, files: Path) -> None:
    """What the child has prepared is the same version for the same engine, and its compiled forest byte for byte."""
    uri = ModelURI.parse("models:/Permuted/1")
    made = await prepare_in_child(uri, way(sqlite_place.tracking_uri), Preparation(), files)
    ours = prepared_in(tmp_path / "here", str(uri), sqlite_place.tracking_uri)
    assert made.folder.is_relative_to(files)
    assert made == replace(ours, folder=made.folder)
    assert made.artifact.read_bytes() == ours.artifact.read_bytes()


async def test_what_a_child_raises_this_process_raises(
    sqlite_place: Place, closed_port: int, tmp_path: Path, files: Path
) -> None:
    """A version and a store that are not there raise the errors, of the same type and words, that they raise here."""
    unknown = (ModelURI.parse(f"models:/{NAME}/99"), sqlite_place.tracking_uri)
    unreachable = (URI, f"http://127.0.0.1:{closed_port}")
    theirs = await asyncio.gather(
        *(prepare_in_child(uri, way(store), Preparation(), files) for uri, store in (unknown, unreachable)),
        return_exceptions=True,
    )
    assert [type(error) for error in theirs] == [ModelNotFound, StoreUnavailable]
    for (uri, store), error in zip((unknown, unreachable), theirs, strict=True):
        with pytest.raises(RegistryError) as raised:
            prepared_in(tmp_path / "here", str(uri), store)
        assert str(error) == str(raised.value)


async def test_the_child_imports_nothing_from_the_working_folder(tmp_path: Path, files: Path) -> None:
    """Modules that lie where the server was started, and have the names of Canopy's, are not taken for them."""
    for name in ("settings", "registry", "forest"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('this is of another project')\n")
    with pytest.raises(ModelNotFound, match="make train"):
        await prepare_in_child(URI, way(f"sqlite:///{tmp_path / 'absent.db'}"), Preparation(), files)


# Children that end in other ways.


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a shell script run instead of the interpreter."""

    def replace(script: str) -> None:
        monkeypatch.setattr(sys, "executable", shell_script(tmp_path / "python", script))

    return replace


@pytest.mark.parametrize(
    ("engine", "stated_as"), [pytest.param("auto", "", id="auto"), pytest.param("pyfunc", "covertype-uci", id="pyfunc")]
)
async def test_the_child_is_told_what_to_prepare(
    child: Callable[[str], None],
    tmp_path: Path,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: EngineChoice,
    stated_as: str,
) -> None:
    """In the same working folder, the child is given what means the model, store, engine, folder and limits wanted."""
    stated = read_stated(stated_as)
    monkeypatch.setenv("CANOPY_SCHEMA", "covertype")  # which a server's option overrides
    child(
        "printf '%s\\n' \"$@\" >arguments; printf '%s' \"$MLFLOW_TRACKING_URI\" >variable; "
        "cp $TMPDIR/schema.json . || :"
    )
    with pytest.raises(UnusableModel):
        await prepare_in_child(
            URI,
            way("sqlite:///x.db"),
            Preparation(engine, "skops", stated=stated),
            files,
            memory=10**9,
            look_timeout=7.5,
            anew=True,
        )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "variable").read_text())
    arguments = (tmp_path / "arguments").read_text().splitlines()
    columns = arguments.index("--schema") + 1
    arguments[columns] = arguments[columns] and "schema.json"  # the folder of the child's files has gone with it
    given = module._parser().parse_args(arguments[arguments.index("prepare") :])
    assert (given.uri, given.tracking_uri) == (str(URI), "sqlite:///x.db")
    assert (given.engine, given.cache) == (engine, files)
    assert (given.memory, given.trusted_formats, given.parent) == (10**9, "skops", os.getpid())
    assert given.schema == stated
    assert given.anew
    assert given.look_timeout == 7.5


async def test_the_stores_password_is_not_on_the_childs_command_line(
    child: Callable[[str], None], tmp_path: Path, files: Path
) -> None:
    """Every user of a machine sees the command lines of its processes, so the password goes another way."""
    child("printf '%s\\n' \"$@\" >arguments")
    with pytest.raises(UnusableModel):
        await prepare_in_child(URI, way("http://warden:sesame@127.0.0.1:1"), Preparation(), files)
    arguments = (tmp_path / "arguments").read_text()
    assert str(URI) in arguments
    assert "sesame" not in arguments


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(BadModelURI, id="bad-uri"),
        pytest.param(ModelNotFound, id="not-found"),
        pytest.param(SchemaMismatch, id="schema"),
        pytest.param(StoreUnavailable, id="store"),
        pytest.param(BadRegistryConfig, id="access"),
        pytest.param(CacheUnusable, id="cache"),
        pytest.param(TooLarge, id="too-large"),
        pytest.param(UntrustedFormat, id="untrusted"),
        pytest.param(UnusableModel, id="unusable"),
    ],
)
async def test_each_error_keeps_its_type_and_words(
    child: Callable[[str], None], files: Path, error: type[RegistryError]
) -> None:
    """Whatever the child says has failed is raised as the error that it names, in its words."""
    line = json.dumps({"type": "failed", "error": error.__name__, "message": "it's no good: “é”"})
    child(f"cat <<'END'\n{line}\nEND\nexit 1")
    with pytest.raises(error) as raised:
        await prepare_in_child(URI, way("sqlite:///x.db"), Preparation(), files)
    assert type(raised.value) is error
    assert str(raised.value) == "it's no good: “é”"


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        pytest.param("kill -SEGV $$", "ended with -11", id="crashed"),
        pytest.param("exit 3", "ended with 3", id="silent"),
        pytest.param("echo Traceback; exit 1", "ended with 1", id="no-json"),
        pytest.param("echo '[1, 2]'", "ended with 0", id="other-json"),
        pytest.param('printf \'{"type":"prepared","na\'', "ended with 0", id="half-a-line"),
    ],
)
async def test_a_child_without_an_outcome_makes_the_model_unusable(
    child: Callable[[str], None], files: Path, script: str, ending: str
) -> None:
    """A child that is killed, or says what it should not, raises UnusableModel: one line with the way it ended."""
    child(f"ulimit -c 0\n{script}")
    with pytest.raises(UnusableModel) as raised:
        await prepare_in_child(URI, way("sqlite:///x.db"), Preparation(), files)
    assert str(raised.value) == f"models:/Forest/Production: the process that prepares it {ending}"


@pytest.mark.parametrize("signal_", [pytest.param("KILL", id="killed"), pytest.param("ABRT", id="aborted")])
async def test_a_child_that_gets_no_memory_makes_the_model_too_large(
    child: Callable[[str], None], files: Path, signal_: str
) -> None:
    """A child that is killed, as the kernel does when memory runs out, raises TooLarge, which names the way out."""
    child(f"ulimit -c 0\nkill -{signal_} $$")
    with pytest.raises(TooLarge, match=r"the 200 MB that are left.*python -m registry prepare .* --cache"):
        await prepare_in_child(URI, way("sqlite:///x.db"), Preparation(), files, memory=200 << 20)


async def test_cancelling_ends_the_child(child: Callable[[str], None], files: Path, tmp_path: Path) -> None:
    """One whose outcome nobody waits for any more is killed, heed a polite signal or not; what it leaves goes too."""
    leave = "touch $TMPDIR/left\nprintf '%s' $TMPDIR >folder\necho $$ >started && mv started pid"
    child(f"trap '' TERM INT\n{leave}\nwhile :; do sleep 0.1; done")
    waiting = asyncio.create_task(prepare_in_child(URI, way("sqlite:///x.db"), Preparation(), files))
    give_up = time.monotonic() + PATIENCE
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < give_up, "the child does not start"
        await asyncio.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    folder = tmp_path / (tmp_path / "folder").read_text()
    assert lives(pid)
    assert (folder / "left").exists()
    try:
        waiting.cancel()
        await asyncio.wait([waiting], timeout=PATIENCE)
        assert waiting.cancelled()
        assert not lives(pid)
        assert not folder.exists()
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_what_a_child_has_started_ends_with_it(child: Callable[[str], None], files: Path, tmp_path: Path) -> None:
    """A model's own processes would hold memory, and the pipe that the outcome comes by."""
    line = json.dumps({"type": "failed", "error": "UnusableModel", "message": "no"})
    child(f"sleep 3600 &\necho $! >other\necho '{line}'\nsleep 3600")
    start = time.monotonic()
    with pytest.raises(UnusableModel, match="no"):
        await prepare_in_child(URI, way("sqlite:///x.db"), Preparation(), files)
    assert time.monotonic() - start < 600
    other = int((tmp_path / "other").read_text())
    while lives(other):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)


async def test_a_child_that_cannot_be_started_is_told_in_words(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is out of files, for one, has no pipe for it; it serves on."""
    monkeypatch.setattr(sys, "executable", str(files / "missing"))
    with pytest.raises(UnusableModel, match=r"no process can be started to prepare it: No such file or directory"):
        await prepare_in_child(URI, way("sqlite:///x.db"), Preparation(), files)


# The command.


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str],  # noqa: ARG001 - it puts the standard output back
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """The module of the command, kept from changing for good where this process logs and prints to."""
    monkeypatch.setattr(module, "start_logging", lambda _level: None)
    return module


def test_the_command_prints_what_it_has_prepared(
    command: ModuleType, sqlite_place: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The command makes the folder, exits with 0 and prints the version and the engine in one line of JSON."""
    folder = tmp_path / "new" / "files"
    uri, store = "models:/Permuted/1", sqlite_place.tracking_uri
    status = command.main(["prepare", uri, "--cache", str(folder), "--tracking-uri", store, "--engine", "sklearn"])
    assert status == 0
    (line,) = capfd.readouterr().out.splitlines()
    outcome = json.loads(line)
    assert outcome["type"] == "prepared"
    assert (outcome["model"]["version"]["name"], outcome["model"]["engine"]) == ("Permuted", "sklearn")
    made = Path(outcome["model"]["folder"])
    assert made.is_relative_to(folder)
    assert (made / "model" / "MLmodel").is_file()


def test_the_command_prepares_for_the_engine_that_the_servers_are_set_to(
    command: ModuleType, sqlite_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is prepared for another engine would not be found by them; a word that is no engine is refused."""
    arguments = ["prepare", "models:/Permuted/1", "--cache", str(tmp_path), "--tracking-uri", sqlite_place.tracking_uri]
    monkeypatch.setenv("CANOPY_ENGINE", "sklearn")
    assert command.main(arguments) == 0
    (record,) = tmp_path.glob("Permuted/*/prepared.json")
    assert json.loads(record.read_bytes())["engine"] == "sklearn"
    monkeypatch.setenv("CANOPY_ENGINE", "abacus")
    with pytest.raises(SystemExit):
        command.main(arguments)


def test_the_command_takes_the_columns_as_the_servers_do(
    command: ModuleType,
    sqlite_place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """From its option or their variable; its log has the warning, unless it works for a server, which has it itself."""
    arguments = ["prepare", "models:/Unnamed/1", "--cache", str(tmp_path), "--tracking-uri", sqlite_place.tracking_uri]
    assert command.main([*arguments, "--schema", "covertype-uci"]) == 0
    assert command.main([*arguments, "--parent", str(os.getppid())]) == 0
    assert "does not name its columns" not in caplog.text
    assert command.main(arguments) == 0
    assert caplog.text.count("Unnamed/1 does not name its columns") == 1
    records = [json.loads(record.read_bytes())["columns"] for record in tmp_path.glob("Unnamed/*/prepared.json")]
    assert sorted(record["known"] for record in records) == ["assumed", "stated"]
    monkeypatch.setenv("CANOPY_SCHEMA", "ucy")
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert "--schema: 'ucy' is none of covertype, covertype-uci, nor a file" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("uri", "store", "error"),
    [
        pytest.param("Forest", None, "BadModelURI", id="bad-uri"),
        pytest.param("models:/Forest/1", None, "ModelNotFound", id="no-store"),
        pytest.param("models:/Forest/1", "carrier-pigeon://loft", "StoreUnavailable", id="odd-store"),
    ],
)
def test_the_command_prints_why_it_has_not(
    command: ModuleType,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    uri: str,
    store: str | None,
    error: str,
) -> None:
    """The command exits with 1 and prints the error's type and words in one line of JSON, even if MLflow says more."""
    store = store or f"sqlite:///{tmp_path / 'absent.db'}"
    assert command.main(["prepare", uri, "--cache", str(tmp_path / "files"), "--tracking-uri", store]) == 1
    (line,) = capfd.readouterr().out.splitlines()
    outcome = json.loads(line)
    assert (outcome["type"], outcome["error"]) == ("failed", error)
    with pytest.raises(RegistryError) as raised:
        prepared_in(tmp_path / "here", uri, store)
    assert outcome["message"] == str(raised.value)


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param("print('noise')", id="python"),
        pytest.param("atexit.register(print, 'noise')", id="python-at-its-end"),
        # As LightGBM does, for one; what C holds back is written when the process ends.
        pytest.param("ctypes.CDLL(None).printf(b'noise\\n')", id="library"),
        pytest.param("subprocess.run(['echo', 'noise'])", id="program"),
    ],
)
def test_what_a_model_prints_does_not_disturb_the_outcome(tmp_path: Path, noise: str) -> None:
    """Whatever a model writes to the standard output when it is loaded goes to the error output instead."""
    script = f"""
import atexit, ctypes, subprocess, sys
from registry import Columns, ModelVersion, Prepared
from registry import __main__ as command
from preprocessing import Schema

def noisy(uri, config, choice, cache, **how):
    {noise}
    return Prepared(ModelVersion(uri.name, "3"), "sklearn", cache.folder, Columns(Schema.unnamed(4)))

command.prepare = noisy
sys.exit(command.main(["prepare", "models:/Forest/3", "--cache", sys.argv[1]]))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "files")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["model"]["version"]["number"] == "3"
    assert done.stderr == "noise\n"


def test_an_interrupted_command_prints_no_outcome(
    command: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the command with the status that shells give it, and without a word."""

    def interrupted(*_arguments: object, **_how: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "prepare", interrupted)
    try:
        status = command.main(["prepare", str(URI), "--cache", str(tmp_path / "files")])
    except KeyboardInterrupt:  # which would end the tests
        pytest.fail("the command does not catch it")
    assert status == 128 + signal.SIGINT
    assert capfd.readouterr() == ("", "")


def test_help_waits_neither_for_mlflow_nor_for_scikit_learn() -> None:
    """The command's help is there before anything slow is imported."""
    script = """
import contextlib
from registry.__main__ import main
with contextlib.suppress(SystemExit):
    main(["prepare", "--help"])
"""
    found = modules_after(script)
    assert "registry" in found
    assert found.isdisjoint({"mlflow", "sklearn", "pandas", "scipy"})


def test_the_command_has_the_servers_choice_of_engines() -> None:
    """Whatever engine the server's setting may name, its child takes."""
    assert set(module._words(EngineChoice)) == set(module._words(get_type_hints(Settings)["engine"]))
