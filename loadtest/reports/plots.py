"""The plots of a comparison, as SVG elements for a page."""

import io
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogLocator, NullLocator

from loadtest.reports.grid import Mode
from loadtest.reports.results import Measured, Results, Round
from loadtest.reports.summary import cpu_us, p50, p99, rate

_COLOURS: Final = {
    "compiled-hot": "#0b7a4b",
    "compiled-asgi": "#2f6fb5",
    "sklearn-hot": "#c4621d",
    "sklearn-asgi": "#8d4fa8",
}
_LINES: Final = {"on": "-", "off": "--"}


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture and what it shows.

    Attributes:
        title: what it shows.
        note: how to read it.
        svg: an element, to be put into a page.
    """

    title: str
    note: str
    svg: str


def plots(results: Results) -> list[Plot]:
    """All that there is data for."""
    limits = {each.cell.cpu for each in results.measured}
    most_cpu = max(limits)
    most_users = max(each.cell.users for each in results.measured)
    by_users = [each for each in results.measured if each.cell.cpu == most_cpu]
    by_cpu = [each for each in results.measured if each.cell.users == most_users]
    crowded = [each for each in by_users if each.cell.users == most_users]
    lines = "Full dots are batched, hollow ones unbatched; bars reach from the least round to the greatest."
    limit = f", {most_cpu:g} CPU" if len(limits) > 1 else ""
    made = [
        _plot(f"Median latency by users{limit}", lines, _curves(by_users, _users, p50, "users", "ms")),
        _plot(f"99th percentile of the latency by users{limit}", lines, _curves(by_users, _users, p99, "users", "ms")),
        _plot(
            f"Throughput by users{limit}",
            f"{lines} The dotted line is what the load generator reaches against a server that answers a constant.",
            _curves(by_users, _users, rate, "users", "requests/s", results.ceiling),
        ),
    ]
    if len(limits) > 1:
        made.append(
            _plot(
                f"Throughput by CPU limit, {most_users:,} users",
                lines,
                _curves(by_cpu, lambda each: each.cell.cpu, rate, "cores", "requests/s"),
            )
        )
    made += [
        _plot(
            f"Batch sizes, {most_users:,} users{limit}",
            "Of all calls of the engine, the part with so many rows; each bucket ends at the number under it.",
            _batch_sizes([each for each in crowded if each.cell.mode.batching == "on"]),
        ),
        _plot(
            f"CPU a request, {most_users:,} users{limit}",
            "Of the server, kernel included. Full dots are batched, hollow ones unbatched.",
            _costs(crowded),
        ),
    ]
    return made


def _plot(title: str, note: str, draw: Callable[[Axes], None]) -> Plot:
    # The salt makes ids differ between the plots of a page, and not between two drawings of the same results.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}):
        canvas = Canvas(figsize=(7.6, 4.2), layout="constrained")
        axes = canvas.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        file = io.StringIO()
        canvas.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Title": title})
    text = file.getvalue()
    return Plot(title, note, text[text.index("<svg") :])


def _curves(
    measured: Sequence[Measured],
    at: Callable[[Measured], float],
    of: Callable[[Round], float | None],
    across: str,
    up: str,
    ceiling: Mapping[int, Sequence[Round]] | None = None,
) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        shown = False
        for mode in _modes(measured):
            own = (each for each in measured if each.cell.mode == mode)
            points = [(at(each), value) for each in own if (value := each.figure(of)) and value.median > 0]
            shown = shown or bool(points)
            axes.errorbar(
                [place for place, _ in points],
                [value.median for _, value in points],
                yerr=[[value.below for _, value in points], [value.above for _, value in points]],
                label=str(mode),
                color=_COLOURS[mode.way],
                linestyle=_LINES[mode.batching],
                marker="o",
                markerfacecolor=_fill(mode),
                markersize=4,
                capsize=3,
            )
        if ceiling:
            limits = [statistics.median(turn.rate for turn in rounds) for rounds in ceiling.values()]
            axes.plot(list(ceiling), limits, "x:", color="grey", label="generator's limit")
        axes.set(xlabel=across, ylabel=up)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        if shown:
            _logarithmic(axes, "x")
            _logarithmic(axes, "y")
            places = sorted({at(each) for each in measured})
            axes.set_xticks(places, [f"{place:,g}" for place in places])

    return draw


def _batch_sizes(measured: Sequence[Measured]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        counts = {each.cell.mode: dict(_calls(each)) for each in measured}
        bounds = sorted({bound for calls in counts.values() for bound in calls})
        width = 0.8 / max(1, len(counts))
        for index, (mode, calls) in enumerate(counts.items()):
            total = sum(calls.values()) or 1
            places = [at + (index + 0.5) * width - 0.4 for at in range(len(bounds))]
            shares = [100 * calls.get(bound, 0) / total for bound in bounds]
            axes.bar(places, shares, width, label=str(mode), color=_COLOURS[mode.way])
        names = ["more" if math.isinf(bound) else f"{bound:,.0f}" for bound in bounds]
        axes.set_xticks(range(len(bounds)), names)
        axes.set(xlabel="rows in a call", ylabel="% of the calls")
        if counts:
            axes.legend(fontsize="small")

    return draw


def _costs(measured: Sequence[Measured]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        costs = {each.cell.mode: value for each in reversed(measured) if (value := each.figure(cpu_us))}
        for at, (mode, value) in enumerate(costs.items()):
            colour = _COLOURS[mode.way]
            ends = [[value.below], [value.above]]
            axes.errorbar(value.median, at, xerr=ends, fmt="o", color=colour, markerfacecolor=_fill(mode), capsize=3)
            axes.annotate(f"{value.median:,.0f}", (value.median, at), (0, 7), textcoords="offset points", ha="center")
        axes.set_yticks(range(len(costs)), [str(mode) for mode in costs])
        axes.set_ylim(-0.6, len(costs) - 0.3)
        axes.set(xlabel="microseconds")
        axes.grid(alpha=0.3, axis="x")
        if costs:
            _logarithmic(axes, "x")

    return draw


def _fill(mode: Mode) -> str:
    return _COLOURS[mode.way] if mode.batching == "on" else "white"


def _modes(measured: Sequence[Measured]) -> Sequence[Mode]:
    return list(dict.fromkeys(each.cell.mode for each in measured))


def _users(measured: Measured) -> float:
    return measured.cell.users


def _calls(measured: Measured) -> Iterator[tuple[float, int]]:
    """The calls of the engine by the greatest number of rows in a bucket, all rounds together."""
    sizes: dict[float, int] = {}
    for turn in measured.rounds:
        for bound, count in turn.activity.batch_sizes if turn.activity else ():
            place = math.inf if bound is None else bound
            sizes[place] = sizes.get(place, 0) + count
    yield from sizes.items()


def _logarithmic(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis that has data logarithmic: over a decade at least, for there would be hardly a mark on less."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = max(axis.get_data_interval()[0], axis.get_minpos()), axis.get_data_interval()[1]
    middle, reach = math.sqrt(low * high), max(math.sqrt(high / low) * 1.3, math.sqrt(10))
    axes.set(**{f"{which}scale": "log", f"{which}lim": (middle / reach, middle * reach)})
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if reach < 15 else (1.0,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
