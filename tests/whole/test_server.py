"""The whole product: a registry, a server process, and what its users get."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httptools
import numpy as np
import pytest
from numpy.typing import NDArray

from dataset import Covertype
from loadtest.system.ports import reserved_port
from loadtest.system.process import ServerProcess, serving
from preprocessing import covertype
from registry import Prepared
from tests.conftest import ROOT, Store
from tests.helpers.support import AT_ONCE, PATIENCE, Client, Reply, children, lives, modules_after, until


@pytest.fixture(scope="module")
def server(store: Store) -> Iterator[ServerProcess]:
    """A server of the registered forest, started as its users start it."""
    with serving(["--tracking-uri", store.tracking_uri]) as process:
        yield process


@pytest.fixture(scope="module")
def registered(store: Store) -> Any:  # noqa: ANN401 - sklearn is untyped
    """The registered forest itself, read from the artifacts without Canopy."""
    import skops.io

    path = next(store.folder.rglob("model.skops"))
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


@pytest.fixture(scope="module")
def held_out(sample: Covertype) -> NDArray[np.intp]:
    """Indices of rows that the forest has not been trained on: its own split, made again."""
    from sklearn.model_selection import train_test_split

    index = np.arange(len(sample))
    part: NDArray[np.intp] = train_test_split(index, test_size=0.2, random_state=42, stratify=sample.labels)[1]
    return part[:500]


def named(row: list[float]) -> dict[str, object]:
    """A row as a record, with names for the codes."""
    record: dict[str, object] = dict(zip(covertype.FIELDS, row, strict=True))
    record["Wilderness_Area"] = covertype.WILDERNESS_AREAS[int(row[10])]
    record["Soil_Type"] = covertype.SOIL_TYPES[int(row[11])]
    return record


def ask(server: ServerProcess, document: object, query: str = "") -> Reply:
    """Ask for a prediction."""
    client = Client(server)
    try:
        return client.ask("POST", f"/predict{query}", json.dumps(document).encode())
    finally:
        client.connection.close()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # the forest was fitted on a named frame
def test_predictions_equal_scikit_learns_own_on_held_out_rows(
    server: ServerProcess,
    registered: Any,  # noqa: ANN401
    held_out: NDArray[np.intp],
    sample: Covertype,
    matrix: NDArray[np.float32],
) -> None:
    """One row, many rows and named records all get what the forest itself says, probabilities to the last bit."""
    rows = sample.rows[held_out].tolist()
    labels = registered.predict(matrix[held_out]).tolist()
    probabilities = registered.predict_proba(matrix[held_out])

    many = ask(server, {"features": rows}, "?probabilities=true")
    assert many.status == 200
    assert many.headers["canopy-model"] == "BestModelRF/1"
    assert many.document["prediction"] == labels
    assert many.document["classes"] == registered.classes_.tolist()
    np.testing.assert_array_equal(np.array(many.document["probabilities"]), probabilities)

    assert ask(server, {"instances": [named(row) for row in rows]}).document == {"prediction": labels}
    for row, label in zip(rows[:25], labels, strict=False):
        assert ask(server, {"features": row}).document == {"prediction": [label]}


def test_the_index_names_the_model(server: ServerProcess) -> None:
    """Whoever opens the address sees what is served."""
    index = server.get("/")
    assert (index["status"], index["model"], index["engine"]) == ("ready", "BestModelRF/1", "compiled")


@pytest.mark.slow
def test_scikit_learns_engine_serves_the_same_bits(
    server: ServerProcess, store: Store, held_out: NDArray[np.intp], sample: Covertype
) -> None:
    """Asked for by its option, scikit-learn answers what the compiled forest answers, probabilities to the last bit."""
    document = {"features": sample.rows[held_out].tolist()}
    with serving(["--tracking-uri", store.tracking_uri, "--engine", "sklearn"]) as other:
        assert other.get("/")["engine"] == "sklearn"
        theirs = ask(other, document, "?probabilities=true")
    ours = ask(server, document, "?probabilities=true")
    assert theirs.status == ours.status == 200
    assert theirs.document == ours.document


LIBRARIES = {"sklearn", "pandas", "mlflow", "skops", "joblib", "scipy"}
"""What only the child has to import."""


def test_a_serving_process_has_mapped_no_library_of_training(server: ServerProcess) -> None:
    """Of all that has compiled modules, the process that serves has its own kernel in memory, but not scikit-learn."""
    mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "/forest/native/_kernel." in mapped
    assert [name for name in LIBRARIES if f"/{name}/" in mapped] == []


def test_serving_a_compiled_forest_imports_no_library_of_training(prepared: Prepared) -> None:
    """From the import of the worker to a prediction, neither MLflow nor scikit-learn nor what they need is imported."""
    script = f"""
from pathlib import Path
import numpy, preprocessing, registry.opening.engines, workers.serving.worker
columns = registry.Columns(preprocessing.PRESETS[0].schema)
made = registry.Prepared(registry.ModelVersion("Small", "3"), "compiled", Path(sys.argv[1]), columns)
rows = numpy.zeros((3, {len(covertype.COLUMNS)}), dtype=numpy.float32)
prediction = registry.opening.engines.open_engine(made).predict(rows)
assert prediction.labels.shape == (3,)
"""
    found = modules_after(script, [str(prepared.folder)])
    assert {"workers", "registry", "forest"} <= found
    assert found.isdisjoint(LIBRARIES)


def run(
    *options: str, environment: dict[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run the server to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "server.py"), *options],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], status: int, *parts: str) -> None:
    """The process ended with a status and one line that says why."""
    assert done.returncode == status, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    assert len(lines) == 1, lines
    for part in parts:
        assert part in lines[0]


def test_without_a_model_one_line_names_make_train(tmp_path: Path) -> None:
    """No store and no model: the remedy is to train one."""
    done = run("--port", "0", "--tracking-uri", f"sqlite:///{tmp_path / 'none.db'}")
    assert_one_line(done, 1, "make train")
    assert not (tmp_path / "none.db").exists()


def test_a_port_in_use_is_one_line(store: Store) -> None:
    """The line names the port and the setting that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("--port", port, "--tracking-uri", store.tracking_uri)
        assert_one_line(done, 1, port, "CANOPY_PORT", "in use")


