"""Fixtures that every room's tests may use."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

import redaction
from dataset import Covertype, load_sample
from forest import Origin, Parity, compile_forest, write_artifact
from loadtest.system.process import ServerProcess, serving
from preprocessing import covertype
from preprocessing.matrix import Expansion
from registry import ModelVersion, Prepared
from registry.caching.lock import locked
from tests.helpers.left_out import LeftOut
from tests.helpers.support import COLUMNS, PATIENCE, Client, Wire

# No deadline: it would measure the machine. `make test-slow` asks for the thorough one.
hypothesis.settings.register_profile("quick", max_examples=100, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=500, deadline=None)
hypothesis.settings.load_profile("quick")


def examples(quick: int) -> int:
    """How many random inputs to try where one takes longer than most do.

    Args:
        quick: how many in ``make test``; ``make test-slow`` tries as many times more as of others.
    """
    usual = hypothesis.settings.get_profile("quick").max_examples
    return quick * (hypothesis.settings.default or hypothesis.settings()).max_examples // usual


# A shell has what it runs in the background ignore SIGINT, and whatever that starts would ignore it as well.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The hundreds of processes that tests start would each compile all modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).resolve().parent.parent

Start = Callable[..., AbstractContextManager[ServerProcess]]


def _stale() -> list[str]:
    """What was compiled of other sources than there are now: Python would run it all the same."""
    extensions = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    sources = {each["name"]: ROOT / each["sources"][0] for each in extensions}
    return [name for name, source in sources.items() if _changed(source)]


def _changed(source: Path) -> bool:
    """Whether a source, or the types beside it, is newer than what was compiled of it."""
    written = max(path.stat().st_mtime for path in (source, *source.parent.glob(f"{source.stem}.pxd")))
    return any(built.stat().st_mtime < written for built in source.parent.glob(f"{source.stem}.*.so"))


def pytest_configure(config: pytest.Config) -> None:
    """Have what is not run told, and run nothing on what is stale."""
    if stale := _stale():
        raise pytest.UsageError(f"{', '.join(stale)}: changed since it was compiled; run `make setup`")
    config.pluginmanager.register(LeftOut())


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose program is not there: a skipped one would find no fault, and nobody would notice."""
    for mark in item.iter_markers("tool"):
        if missing := [program for program in mark.args if not (shutil.which(program) or Path(program).is_file())]:
            pytest.fail(f"not found: {', '.join(missing)}; scripts/tools.sh installs it", pytrace=False)


def pytest_xdist_auto_num_workers() -> int:
    """Run more processes than there are cores: tests of servers wait a good deal."""
    return len(os.sched_getaffinity(0)) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process of a parallel run is left alone with one."""
    items.sort(
        key=lambda item: (
            not item.nodeid.startswith(("tests/loadtest/", "tests/registry/", "tests/whole/", "tests/project/"))
        )
    )


class ByCost(LoadFileScheduling):  # type: ignore[misc]  # xdist is untyped
    """Gives a process of a parallel run whole files, and one of them all that need the registry's costly places.

    xdist's own groups have no effect under pytest 9.2, which does not read the name that they change.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "tests/registry" if file.startswith("tests/registry/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByCost:
    """Share the work out."""
    return ByCost(config, log)


@dataclass(frozen=True, slots=True)
class Store:
    """An MLflow store with a small forest, registered and promoted by the real ``python -m training``."""

    tracking_uri: str
    folder: Path


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the models that tests have prepared away from the project's own; every process that they start knows."""
    os.environ["CANOPY_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def sample() -> Covertype:
    """The bundled sample."""
    return load_sample()


@pytest.fixture(scope="session")
def matrix(sample: Covertype) -> NDArray[np.float32]:
    """The sample's (20000, 54) matrix."""
    out = np.empty((len(sample), len(covertype.COLUMNS)), dtype=np.float32)
    Expansion(covertype.SCHEMA).write(sample.rows, out)
    return out


@pytest.fixture(scope="session")
def forest(matrix: NDArray[np.float32], sample: Covertype) -> Any:  # noqa: ANN401 - sklearn is untyped
    """A small forest, fitted without column names on a part of the sample."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(10, max_depth=12, random_state=0).fit(matrix[:4000], sample.labels[:4000])


@pytest.fixture
def prepared(forest: Any, tmp_path: Path) -> Prepared:  # noqa: ANN401
    """The small forest as version 3 of Small, compiled, in a folder of its own."""
    made = Prepared(ModelVersion("Small", "3"), "compiled", tmp_path / "prepared", COLUMNS)
    arrays = compile_forest(forest, columns=covertype.COLUMNS)
    write_artifact(made.artifact, arrays, Origin("Small", "3"), Parity(rows=10, different=0))
    return made


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m training`` with some options, as a scheduler would, away from the project's own store."""
    folder = tmp_path_factory.mktemp("training")

    def run(options: Sequence[str], *, cwd: Path = folder) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "training", *options]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=5 * PATIENCE, check=False)

    return run


@pytest.fixture(scope="session")
def store(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str, train: Callable[..., subprocess.CompletedProcess[str]]
) -> Store:
    """A store with BestModelRF version 1 in production: ten trees, trained on the bundled sample.

    The processes of a parallel run share it; whoever needs another one copies it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "store"
    folder.mkdir(exist_ok=True)
    made = Store(f"sqlite:///{folder / 'mlflow.db'}", folder)
    with locked(folder / "lock", "the tests"):
        if not (folder / "trained").exists():
            done = train(["--tracking-uri", made.tracking_uri, "--trees", "10"], cwd=folder)
            assert done.returncode == 0, done.stderr
            (folder / "trained").touch()
    return made


@pytest.fixture(autouse=True)
def _forget_secrets() -> Iterator[None]:
    """Redact no secret of a test's from what the next one says."""
    yield
    redaction.forget()


@pytest.fixture(autouse=True)
def _close_connections() -> Iterator[None]:
    """Leave no connection open behind a test."""
    yield
    while Client.opened:
        Client.opened.pop().connection.close()
    while Wire.opened:
        Wire.opened.pop().close()


def stub_serving(
    options: Sequence[str],
    told: Mapping[str, object] | None = None,
    **how: Any,  # noqa: ANN401 - as serving takes it
) -> AbstractContextManager[ServerProcess]:
    """Stands in for ``loadtest.system.process.serving``: a server with a stand-in engine that was told something."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # The connections that a test leaves open do not hold up the end of its server.
    environment = {"STUB": json.dumps(dict(told or {})), "PYTHONPATH": path, "CANOPY_DRAIN_IDLE_SECONDS": "0"}
    return serving(options, program=("-m", "tests.helpers.stub_server"), environment=environment, **how)


@pytest.fixture(scope="session")
def start() -> Start:
    """Start a server with a stand-in engine: ``start(*options, fixed=..., per_row=..., ...)``.

    ``log`` is a file for what it says on its standard error; ``admit`` is given its process id, to limit it.
    """

    def run(
        *options: str,
        ready_within: float | None = PATIENCE,
        log: IO[bytes] | None = None,
        admit: Callable[[int], None] | None = None,
        **told: object,
    ) -> AbstractContextManager[ServerProcess]:
        return stub_serving(options, told, ready_within=ready_within, log=log, admit=admit)

    return run
