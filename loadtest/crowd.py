"""The resource question: a server within a CPU and memory limit, and a crowd of Locust's users that asks it.

The crowd runs on the same machine: apart from the server where there are more than two cores, else beside it.
"""

import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from loadtest.locust.generator import PROFILES, Crowd, CrowdMeasurement, Figures, measure
from loadtest.system.budget import DoesNotFit, Usage, budget
from loadtest.system.cgroup import NoControlGroups
from loadtest.system.machine import allow_connections, apart, pinned
from loadtest.system.netstat import AcceptQueue, accept_queue
from loadtest.system.options import Options
from loadtest.system.process import serving


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that one run showed.

    Attributes:
        model: name and version of the model in service.
        measured: what the crowd saw.
        usage: what the server used of its limits.
        refused: what all listening sockets of the machine lost meanwhile.
        status: the server's exit status, if it did not live to the end.
    """

    model: str
    measured: CrowdMeasurement
    usage: Usage
    refused: AcceptQueue
    status: int | None

    @property
    def passed(self) -> bool:
        """Whether the server lived, and answered every request rightly."""
        whole = self.measured.whole
        return self.status is None and whole.requests > 0 and whole.failures == 0


def visit(
    crowd: Crowd,
    cpu: float,
    memory_mib: float,
    *,
    server_options: Sequence[str] = (),
    locust_options: Sequence[str] = (),
) -> Outcome:
    """Start a server, put it within its limits as soon as it is ready, and let a crowd ask it.

    Args:
        crowd: who asks; its host does not matter.
        cpu: limit in cores, of the server and all its processes together.
        memory_mib: likewise, in MiB.
        server_options: of ``server.py``.
        locust_options: of Locust and the locustfile.

    Raises:
        NoControlGroups: there can be no limits here.
        DoesNotFit: the server holds more memory at rest.
        RuntimeError: the server did not become ready, or Locust failed.
    """
    of_server, of_crowd = apart(server=math.ceil(cpu), load=crowd.processes)
    with ExitStack() as stack:
        limit = stack.enter_context(budget(cpu, memory_mib))
        with pinned(of_server):
            server = stack.enter_context(serving(server_options, ready_within=120, admit=limit.admit))
        stack.enter_context(pinned(of_crowd))
        model = server.get("/")["model"]
        limit.enforce()
        before = accept_queue()
        measured = measure(replace(crowd, host=f"http://{server.host}:{server.port}"), *locust_options)
        return Outcome(model, measured, limit.usage(), accept_queue() - before, server.process.poll())


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.crowd") -> int:
    """Run the command line; the exit status is 1 if a request failed, 2 if there was no run."""
    parser = Options(prog, __doc__)
    parser.limits(0.5, 256, "the server and all its processes together")
    parser.add_argument("--users", type=int, default=10_000, help="most users at a time")
    parser.crowd(PROFILES, time="2m")
    parser.add_argument("--expected", help="labels to expect of CoverUser's rows: [NAME/VERSION=]FILE")
    parser.results()
    parser.server_options()
    args = parser.parse_args(arguments)

    try:
        allow_connections(args.users)
        crowd = Crowd("", args.users, args.rate, args.time, args.profile, args.processes)
        expected = ["--expected", args.expected] if args.expected else []
        outcome = visit(crowd, args.cpu, args.memory, server_options=args.server_options, locust_options=expected)
    except (NoControlGroups, DoesNotFit, RuntimeError) as error:
        sys.stderr.write(f"crowd: {error}\n")
        return 2
    sys.stdout.write(f"{args.profile}, {outcome.model}, {args.time}\n{table(outcome, args.cpu, args.memory)}")
    if args.json:
        document = {"arguments": vars(args) | {"json": str(args.json)}, **asdict(outcome)}
        args.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return int(not outcome.passed)


def table(outcome: Outcome, cpu: float, memory_mib: float) -> str:
    """The figures for people."""
    measured, usage = outcome.measured, outcome.usage
    columns = ["", "users", "requests", "requests/s", "failures", "mean ms", "median", "p95", "p99", "max"]
    rows = [columns, _row("whole run", measured.users, measured.whole)]
    if measured.gathered is not None:
        rows.append(_row("after the ramp", measured.users, measured.gathered))
    lines = [f"{row[0]:<16}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows]
    peak = "unknown" if usage.peak_memory_mib is None else f"{usage.peak_memory_mib:.0f} MiB"
    lines += [
        f"CPU: limit {cpu:g}, used {usage.cpu_seconds / max(1, measured.whole.seconds):.3f}"
        f" ({usage.cpu_seconds:.1f} s, {usage.cpu_seconds / max(1, measured.whole.requests) * 1e6:.0f} us a request),"
        f" throttled in {usage.throttled_share:.0%} of {usage.periods} periods ({usage.throttled_seconds:.1f} s)",
        f"memory: limit {memory_mib:g} MiB, peak {peak}, out-of-memory kills {usage.oom_kills}",
        f"accept queue: overflows {outcome.refused.overflows}, drops {outcome.refused.drops}",
    ]
    if outcome.status is not None:
        lines.append(f"the server ended with status {outcome.status}")
    lines += [f"{count} x {reason}" for reason, count in measured.reasons.items()]
    return "\n".join(lines) + "\n"


def _row(name: str, users: int, figures: Figures) -> list[str]:
    times: list[Any] = [figures.mean, figures.median, figures.p95, figures.p99, figures.max]
    counts = [f"{users:,}", f"{figures.requests:,}", f"{figures.rate:,.0f}", f"{figures.failures:,}"]
    return [name, *counts, *(f"{value:,.0f}" for value in times)]


if __name__ == "__main__":
    sys.exit(main())
