"""What a request costs the server, by connections, format, rows and workers, beside nginx's constant and the forest.

wrk or h2load asks on one core, all servers are on the other. Each request has another row of the bundled sample: one
row asked over and over would leave its paths through the trees in the processor's caches and flatter the server.

The floor is what no server on this machine could do without: nginx, with one worker on the same core, which answers
the same requests with the same body and headers and computes nothing, and the compiled forest's own time for the rows
(``loadtest/http/forest.py`` says what that is). Both are measured in the same rounds as the servers, and the ratio to
it is the median of the rounds' ratios: the machine's pace, which changes from minute to minute, is in both.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from urllib.parse import quote

from dataset import load_sample
from loadtest.generators.formats import FORMATS, Message, Rows, grpc_message
from loadtest.generators.wrk import write_script
from loadtest.http import nginx, tables
from loadtest.http.comparison import Comparison, Contenders
from loadtest.http.cost import Cost
from loadtest.http.forest import forest_clock, mapped_forest
from loadtest.http.nginx import Nginx
from loadtest.http.sharing import Shares, shares, workers
from loadtest.http.way import GRPC, HTTP, Case, Kind, Question, cases
from loadtest.reports.results import encode, keep
from loadtest.system.machine import allow_connections, apart, describe, pinned
from loadtest.system.options import Options
from loadtest.system.process import ServerProcess, serving

_PER_SCRIPT: Final = 20_000
"""Rows that a script asks for before it begins again."""


def messages(question: Question, rows: Rows) -> list[Message]:
    """What is sent one after the other, each with other rows."""
    starts = range(0, min(len(rows), _PER_SCRIPT) - question.rows + 1, question.rows)
    return [FORMATS[question.format].message(rows[start : start + question.rows]) for start in starts]


def target(question: Question, model: str) -> str:
    """Where it is asked for, with the model's name in it if it has a place there."""
    return FORMATS[question.format].target.replace("{model}", quote(model))


def write(path: Path, question: Question, model: str, rows: Rows) -> None:
    """Write what makes a generator ask: for wrk a script that asks for different rows in turn, for h2load a body.

    Args:
        path: where.
        question: what to ask.
        model: its name.
        rows: of the sample.
    """
    if question.format == GRPC:
        path.write_bytes(grpc_message(model, rows[: question.rows]))
        return
    headers = {"Connection": "close"} if question.close else {}
    write_script(path, target(question, model), messages(question, rows), headers)


@contextmanager
def constants(
    server: ServerProcess, questions: Sequence[Question], model: str, connections: int
) -> Iterator[Mapping[Question, Nginx]]:
    """An nginx for each question, with the answer that the server gives; none if it is not installed.

    Args:
        server: of Canopy's.
        questions: those over gRPC are left out.
        model: its name.
        connections: most at a time.

    Raises:
        RuntimeError: it did not start, or the server's answer cannot be nginx's.
    """
    with ExitStack() as stack:
        found = {}
        if nginx.program() is None:
            sys.stderr.write(nginx.MISSING)
        else:
            rows = load_sample().rows.tolist()
            for each in (each for each in questions if each.format != GRPC):
                sent = messages(each, rows)
                given = nginx.answer(server.host, server.port, target(each, model), sent[0])
                longest = max(len(message.body) for message in sent)
                found[each] = stack.enter_context(nginx.constant(given, connections, longest))
        yield found


def forest_file(options: Sequence[str], folder: Path) -> Path | None:
    """A copy of the compiled forest that servers with these options answer from; None if they have none.

    Args:
        options: of ``server.py``. One of two workers is started for a moment, for these have it in a file.
        folder: where to put it.

    Raises:
        RuntimeError: it did not start.
    """
    with serving([*options, *Kind("hot", workers=2).options()]) as server:
        file = mapped_forest(server)
        return None if file is None else Path(shutil.copyfile(file, folder / "forest.canopy"))


class Found(NamedTuple):
    """What a run found.

    Attributes:
        model: name and version of the model in service.
        engine: that computed it.
        costs: of each case.
        memory_mb: most resident memory of each server, in MB.
        workers: what each worker holds in the end, of servers of several.
    """

    model: str
    engine: str
    costs: Mapping[Case, Cost]
    memory_mb: Mapping[str, float]
    workers: Mapping[str, Sequence[Shares]]


