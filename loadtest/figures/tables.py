"""What benchmarks of servers leave behind, as tables for readers."""

import math
import re
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Final, TypeAlias

import msgspec

from loadtest.figures.command import Result
from loadtest.reports import plots, summary
from loadtest.reports.results import Results
from loadtest.reports.table import Table, number
from loadtest.searching import reference

Render: TypeAlias = Callable[[Sequence[Result]], Table]
"""Makes the table of what its commands left behind, in their order."""

Draw: TypeAlias = Callable[[Sequence[Result]], dict[str, str]]
"""Makes the pictures of the same: the name of a file, from where the document is → its text."""

_PICTURES: Final = {
    "Median latency by users": "bench-latency",
    "Throughput by users": "bench-throughput",
    "Batch sizes": "bench-batches",
    "CPU a request": "bench-cpu",
}
"""How the titles of plots of ``make bench`` begin that documents show → the names of their files."""

_OVERLOAD: Final = {
    "capacity, requests/s": ("capacity", 0),
    "offered": ("offered", 0),
    "goodput": ("goodput", 0),
    "goodput, of capacity": ("goodput_of_capacity", 2),
    "refused a second": ("refused", 0),
    "expired a second": ("expired", 0),
    "answered, median ms": ("answered_p50_ms", 0),
    "answered, p99 ms": ("answered_p99_ms", 0),
    "refused, median ms": ("refused_p50_ms", 1),
    "refused, p99 ms": ("refused_p99_ms", 1),
}

FORMATS: Final = {
    "predict": "`/predict`",
    "probabilities": "`/predict?probabilities=true`",
    "v2": "V2 JSON, one tensor",
    "v2-fields": "V2 JSON, a tensor a field",
    "v2-binary": "V2 binary",
    "invocations": "`/invocations`, split",
    "v1": "V1",
    "grpc": "gRPC, raw",
}
"""A format of ``make bench-http`` → what readers know it as."""


def http_cost(results: Sequence[Result]) -> Table:
    """Both ways of HTTP, beside nginx and the forest."""
    found = _cases(results[0], "connections", "close", "http")
    columns = ["connections", "hot", "asgi", "asgi / hot", "nginx", "forest", "hot / (nginx + forest)"]
    columns += ["hot, requests/s", "median ms", "p99 ms"]
    rows = []
    for count, close in dict.fromkeys(key[:2] for key in found):
        hot, asgi = found[count, close, "hot"], found[count, close, "asgi"]
        costs = [number(hot["cpu_us"], 1), number(asgi["cpu_us"], 1), number(asgi["cpu_us"] / hot["cpu_us"], 1)]
        floor = [number(hot["nginx_us"], 1), number(hot["forest_us"], 1), number(hot["ratio"], 2)]
        times = [number(hot["requests_per_second"]), number(hot["median_ms"], 2), number(hot["p99_ms"], 1)]
        rows.append([f"{number(count)}{', one a request' if close else ''}", *costs, *floor, *times])
    return Table("", columns, rows)


def workers(results: Sequence[Result]) -> Table:
    """Two workers beside one."""
    found = _cases(results[0], "connections", "close", "workers")
    rows = []
    for count, close in dict.fromkeys(key[:2] for key in found):
        one, two = found[count, close, 1], found[count, close, 2]
        ratio = median(after["cpu"] / before["cpu"] for before, after in zip(one["rounds"], two["rounds"], strict=True))
        spread = " + ".join(number(each) for each in two["rounds"][-1]["spread"])
        costs = [number(one["cpu_us"], 1), number(two["cpu_us"], 1), number(ratio, 2)]
        rows.append([f"{number(count)}{', one a request' if close else ''}", *costs, spread])
    return Table("", ["connections", "one, µs", "two, µs", "two / one", "connections of each"], rows)


def inference(results: Sequence[Result]) -> Table:
    """Computing on the event loop, and in a thread."""
    both = [_cases(each, "connections") for each in results]
    columns = ["`--inference`, µs a request", *(number(count) for (count,) in both[0])]
    rows = [
        [name, *(number(cost["cpu_us"], 1) for cost in found.values())]
        for name, found in zip(("inline", "thread"), both, strict=True)
    ]
    return Table("", columns, rows)


def formats(results: Sequence[Result]) -> Table:
    """Formats, by rows and connections; the engine's calls in brackets."""
    found = _cases(results[0], "format", "rows", "connections")
    kinds = list(dict.fromkeys(key[1:] for key in found))
    heads = [f"{rows} row{'s' if rows > 1 else ''}, {number(count)} connections" for rows, count in kinds]
    rows = []
    for name in dict.fromkeys(key[0] for key in found):
        costs = [found[name, *kind] for kind in kinds]
        cells = [f"{number(each['cpu_us'])} ({number(each['engine_us'])})" for each in costs]
        rows.append([FORMATS[name], *cells])
    return Table("", ["format", *heads], rows)


