"""Overload: twice as many requests as a server can answer, from clients that do not wait for answers before they ask.

For each kind of server, h2load finds the capacity in a closed loop, then offers another of its kind, which has a
deadline, a multiple of that in an open loop; and so on in turns, for a virtual machine may be half as fast a minute
later. What is told is the round with the median goodput. (A header for the deadline would send the requests past the
hot path.) Meanwhile a few requests of our own look at the refusals: each must tell by Retry-After when to come back.
The server has one core and h2load another. All requests ask for the same row, because h2load knows only one body: it
stays in the caches of the processor, which flatters the compiled forest.
"""

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Final

import orjson

from dataset import load_sample
from loadtest.generators.closed_loop import encode_request
from loadtest.generators.h2load import MISSING, Responses, available, closed_loop, open_loop
from loadtest.generators.line import Answer, Line
from loadtest.system.machine import allow_connections, apart, pinned
from loadtest.system.options import Options
from loadtest.system.process import ServerProcess, serving

_MIXED: Final = ("--engine", "sklearn", "--max-batch-rows", "8", "--max-rows-per-request", "8")

SERVERS: Final[dict[str, tuple[str, ...]]] = {
    "engine-bound": ("--engine", "sklearn", "--batching", "off"),
    "mixed": _MIXED,
    "default": (),
}
"""Options of each server: of its CPU HTTP takes about a hundredth, a tenth, and most."""

_PAUSE: Final = 0.1
"""Seconds between two requests of our own."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server did; rates in requests a second, times in milliseconds.

    Attributes:
        clients: of the open loop.
        capacity: answers, in the closed loop.
        capacity_p50_ms: median latency there.
        capacity_p99_ms: 99th percentile there.
        asked: what the open loop was to offer.
        offered: what it did offer; less than asked if no client was free.
        goodput: answers of status 200.
        goodput_of_capacity: their share of the capacity.
        refused: answers of status 503.
        expired: answers of status 504.
        failed: any other, and those that did not come.
        answered_p50_ms: median latency of status 200.
        answered_p99_ms: 99th percentile of it.
        refused_p50_ms: median latency of status 503; NaN if there was none.
        refused_p99_ms: 99th percentile of it.
        cpu_percent: of one core, used by the server from the first request to the last one.
        own_refused: how many of our own requests got a 503.
        own_without_retry_after: how many of those did not say when to come back.
    """

    clients: int
    capacity: float
    capacity_p50_ms: float
    capacity_p99_ms: float
    asked: float
    offered: float
    goodput: float
    goodput_of_capacity: float
    refused: float
    expired: float
    failed: float
    answered_p50_ms: float
    answered_p99_ms: float
    refused_p50_ms: float
    refused_p99_ms: float
    cpu_percent: float
    own_refused: int
    own_without_retry_after: int


def figures(
    clients: int, asked: float, alone: Responses, crowded: Responses, cpu_percent: float, own: Sequence[Answer]
) -> Figures:
    """Work out the figures of a server.

    Args:
        clients: of the open loop.
        asked: requests a second that it was to offer.
        alone: the closed loop's responses.
        crowded: the open loop's.
        cpu_percent: of one core, in the open loop.
        own: the answers to our own requests meanwhile.
    """
    capacity, goodput = alone.rate(200), crowded.rate(200)
    refused, expired = crowded.rate(503), crowded.rate(504)
    offered = len(crowded.sent) / crowded.seconds
    refusals = [answer for answer in own if answer.status == 503]
    return Figures(
        clients=clients,
        capacity=capacity,
        capacity_p50_ms=alone.latency_ms(200, 50),
        capacity_p99_ms=alone.latency_ms(200, 99),
        asked=asked,
        offered=offered,
        goodput=goodput,
        goodput_of_capacity=goodput / capacity if capacity else math.nan,
        refused=refused,
        expired=expired,
        failed=crowded.rate(*(set(crowded.status.tolist()) - {200, 503, 504})),
        answered_p50_ms=crowded.latency_ms(200, 50),
        answered_p99_ms=crowded.latency_ms(200, 99),
        refused_p50_ms=crowded.latency_ms(503, 50),
        refused_p99_ms=crowded.latency_ms(503, 99),
        cpu_percent=cpu_percent,
        own_refused=len(refusals),
        own_without_retry_after=sum(b"retry-after" not in answer.headers for answer in refusals),
    )