@pytest.mark.parametrize(
    ("options", "environment", "key"),
    [
        pytest.param(["--port", "x"], {}, "--port", id="option"),
        pytest.param([], {"CANOPY_MAX_BATCH_ROWS": "0"}, "CANOPY_MAX_BATCH_ROWS", id="variable"),
        pytest.param([], {"CANOPY_MODEL_URI": "BestModelRF"}, "CANOPY_MODEL_URI", id="model-uri"),
        pytest.param(["--schema", "UCI"], {}, "--schema", id="schema"),
        pytest.param([], {"CANOPY_SCHEMA": "README.md"}, "CANOPY_SCHEMA: README.md", id="schema-of-a-file"),
        pytest.param([], {"MLFLOW_HTTP_REQUEST_TIMEOUT": "soon"}, "MLFLOW_HTTP_REQUEST_TIMEOUT", id="mlflows-variable"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_its_key(
    options: list[str], environment: dict[str, str], key: str
) -> None:
    """Status 2, before anything is started."""
    assert_one_line(run(*options, environment=environment), 2, key)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, which does not outlive the test."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_of_two_servers_started_at_once_on_one_port_one_ends(store: Store) -> None:
    """Whoever comes second says so and ends, even if neither serves yet."""
    with ExitStack() as stack:
        port = str(stack.enter_context(reserved_port()))
        command = [sys.executable, str(ROOT / "server.py"), "--port", port, "--tracking-uri", store.tracking_uri]
        one, other = (stack.enter_context(started(command)) for _ in range(2))
        until(lambda: one.poll() is not None or other.poll() is not None)
        loser, winner = (one, other) if one.poll() is not None else (other, one)
        assert loser.returncode == 1
        assert loser.stderr is not None
        assert "CANOPY_PORT" in loser.stderr.read()
        assert winner.poll() is None


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("a..b", id="no-name"),
        pytest.param("name.invalid", id="unknown"),
        pytest.param("192.0.2.1", id="other"),
    ],
)
def test_a_bad_host_is_one_line(store: Store, host: str) -> None:
    """The line names the host and its setting."""
    assert_one_line(run("--host", host, "--tracking-uri", store.tracking_uri), 1, host, "CANOPY_HOST")


def test_when_ready_it_prints_a_curl_that_works() -> None:
    """The log has the address and a request to paste; SIGTERM then ends the process with status 0."""
    with started([sys.executable, "-m", "tests.helpers.stub_server", "--port", "0"]) as process:
        assert process.stderr is not None
        curl = next(line for line in process.stderr if "curl" in line)
        address, body = curl.split()[2], curl.split("-d ")[1].strip().strip("'")
        url = httptools.parse_url(address.encode())
        with socket.create_connection((url.host.decode(), url.port)) as connection:
            head = (
                f"POST {url.path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            )
            connection.sendall(f"{head}\r\n{body}".encode())
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'{"prediction":[' in answer
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=AT_ONCE) == 0


SIGNALS = pytest.mark.parametrize(
    ("send", "number"),
    [
        pytest.param(os.kill, signal.SIGTERM, id="the-server"),
        # systemd signals all processes of a service.
        pytest.param(os.killpg, signal.SIGTERM, id="all-processes"),
        # So does a terminal.
        pytest.param(os.killpg, signal.SIGINT, id="ctrl-c"),
    ],
)


@SIGNALS
def test_a_signal_while_the_store_is_silent_ends_the_server(
    send: Callable[[int, int], None], number: signal.Signals
) -> None:
    """Stopped while it waits to be told which version to serve, it exits with 0 at once and quietly."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        store = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with started([sys.executable, str(ROOT / "server.py"), "--port", "0", "--tracking-uri", store]) as process:
            with silent.accept()[0]:
                send(process.pid, number)
                assert process.wait(timeout=AT_ONCE) == 0
            assert process.stderr is not None
            log = process.stderr.read()
    assert "ERROR" not in log
    assert "Traceback" not in log


@SIGNALS
def test_a_signal_while_the_model_is_prepared_ends_both_processes(
    store: Store, tmp_path: Path, send: Callable[[int, int], None], number: signal.Signals
) -> None:
    """Stopped while its child is at work, the server exits with 0 at once and quietly."""
    command = [sys.executable, str(ROOT / "server.py"), "--port", "0", "--tracking-uri", store.tracking_uri]
    command += ["--cache", str(tmp_path / "cache")]
    with started(command) as process:
        child = only_child(process)
        until(lambda: "/msgspec/" in Path(f"/proc/{child}/maps").read_text())
        send(process.pid, number)
        assert process.wait(timeout=AT_ONCE) == 0
        until(lambda: not lives(child))
        assert process.stderr is not None
        log = process.stderr.read()
        assert "ERROR" not in log
        assert "Traceback" not in log


def only_child(process: subprocess.Popen[str]) -> int:
    """The one child of a process, as soon as it is there."""
    until(lambda: bool(children(process.pid)))
    (child,) = children(process.pid)
    return child
