"""What is served, and what others do to its files in the folder of prepared models meanwhile."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataset import Covertype
from loadtest.system.process import ServerProcess, serving
from registry import Prepared
from tests.conftest import Store
from tests.helpers.isolation import MLFLOW_WARNS, isolated_mlflow
from tests.helpers.support import Client, children, lives, until
from tests.registry.support import prepared_in

pytestmark = MLFLOW_WARNS

URI = "models:/BestModelRF/Production"


@pytest.fixture(scope="module")
def cache(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """The trained model, prepared."""
    with isolated_mlflow(tmp_path_factory.mktemp("mlflow")):
        yield prepared_in(tmp_path_factory.mktemp("cache"), URI, store.tracking_uri)


def cut_off(file: Path) -> None:
    """Leave nothing of it, in place."""
    os.truncate(file, 0)


def overwritten(file: Path) -> None:
    """Write other bytes into it, in place."""
    with file.open("r+b") as out:
        out.write(os.urandom(file.stat().st_size))


@pytest.mark.parametrize(
    ("workers", "harm"),
    [
        ("1", cut_off),
        ("2", overwritten),
        pytest.param("1", overwritten, marks=pytest.mark.slow),
        pytest.param("2", cut_off, marks=pytest.mark.slow),
    ],
)
def test_answers_stay_right_though_the_forest_is_overwritten_in_place(
    store: Store, cache: Prepared, sample: Covertype, workers: str, harm: Callable[[Path], None]
) -> None:
    """As ``cp`` and ``rsync --inplace`` do, into a folder that is shared: the server lives, and so do its answers.

    A worker that starts anew meanwhile has the same bytes, too.
    """
    content = cache.artifact.read_bytes()
    # Without a look nobody finds out that the entry is spoilt, and mends it.
    options = ("--tracking-uri", store.tracking_uri, "--model-uri", URI, "--model-poll-seconds", "0")
    folder = cache.folder.parent.parent
    body = json.dumps({"features": sample.rows[:200].tolist()}).encode()
    try:
        with serving([*options, "--cache", str(folder), "--workers", workers]) as server:
            before = server.process.pid, children(server.process.pid)
            asked = ask(server, body)
            harm(cache.artifact)
            assert ask(server, body) == asked
            assert (server.process.pid, children(server.process.pid)) == before
            if workers == "2":
                maps = [shared(pid) for pid in before[1]]
                assert maps[0] == maps[1]
                assert len(maps[0]) == 1
                os.kill(before[1][0], signal.SIGKILL)
                until(lambda: not lives(before[1][0]) and len(children(server.process.pid)) == 2)
                for _ in range(20):
                    assert ask(server, body) == asked
                until(lambda: [shared(pid) for pid in children(server.process.pid)] == maps)
    finally:
        cache.artifact.write_bytes(content)


def ask(server: ServerProcess, body: bytes) -> object:
    """What the server predicts."""
    reply = Client(server).ask("POST", "/predict?probabilities=true", body)
    assert reply.status == 200
    assert reply.headers["canopy-engine"] == "compiled"
    return reply.document


def shared(pid: int) -> set[str]:
    """The inodes of the forests that a process has mapped, and that it may share with others."""
    text = Path(f"/proc/{pid}/maps").read_text()
    return set(re.findall(r"^\S+ r--s \S+ \S+ (\d+) .*memfd:canopy-file", text, re.MULTILINE))