async def overload(server: ServerProcess, alone: Responses, args: argparse.Namespace) -> Figures:
    """Offer a server more than it can answer.

    Args:
        server: one with a deadline.
        alone: what one of its kind answered in a closed loop.
        args: of the command line.

    Raises:
        RuntimeError: h2load failed.
    """
    asked = args.factor * alone.rate(200)
    # Those that wait take a client each for up to the deadline; as many again are free to ask and be refused.
    clients = min(args.most_clients, max(args.clients, math.ceil(asked * args.deadline_ms / 1000)))
    cpu, began = server.cpu_seconds(), time.monotonic()
    own: list[Answer] = []
    asking = asyncio.create_task(ask_along(server, own))
    crowded = await asyncio.to_thread(open_loop, server, body(), clients, asked, args.seconds)
    asking.cancel()
    cpu_percent = 100 * (server.cpu_seconds() - cpu) / (time.monotonic() - began)
    return figures(clients, asked, alone, crowded, cpu_percent, own)


def round_of(patient: ServerProcess, strict: ServerProcess, args: argparse.Namespace) -> Figures:
    """Find the capacity of one server, and overload one that is the same but for its deadline.

    Raises:
        RuntimeError: h2load failed.
    """
    alone = closed_loop(patient, body(), args.clients, args.seconds)
    return asyncio.run(overload(strict, alone, args))


def middle(rounds: Sequence[Figures]) -> Figures:
    """The round with the median goodput, as a share of the capacity."""
    return sorted(rounds, key=lambda row: row.goodput_of_capacity)[len(rounds) // 2]


def body() -> bytes:
    """What every request asks."""
    return orjson.dumps({"features": load_sample().rows[0].tolist()})


async def ask_along(server: ServerProcess, answers: list[Answer]) -> None:
    """Ask now and then until cancelled, each time on a new connection."""
    request = encode_request(server.host, load_sample().rows[0].tolist())
    while True:
        async with Line(server.host, server.port) as line:
            answers.append(await line.ask(request))
        await asyncio.sleep(_PAUSE)


@contextmanager
def started(options: Sequence[str]) -> Iterator[ServerProcess]:
    """A server on a core of its own; what is started meanwhile runs on another."""
    server_core, load_core = apart(server=1, load=1)
    with ExitStack() as stack:
        with pinned(server_core):
            server = stack.enter_context(serving(options))
        stack.enter_context(pinned(load_core))
        yield server


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.overload") -> int:
    """Run the command line.

    The exit status is 1 if a request failed, none was answered or a 503 lacks Retry-After, and 2 without h2load.
    """
    parser = Options(prog, __doc__)
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), help="servers to overload")
    parser.rounds(5, 5, "of a closed loop and an open one", "counted seconds of each loop")
    parser.add_argument("--clients", type=int, default=256, help="clients of the closed loop")
    parser.add_argument("--most-clients", type=int, default=8000, help="most clients of the open loop")
    parser.add_argument("--factor", type=float, default=2, help="what is offered, as a multiple of the capacity")
    parser.add_argument("--deadline-ms", type=float, default=250, help="deadline of the server in the open loop")
    parser.results()
    parser.server_options()
    args = parser.parse_args(arguments)
    if not available():
        sys.stderr.write(MISSING)
        return 2
    try:
        allow_connections(args.most_clients)
    except RuntimeError as error:
        parser.error(str(error))
    rounds: dict[str, list[Figures]] = {}
    for name in args.servers:
        sys.stderr.write(f"overloading {name}\n")
        options = [*SERVERS[name], *args.server_options]
        with started(options) as patient, started([*options, "--deadline-ms", f"{args.deadline_ms:g}"]) as strict:
            rounds[name] = [round_of(patient, strict, args) for _ in range(args.rounds)]
    found = {
        name: sorted(each, key=lambda row: row.goodput_of_capacity)[len(each) // 2] for name, each in rounds.items()
    }
    sys.stdout.write(_table(found))
    if args.json:
        servers = {name: [asdict(row) for row in each] for name, each in rounds.items()}
        document = {"arguments": vars(args) | {"json": str(args.json)}, "servers": servers}
        args.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    every = [row for each in rounds.values() for row in each]
    return int(any(row.failed or row.own_without_retry_after or not row.goodput for row in every))


def _table(found: dict[str, Figures]) -> str:
    lines = [f"{'':<26}" + "".join(f"{name:>14}" for name in found)]
    for each in fields(Figures):
        digits = 0 if each.type is int else 2 if each.name == "goodput_of_capacity" else 1
        cells = (f"{getattr(row, each.name):>14,.{digits}f}" for row in found.values())
        lines.append(f"{each.name.replace('_', ' '):<26}" + "".join(cells))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