def crowds(results: Sequence[Result]) -> Table:
    """Crowds within limits of CPU."""
    columns = ["CPU", "requests/s", "failures", "mean ms", "median", "p95", "p99", "max", "CPU µs a request"]
    rows = []
    for each in results:
        document = each.document
        measured, usage = document["measured"], document["usage"]
        whole = measured["whole"]
        peak = usage["peak_memory_mib"]
        used = [number(usage["cpu_seconds"] / whole["requests"] * 1e6), "-" if peak is None else number(peak)]
        for name, figures in (("whole run", whole), ("after the ramp", measured["gathered"])):
            if figures is not None:
                times = [number(figures[key]) for key in ("mean", "median", "p95", "p99", "max")]
                cells = [number(figures["rate"]), number(figures["failures"]), *times]
                rows.append(
                    [f"{document['arguments']['cpu']:g}, {name}", *cells, *(used if figures is whole else ["", ""])]
                )
    return Table("", [*columns, "peak memory MiB"], rows)


def overload(results: Sequence[Result]) -> Table:
    """Of each server the round with the median goodput."""
    servers = results[0].document["servers"]
    middle = {
        name: sorted(rounds, key=lambda one: _real(one["goodput_of_capacity"]))[len(rounds) // 2]
        for name, rounds in servers.items()
    }
    rows = [
        [title, *(_figure(one[key], digits) for one in middle.values())] for title, (key, digits) in _OVERLOAD.items()
    ]
    every = [
        ", ".join(f"{share:.2f}" for share in sorted(_real(one["goodput_of_capacity"]) for one in rounds))
        for rounds in servers.values()
    ]
    rows.insert(4, ["its rounds", *every])
    return Table("", ["", *servers], rows)


def limits(results: Sequence[Result]) -> Table:
    """What a crowd takes, under the reference's own table."""
    return reference.table(msgspec.convert(results[0].document["rows"], list[reference.Row]))


def generator(results: Sequence[Result]) -> Table:
    """The same crowd at a server that answers a constant."""
    found = results[0].document["generator"]
    cells = [number(found["users"]), number(found["rate"]), number(found["mean_ms"], 1), number(found["p99_ms"], 1)]
    cells += [number(found["failures"]), f"{found['server_cpu']:.2f}"]
    columns = ["generator", "users", "requests/s", "mean ms", "p99 ms", "failures", "server's CPU"]
    return Table("", columns, [[found["generator"], *cells]])


def comparison(at: int) -> Render:
    """One of the tables of ``make bench``: 0, every mode; 1, what batching changes; 2, the generator's limit."""
    return lambda results: summary.tables(_compared(results))[at]


def pictures(results: Sequence[Result]) -> dict[str, str]:
    """The plots of ``make bench`` that documents show."""
    return {
        f"images/{name}.svg": plot.svg
        for plot in plots.plots(_compared(results))
        for title, name in _PICTURES.items()
        if plot.title.startswith(title)
    }


def batching(results: Sequence[Result]) -> Table:
    """Of ``make bench`` a thousand users, batched and unbatched."""
    compared = _compared(results)
    names = [f"{engine}-hot-{way}" for engine in ("sklearn", "compiled") for way in ("batched", "unbatched")]
    found = {str(each.cell.mode): each for each in compared.measured if each.cell.users == 1000}
    kinds = [found[name] for name in names]
    figures = {
        "requests a second": (summary.rate, 0),
        "median latency, ms": (summary.p50, 0),
        "99th percentile, ms": (summary.p99, 0),
        "CPU of the server a request, µs": (summary.cpu_us, 0),
        "rows a batch": (summary.rows_per_batch, 0),
    }
    rows = [
        [title, *(number(None if (value := each.figure(of)) is None else value.median, digits) for each in kinds)]
        for title, (of, digits) in figures.items()
    ]
    rows.insert(3, ["failures", *(number(each.failures.total()) for each in kinds)])
    heads = ["scikit-learn batched", "unbatched", "compiled batched", "unbatched"]
    return Table("", ["1,000 users, one row a request", *heads], rows)


def printed(results: Sequence[Result]) -> Table:
    """The last table that a command printed in columns, two spaces or more apart."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in results[0].text.splitlines()]
    head = max(at for at, words in enumerate(lines) if len(words) > 2 and not words[1][:1].isdigit())
    rows = [words for words in lines[head + 1 :] if len(words) == len(lines[head])]
    if not rows:
        raise ValueError("no table was printed")
    return Table("", [each.replace("us a", "µs a") for each in lines[head]], rows, words=0)


def markdown(results: Sequence[Result]) -> Table:
    """The first table that a command printed in Markdown."""
    rows = [line.strip("| ").split(" | ") for line in results[0].text.partition("\n\n")[0].splitlines() if "|" in line]
    return Table("", rows[0], rows[2:], words=len(rows[0]))


def _compared(results: Sequence[Result]) -> Results:
    """What ``make bench`` left behind."""
    return msgspec.convert(results[0].document, Results, str_keys=True)


def _cases(result: Result, *keys: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The cases of ``make bench-http`` by some of what tells them apart."""
    return {tuple(case[key] for key in keys): case for case in result.document["figures"]}


def _real(value: float | None) -> float:
    """A figure; JSON has null for one that is not a number."""
    return math.nan if value is None else value


def _figure(value: float | None, digits: int) -> str:
    return "none" if value is None else number(value, digits)
