"""What a request costs the server, by connections: wrk on one core, the server on another, both ways of HTTP in turns.

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
from typing import Any, Final

import orjson

from dataset import load_sample
from loadtest.system.machine import allow_connections, apart, pinned
from loadtest.system.options import Options
from loadtest.system.process import ServerProcess, serving

WAYS: Final = {
    "hot": ("hot", ""),
    "asgi": ("asgi", ""),
    "hot-probabilities": ("hot", "?probabilities=true"),
    "asgi-probabilities": ("asgi", "?probabilities=true"),
}
"""A way to ask → the server's way of HTTP, and the query of the target."""

_SCRIPT: Final = """
local bodies = {BODIES}
local requests, at = {}, 0
function init(_)
  for i, body in ipairs(bodies) do
    requests[i] = wrk.format("POST", "/predictQUERY", {["Content-Type"] = "application/json"}, body)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"""
_DIGITS: Final = (1, 0, 2, 1, 0)
"""After the point, of each figure of ``Cost.summary``."""

_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(slots=True)
class Cost:
    """Each round's figures for one way and one number of connections.

    Attributes:
        cpu: seconds of the server's CPU a request.
        rate: requests a second.
        median: seconds.
        p99: seconds.
        failures: requests without a right answer in time, all rounds together.
    """

    cpu: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    failures: int = 0

    def summary(self) -> dict[str, float]:
        """The medians of the rounds; times in milliseconds, CPU in microseconds."""
        return {
            "cpu_us": statistics.median(self.cpu) * 1e6,
            "requests_per_second": statistics.median(self.rate),
            "median_ms": statistics.median(self.median) * 1e3,
            "p99_ms": statistics.median(self.p99) * 1e3,
            "failures": self.failures,
        }


def measure(server: ServerProcess, script: Path, connections: int, seconds: float, into: Cost) -> None:
    """Let wrk ask for a while.

    Raises:
        RuntimeError: wrk failed.
    """
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(script)]
    before = server.cpu_seconds()
    done = subprocess.run(  # noqa: S603 - wrk, found in PATH
        [*command, f"http://{server.host}:{server.port}"], capture_output=True, text=True, check=False
    )
    cpu = server.cpu_seconds() - before
    found = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"wrk failed: {done.stderr or done.stdout}")
    requests = int(found[1])
    into.rate.append(requests / (float(found[2]) * _SECONDS[found[3]]))
    into.cpu.append(cpu / max(1, requests))
    into.median.append(_latency(done.stdout, "50"))
    into.p99.append(_latency(done.stdout, "99"))
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    into.failures += sum(map(int, errors.groups())) if errors else 0
    into.failures += int(refused[1]) if refused else 0


def _latency(output: str, percentile: str) -> float:
    """A percentile of wrk's, in seconds."""
    found = re.search(rf"\s{percentile}%\s+([\d.]+)(us|ms|s|m)", output)
    return float(found[1]) * _SECONDS[found[2]] if found else float("nan")


def write_script(path: Path, rows: Sequence[Sequence[float]], query: str = "") -> None:
    """Write the script that makes wrk ask for each row in turn, with a query behind the path."""
    bodies = (orjson.dumps({"features": [int(v) if v == int(v) else v for v in row]}).decode() for row in rows)
    path.write_text(_SCRIPT.replace("QUERY", query).replace("BODIES", ",\n".join(f"'{body}'" for body in bodies)))


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.http_cost") -> int:
    """Run the command line; the exit status is 1 if a request failed, 2 if wrk is missing."""
    parser = Options(prog, __doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 64, 256, 1000, 9000], metavar="N")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["hot", "asgi"], help="ways to ask, to be compared")
    parser.rounds(3, 5, "of each way and number of connections, in turns")
    parser.results()
    parser.server_options()
    args = parser.parse_args(arguments)
    if shutil.which("wrk") is None:
        sys.stderr.write("wrk was not found: install it (Debian: apt-get install wrk)\n")
        return 2

    try:
        allow_connections(max(args.connections))
    except RuntimeError as error:
        parser.error(str(error))
    costs = {(count, way): Cost() for count in args.connections for way in args.ways}
    server_core, load_core = apart(server=1, load=1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for way in args.ways:
            write_script(folder / way, load_sample().rows.tolist(), WAYS[way][1])
        with pinned(server_core):
            kinds = dict.fromkeys(WAYS[way][0] for way in args.ways)
            servers = {http: stack.enter_context(serving(["--http", http, *args.server_options])) for http in kinds}
        stack.enter_context(pinned(load_core))
        for count in args.connections:
            for way in args.ways:
                measure(servers[WAYS[way][0]], folder / way, count, 1, Cost())  # a warm-up, not counted
            for turn in range(args.rounds):
                for way in args.ways:
                    sys.stderr.write(f"{count} connections, {way}, round {turn + 1} of {args.rounds}\n")
                    measure(servers[WAYS[way][0]], folder / way, count, args.seconds, costs[count, way])
        state = next(iter(servers.values())).get("/")
        memory = {http: server.peak_memory_mb() for http, server in servers.items()}
    sys.stdout.write(f"{state['model']}, engine {state['engine']}\n{_table(costs)}")
    for http, megabytes in memory.items():
        sys.stdout.write(f"peak memory {http}: {megabytes:.0f} MB\n")
    if args.json:
        figures: list[dict[str, Any]] = [
            {"connections": count, "way": way, **cost.summary(), "cpu": cost.cpu, "rate": cost.rate}
            for (count, way), cost in costs.items()
        ]
        document = {"arguments": vars(args) | {"json": str(args.json)}, "memory_mb": memory, "figures": figures}
        args.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return int(any(cost.failures for cost in costs.values()))


def _table(costs: dict[tuple[int, str], Cost]) -> str:
    columns = ["connections", "way", "CPU us", "requests/s", "median ms", "p99 ms", "failures"]
    lines = ["".join(f"{column:>{20 if column == 'way' else 12}}" for column in columns)]
    for (count, way), cost in costs.items():
        figures = "".join(
            f"{value:>12,.{digits}f}" for value, digits in zip(cost.summary().values(), _DIGITS, strict=True)
        )
        lines.append(f"{count:>12,}{way:>20}{figures}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
