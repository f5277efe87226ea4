"""Compare batched with unbatched serving: two servers that differ in nothing else, one closed-loop crowd, in turns."""

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import uvloop

from dataset import load_sample
from loadtest.closed_loop import encode_request, run_crowd
from loadtest.process import ServerProcess, serving

MODES: Final = ("on", "off")


@dataclass(slots=True)
class Measured:
    """Each round's figures of one mode, times in seconds."""

    rates: list[float] = field(default_factory=list)
    cpu_per_request: list[float] = field(default_factory=list)
    rows_per_batch: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    peak_memory_mb: float = 0.0

    def summary(self) -> dict[str, Any]:
        """What a person wants to know; times in milliseconds, CPU in microseconds."""
        times = np.array(self.latencies or [np.nan]) * 1000
        return {
            "requests_per_second": statistics.median(self.rates),
            "mean_ms": float(times.mean()),
            **{f"p{q}_ms": float(np.percentile(times, q)) for q in (50, 95, 99)},
            "max_ms": float(times.max()),
            "failures": self.failures.total(),
            "cpu_us_per_request": statistics.median(self.cpu_per_request) * 1e6,
            "rows_per_batch": statistics.median(self.rows_per_batch),
            "peak_memory_mb": self.peak_memory_mb,
        }


def measure(server: ServerProcess, requests: Sequence[bytes], args: argparse.Namespace, into: Measured) -> None:
    """Run one round against one server."""
    before, cpu = server.get("/stats")["batcher"], server.cpu_seconds()
    tally = uvloop.run(
        run_crowd(server.host, server.port, requests, users=args.users, seconds=args.seconds, warm_up=args.warm_up)
    )
    after, cpu = server.get("/stats")["batcher"], server.cpu_seconds() - cpu
    into.rates.append(tally.answered / tally.seconds)
    into.latencies += tally.latencies
    into.failures += tally.failures
    into.cpu_per_request.append(cpu / max(1, after["answered"] - before["answered"]))
    batches = max(1, after["batches"] - before["batches"])
    into.rows_per_batch.append((after["batched_rows"] - before["batched_rows"]) / batches)
    into.peak_memory_mb = server.peak_memory_mb()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 1 if any request failed, or none was answered."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.compare", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--users", type=int, default=1000, help="connections, each with one request under way")
    parser.add_argument("--seconds", type=float, default=10, help="counted seconds of a round")
    parser.add_argument("--warm-up", type=float, default=3, help="seconds before counting starts, in each round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each mode, in turns")
    parser.add_argument("--json", metavar="FILE", help="write every figure there")
    parser.add_argument("server_options", nargs="*", help="options of server.py for both modes, behind --")
    args = parser.parse_args(arguments)

    rows = load_sample().rows
    measured = {mode: Measured() for mode in MODES}
    with ExitStack() as stack:
        servers = {mode: stack.enter_context(serving(["--batching", mode, *args.server_options])) for mode in MODES}
        requests = [encode_request(servers["on"].host, row) for row in rows.tolist()]
        for turn in range(args.rounds):
            for mode in MODES:
                sys.stderr.write(f"round {turn + 1} of {args.rounds}, batching {mode}\n")
                measure(servers[mode], requests, args, measured[mode])
        state = servers["on"].get("/")
    summaries = {mode: measured[mode].summary() for mode in MODES}
    sys.stdout.write(_table(f"{args.users} users, {state['model']}, engine {state['engine']}", summaries))
    for mode in MODES:
        for reason, count in measured[mode].failures.items():
            sys.stdout.write(f"batching {mode}: {count} x {reason}\n")
    if args.json:
        figures = {mode: {"summary": summaries[mode], "rates": measured[mode].rates} for mode in MODES}
        document = {"arguments": vars(args), "modes": figures}
        Path(args.json).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return int(any(summary["failures"] or not summary["requests_per_second"] for summary in summaries.values()))


def _table(title: str, summaries: dict[str, dict[str, Any]]) -> str:
    batched, unbatched = (summaries[mode] for mode in MODES)
    lines = [title, f"{'':<22}{'batched':>12}{'unbatched':>12}{'ratio':>9}"]
    for key, value in batched.items():
        other = unbatched[key]
        ratio = f"{value / other:9.2f}" if other else ""
        lines.append(f"{key.replace('_', ' '):<22}{value:12.1f}{other:12.1f}{ratio}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
