"""What a request costs the server, by connections, format and rows: wrk or h2load on one core, the server on another.

Each request has another row of the bundled sample: one row asked over and over would leave its paths through the trees
in the processor's caches and flatter the server.
"""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import orjson

from dataset import load_sample
from loadtest.generators.formats import FORMATS, Message, Rows, grpc_message
from loadtest.system.machine import allow_connections, apart, pinned
from loadtest.system.options import Options
from loadtest.system.process import ServerProcess, serving

HTTP: Final = ("hot", "asgi")
"""The server's ways of HTTP."""

GRPC: Final = "grpc"
"""Stands among the formats for the protocol that wrk does not speak."""

MODEL_INFER: Final = "/inference.GRPCInferenceService/ModelInfer"
"""Where predictions are asked for over gRPC."""

_SCRIPT: Final = """
local bodies = {BODIES}
local requests, at = {}, 0
function init(_)
  for i, body in ipairs(bodies) do
    requests[i] = wrk.format("POST", "TARGET", body[2], body[1])
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"""
_PER_SCRIPT: Final = 20_000
"""Rows that a script asks for before it begins again."""

_DIGITS: Final = (1, 1, 0, 2, 1, 0)
"""After the point, of each figure of ``Cost.summary``."""

_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(slots=True)
class Cost:
    """Each round's figures for one way to ask.

    Attributes:
        cpu: seconds of the server's CPU a request.
        engine: seconds of them in the engine's calls.
        rate: requests a second.
        median: seconds.
        p99: seconds.
        failures: requests without a right answer in time, all rounds together.
    """

    cpu: list[float] = field(default_factory=list)
    engine: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    failures: int = 0

    def summary(self) -> dict[str, float]:
        """The medians of the rounds; times in milliseconds, CPU in microseconds."""
        return {
            "cpu_us": statistics.median(self.cpu) * 1e6,
            "engine_us": statistics.median(self.engine) * 1e6,
            "requests_per_second": statistics.median(self.rate),
            "median_ms": statistics.median(self.median) * 1e3,
            "p99_ms": statistics.median(self.p99) * 1e3,
            "failures": self.failures,
        }


class Way(NamedTuple):
    """A way to ask.

    Attributes:
        http: the server's way of HTTP.
        format: a name in ``FORMATS``, or GRPC.
        rows: of a request.
    """

    http: str
    format: str
    rows: int

    def __str__(self) -> str:
        return f"{self.http} {self.format}, {self.rows} rows" if self.rows > 1 else f"{self.http} {self.format}"


def measure(server: ServerProcess, way: Way, script: Path, connections: int, seconds: float, into: Cost) -> None:
    """Let a generator ask for a while.

    Raises:
        RuntimeError: it failed.
    """
    cpu, (calls, answered) = server.cpu_seconds(), _engine(server)
    generate = _h2load if way.format == GRPC else _wrk
    generate(server, script, connections, seconds, into)
    after, total = _engine(server)
    requests = total - answered
    into.cpu.append((server.cpu_seconds() - cpu) / max(1, requests))
    into.engine.append((after - calls) / max(1, requests))


def _engine(server: ServerProcess) -> tuple[float, int]:
    """Seconds that the engine's calls took, and the requests that it answered."""
    stats = server.get("/stats")
    calls = stats["inference_duration_seconds"]
    return calls["count"] * (calls["mean"] or 0), stats["batcher"]["answered"]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - found in PATH
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")
    return done.stdout


def _wrk(server: ServerProcess, script: Path, connections: int, seconds: float, into: Cost) -> None:
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(script)]
    output = _run([*command, f"http://{server.host}:{server.port}"])
    found = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", output)
    if found is None:
        raise RuntimeError(f"wrk said {output}")
    into.rate.append(int(found[1]) / (float(found[2]) * _SECONDS[found[3]]))
    into.median.append(_latency(output, "50"))
    into.p99.append(_latency(output, "99"))
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    into.failures += sum(map(int, errors.groups())) if errors else 0
    into.failures += int(refused[1]) if refused else 0


def _h2load(server: ServerProcess, body: Path, connections: int, seconds: float, into: Cost) -> None:
    """Ask for the same rows again and again; gRPC's own status, which h2load does not read, the server has counted."""
    state = server.get("/")
    before = server.get("/stats")["requests"].get(MODEL_INFER, {})
    headers = [part for header in ("content-type: application/grpc", "te: trailers") for part in ("-H", header)]
    command = ["h2load", "-t1", f"-c{connections}", "-m1", f"-D{seconds:g}", "-d", str(body), *headers]
    output = _run([*command, f"http://{server.host}:{state['grpc_port']}{MODEL_INFER}"])
    after = server.get("/stats")["requests"].get(MODEL_INFER, {})
    counts = {code: count - before.get(code, 0) for code, count in after.items()}
    into.rate.append(counts.get("200", 0) / seconds)
    into.failures += sum(count for code, count in counts.items() if code != "200")
    mean = re.search(r"time for request:\s+\S+\s+(?P<most>[\d.]+)(?P<most_unit>us|ms|s)\s+([\d.]+)(us|ms|s)", output)
    # h2load tells the mean and the greatest only.
    into.median.append(float(mean[3]) * _SECONDS[mean[4]] if mean else float("nan"))
    into.p99.append(float(mean["most"]) * _SECONDS[mean["most_unit"]] if mean else float("nan"))


