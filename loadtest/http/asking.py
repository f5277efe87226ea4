"""One round of a server: what it did while a generator asked."""

import re
import subprocess
import time
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.generators import wrk
from loadtest.generators.wrk import Asked
from loadtest.http.nginx import Nginx
from loadtest.http.sharing import spread
from loadtest.http.way import GRPC, Question
from loadtest.system.cpu_time import cpu_time
from loadtest.system.process import ServerProcess

MODEL_INFER: Final = "/inference.GRPCInferenceService/ModelInfer"
"""Where predictions are asked for over gRPC."""

_SETTLING: Final = 0.2
"""Seconds after a generator has ended: what its last connections cost belongs to the round."""

_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class Did(NamedTuple):
    """What a server did in a round.

    Attributes:
        cpu: seconds of CPU a request.
        engine: seconds a request in the engine's calls.
        batch: mean rows of such a call.
        spread: connections of each worker, halfway.
        asked: what the generator found.
    """

    cpu: float
    engine: float
    batch: float
    spread: list[int]
    asked: Asked


class _Counters(NamedTuple):
    """Since the server started: seconds in the engine's calls, their number, their rows, and requests answered."""

    engine: float
    calls: int
    rows: int
    answered: int


def ask_canopy(server: ServerProcess, question: Question, script: Path, connections: int, seconds: float) -> Did:
    """Let a generator ask for a while.

    Raises:
        RuntimeError: it failed.
    """
    before, pids = _counters(server), server.processes()
    start = cpu_time(pids)
    with spread(server, seconds / 2) as connected:
        if question.format == GRPC:
            asked = _h2load(server, script, connections, seconds)
        else:
            asked = wrk.ask(f"{server.host}:{server.port}", script, connections, seconds)
    time.sleep(_SETTLING)
    spent, after = cpu_time(pids) - start, _counters(server)
    requests, calls = max(1, after.answered - before.answered), max(1, after.calls - before.calls)
    engine, batch = (after.engine - before.engine) / requests, (after.rows - before.rows) / calls
    return Did(spent / requests, engine, batch, connected, asked)


def ask_nginx(server: Nginx, script: Path, connections: int, seconds: float) -> float:
    """The same for nginx; returns seconds of CPU a request.

    Raises:
        RuntimeError: wrk failed, or a request did: what is left would be no floor.
    """
    before = server.answered()
    start = server.cpu_time()
    asked = wrk.ask(f"{server.host}:{server.port}", script, connections, seconds)
    time.sleep(_SETTLING)
    spent = server.cpu_time() - start
    if asked.failures:
        raise RuntimeError(f"nginx failed on {asked.failures:,} requests of {connections:,} connections")
    return spent / max(1, server.answered() - 1 - before)


def _counters(server: ServerProcess) -> _Counters:
    stats = server.get("/stats")
    calls, batcher = stats["inference_duration_seconds"], stats["batcher"]
    return _Counters(
        calls["count"] * (calls["mean"] or 0), calls["count"], batcher["batched_rows"], batcher["answered"]
    )


def _h2load(server: ServerProcess, body: Path, connections: int, seconds: float) -> Asked:
    """Ask for the same rows again and again; gRPC's own status, which h2load does not read, the server has counted."""
    state = server.get("/")
    before = server.get("/stats")["requests"].get(MODEL_INFER, {})
    headers = [part for header in ("content-type: application/grpc", "te: trailers") for part in ("-H", header)]
    command = ["h2load", "-t1", f"-c{connections}", "-m1", f"-D{seconds:g}", "-d", str(body), *headers]
    command.append(f"http://{server.host}:{state['grpc_port']}{MODEL_INFER}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - found in PATH
    if done.returncode:
        raise RuntimeError(f"h2load failed: {done.stderr or done.stdout}")
    after = server.get("/stats")["requests"].get(MODEL_INFER, {})
    counts = {code: count - before.get(code, 0) for code, count in after.items()}
    line = r"time for request:\s+\S+\s+(?P<most>[\d.]+)(?P<most_unit>us|ms|s)\s+([\d.]+)(us|ms|s)"
    # h2load tells the mean and the greatest only.
    mean = re.search(line, done.stdout)
    return Asked(
        counts.get("200", 0) / seconds,
        float(mean[3]) * _SECONDS[mean[4]] if mean else float("nan"),
        float(mean["most"]) * _SECONDS[mean["most_unit"]] if mean else float("nan"),
        sum(count for code, count in counts.items() if code != "200"),
    )