def run(todo: Sequence[Case], options: Sequence[str], rounds: int, seconds: float) -> Found:
    """Start everything, let them take turns, and end them.

    Args:
        todo: the cases, one at least.
        options: of ``server.py``.
        rounds: how often each is measured.
        seconds: how long each time.

    Raises:
        RuntimeError: something did not start, or failed on what it was asked.
    """
    questions = list(dict.fromkeys(case.way.question for case in todo))
    server_core, load_core = apart(server=1, load=1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        with pinned(server_core):
            kinds = dict.fromkeys(case.way.kind for case in todo)
            # Of these only: several workers, as ``forest_file`` has them, cannot share a port that is not named.
            grpc = ["--grpc-port", "0"] if any(question.format == GRPC for question in questions) else []
            servers = {kind: stack.enter_context(serving([*kind.options(), *options, *grpc])) for kind in kinds}
            first = next(iter(servers.values()))
            state = first.get("/")
            model = state["model"].rpartition("/")[0]
            kept = list(dict.fromkeys(each._replace(close=False) for each in questions))
            most = max(case.connections for case in todo)
            beside = stack.enter_context(constants(first, kept, model, most))
            file = forest_file(options, folder) if state["engine"] == "compiled" else None
            clock = None if file is None else stack.enter_context(forest_clock(file))
        if clock is None:
            sys.stderr.write(f"engine {state['engine']} is no compiled forest, so there is no floor\n")
        stack.enter_context(pinned(load_core))
        scripts = {each: folder / str(number) for number, each in enumerate(questions)}
        for each, script in scripts.items():
            write(script, each, model, load_sample().rows.tolist())
        comparison = Comparison(Contenders(servers, beside, clock, scripts), seconds)
        comparison.run(todo, rounds)
        memory = {str(kind): server.peak_memory_mb() for kind, server in servers.items()}
        several = {str(kind): server for kind, server in servers.items() if kind.workers > 1}
        shared = {name: [shares(pid) for pid in workers(server)] for name, server in several.items()}
    return Found(state["model"], state["engine"], comparison.costs, memory, shared)


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.http_cost") -> int:
    """Run the command line; the exit status is 1 if a request failed, 2 if there was no run."""
    parser = _parser(prog)
    args = parser.parse_args(arguments)
    for program, package in (("wrk", "wrk"), *([("h2load", "nghttp2-client")] if GRPC in args.formats else [])):
        if shutil.which(program) is None:
            sys.stderr.write(f"{program} was not found: install it (Debian: apt-get install {package})\n")
            return 2
    kinds = [Kind(http, workers) for workers in args.workers for http in args.http]
    todo = cases(kinds, args.formats, args.rows, args.connections, args.close)
    if not todo:
        parser.error("nothing is asked: give a number of --connections, or of --close, which gRPC is not asked with")
    try:
        allow_connections(max(case.connections for case in todo))
    except RuntimeError as error:
        parser.error(str(error))
    try:
        found = run(todo, args.server_options, args.rounds, args.seconds)
    except RuntimeError as error:
        sys.stderr.write(f"http: {error}\n")
        return 2
    sys.stdout.write(f"{found.model}, engine {found.engine}\n{tables.costs(found.costs).text()}")
    for name, megabytes in found.memory_mb.items():
        sys.stdout.write(f"peak memory {name}: {megabytes:.0f} MB\n")
    if found.workers:
        both = tables.beside_fewest(found.costs), tables.memory(found.workers)
        sys.stdout.write("".join(each.text() for each in both))
    if args.json:
        document = {"machine": describe(), "model": found.model, "engine": found.engine, "memory_mb": found.memory_mb}
        keep(args.json, encode({**document, "workers": found.workers, "figures": tables.figures(found.costs)}))
    return int(any(cost.failures for cost in found.costs.values()))


def _parser(prog: str) -> Options:
    parser = Options(prog, __doc__)
    parser.add_argument(
        "--connections", type=int, nargs="*", default=[1, 64, 256, 1000, 9000], metavar="N", help="that are kept"
    )
    parser.add_argument(
        "--close", type=int, nargs="*", default=[64], metavar="N", help="at a time, each for one request only"
    )
    parser.add_argument("--http", nargs="+", choices=HTTP, default=[*HTTP], help="the server's ways of HTTP")
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=[*FORMATS, GRPC],
        default=["predict"],
        help="formats of requests, to be compared",
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1], metavar="N", help="rows of a request")
    parser.add_argument("--workers", type=int, nargs="+", default=[1], metavar="N", help="workers of a server")
    parser.rounds(3, 5, "of each way and number of connections, in turns")
    parser.results()
    parser.server_options()
    return parser


if __name__ == "__main__":
    sys.exit(main())