def _latency(output: str, percentile: str) -> float:
    """A percentile of wrk's, in seconds."""
    found = re.search(rf"\s{percentile}%\s+([\d.]+)(us|ms|s|m)", output)
    return float(found[1]) * _SECONDS[found[2]] if found else float("nan")


def write_script(path: Path, way: Way, model: str, rows: Rows) -> None:
    """Write what makes a generator ask: for wrk a script that asks for different rows in turn, for h2load a body.

    Args:
        path: where.
        way: the way to ask.
        model: the name of the model.
        rows: of the sample.
    """
    if way.format == GRPC:
        path.write_bytes(grpc_message(model, rows[: way.rows]))
        return
    target, message = FORMATS[way.format]
    parts = [rows[start : start + way.rows] for start in range(0, min(len(rows), _PER_SCRIPT) - way.rows + 1, way.rows)]
    bodies = ",\n".join(_lua(message(part)) for part in parts)
    path.write_text(_SCRIPT.replace("TARGET", target.replace("{model}", quote(model))).replace("BODIES", bodies))


def _lua(message: Message) -> str:
    """A request as a table in Lua: its body, whose every byte is escaped that could mean something, and its headers."""
    body = re.sub(rb'[^ -~]|["\\\\]', lambda found: b"\\%03d" % found[0][0], message.body).decode()
    headers = ", ".join(f'["{name}"] = "{value}"' for name, value in message.headers.items())
    return f'{{"{body}", {{{headers}}}}}'


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.http_cost") -> int:
    """Run the command line; the exit status is 1 if a request failed, 2 if wrk or h2load is missing."""
    parser = Options(prog, __doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 64, 256, 1000, 9000], metavar="N")
    parser.add_argument("--http", nargs="+", choices=HTTP, default=[*HTTP], help="the server's ways of HTTP")
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=[*FORMATS, GRPC],
        default=["predict"],
        help="formats of requests, to be compared",
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1], metavar="N", help="rows of a request")
    parser.rounds(3, 5, "of each way and number of connections, in turns")
    parser.results()
    parser.server_options()
    args = parser.parse_args(arguments)
    for program, package in (("wrk", "wrk"), *([("h2load", "nghttp2-client")] if GRPC in args.formats else [])):
        if shutil.which(program) is None:
            sys.stderr.write(f"{program} was not found: install it (Debian: apt-get install {package})\n")
            return 2

    try:
        allow_connections(max(args.connections))
    except RuntimeError as error:
        parser.error(str(error))
    ways = [Way(http, each, rows) for rows in args.rows for each in args.formats for http in _ways(each, args.http)]
    costs = {(count, way): Cost() for count in args.connections for way in ways}
    server_core, load_core = apart(server=1, load=1)
    options = [*args.server_options, *(["--grpc-port", "0"] if GRPC in args.formats else [])]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with pinned(server_core):
            kinds = dict.fromkeys(way.http for way in ways)
            servers = {http: stack.enter_context(serving(["--http", http, *options])) for http in kinds}
        stack.enter_context(pinned(load_core))
        state = next(iter(servers.values())).get("/")
        scripts = {way: folder / str(number) for number, way in enumerate(ways)}
        for way, script in scripts.items():
            write_script(script, way, state["model"].rpartition("/")[0], load_sample().rows.tolist())
        for count in args.connections:
            for way in ways:
                measure(servers[way.http], way, scripts[way], count, 1, Cost())  # a warm-up, not counted
            for turn in range(args.rounds):
                for way in ways:
                    sys.stderr.write(f"{count} connections, {way}, round {turn + 1} of {args.rounds}\n")
                    measure(servers[way.http], way, scripts[way], count, args.seconds, costs[count, way])
        memory = {http: server.peak_memory_mb() for http, server in servers.items()}
    sys.stdout.write(f"{state['model']}, engine {state['engine']}\n{_table(costs)}")
    for http, megabytes in memory.items():
        sys.stdout.write(f"peak memory {http}: {megabytes:.0f} MB\n")
    if args.json:
        figures: list[dict[str, Any]] = [
            {"connections": count, **way._asdict(), **cost.summary(), "cpu": cost.cpu, "rate": cost.rate}
            for (count, way), cost in costs.items()
        ]
        document = {"arguments": vars(args) | {"json": str(args.json)}, "memory_mb": memory, "figures": figures}
        args.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return int(any(cost.failures for cost in costs.values()))


def _ways(name: str, http: Sequence[str]) -> Sequence[str]:
    """The ways of HTTP in which a format is asked: gRPC has none of them, and one server will do."""
    return http[:1] if name == GRPC else http


def _table(costs: dict[tuple[int, Way], Cost]) -> str:
    columns = ["connections", "way", "CPU us", "engine us", "requests/s", "median ms", "p99 ms", "failures"]
    lines = ["".join(f"{column:>{32 if column == 'way' else 12}}" for column in columns)]
    for (count, way), cost in costs.items():
        figures = "".join(
            f"{value:>12,.{digits}f}" for value, digits in zip(cost.summary().values(), _DIGITS, strict=True)
        )
        lines.append(f"{count:>12,}{way!s:>32}{figures}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
