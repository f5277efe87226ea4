"""The tables of a comparison."""

from collections.abc import Callable
from typing import Final

from loadtest.reports.grid import Cell, Mode
from loadtest.reports.results import Figure, Latency, Measured, Results, Round, figure
from loadtest.reports.table import Table, number


def rate(turn: Round) -> float:
    """Right answers a second."""
    return turn.rate


def cpu_us(turn: Round) -> float | None:
    """Microseconds of the server's CPU a request."""
    return None if turn.activity is None else turn.activity.cpu_us


def rows_per_batch(turn: Round) -> float | None:
    """Mean rows in a call of the engine."""
    return None if turn.activity is None else turn.activity.rows_per_batch


def milliseconds(of: Callable[[Latency], float]) -> Callable[[Round], float | None]:
    """One of the latencies."""
    return lambda turn: None if turn.latency is None else of(turn.latency)


p50: Final = milliseconds(lambda latency: latency.p50)
p99: Final = milliseconds(lambda latency: latency.p99)

_LATENCIES: Final = {
    "mean ms": milliseconds(lambda latency: latency.mean),
    "p50": p50,
    "p95": milliseconds(lambda latency: latency.p95),
    "p99": p99,
    "max": milliseconds(lambda latency: latency.max),
}


def tables(results: Results) -> list[Table]:
    """All of them."""
    return [_cells(results), _ratios(results), _ceiling(results)]


def _cells(results: Results) -> Table:
    columns = ["mode", "CPU", "users", "requests/s", *_LATENCIES]
    columns += ["failures", "CPU us/request", "memory MB", "rows/batch"]
    rows = []
    for each in results.measured:
        latencies = (_median(each.figure(of), 1) for of in _LATENCIES.values())
        rows.append(
            [
                str(each.cell.mode),
                f"{each.cell.cpu:g}",
                number(each.cell.users),
                _range(each.figure(rate)),
                *latencies,
                number(each.failures.total()),
                _range(each.figure(cpu_us)),
                _median(each.figure(lambda turn: turn.memory_mb)),
                _median(each.figure(rows_per_batch), 1),
            ]
        )
    return Table("Every mode (median of the rounds, range in brackets)", columns, rows)


def _ratios(results: Results) -> Table:
    """Of batched to unbatched serving, where both were measured."""
    found = {each.cell: each for each in results.measured}
    rows = []
    for cell, batched in found.items():
        unbatched = found.get(Cell(Mode(cell.mode.engine, cell.mode.http, "off"), cell.cpu, cell.users))
        if cell.mode.batching == "on" and unbatched is not None:
            ratios = (_ratio(batched, unbatched, of) for of in (rate, p50, p99, cpu_us))
            rows.append([cell.mode.way, f"{cell.cpu:g}", number(cell.users), *(number(ratio, 2) for ratio in ratios)])
    columns = ["mode", "CPU", "users", "requests/s", "p50", "p99", "CPU us/request"]
    return Table("What batching changes (batched divided by unbatched)", columns, rows)


def _ceiling(results: Results) -> Table:
    rows = [
        [number(users), _range(figure([turn.rate for turn in rounds]))] for users, rounds in results.ceiling.items()
    ]
    title = "The generator's own limit (a server that answers a constant, without a CPU limit)"
    return Table(title, ["users", "requests/s"], rows, words=0)


def _ratio(one: Measured, other: Measured, of: Callable[[Round], float | None]) -> float | None:
    above, below = one.figure(of), other.figure(of)
    return above.median / below.median if above and below and below.median else None


def _median(value: Figure | None, digits: int = 0) -> str:
    return number(None if value is None else value.median, digits)


def _range(value: Figure | None) -> str:
    if value is None or value.low == value.high:
        return _median(value)
    return f"{value.median:,.0f} [{value.low:,.0f}-{value.high:,.0f}]"
