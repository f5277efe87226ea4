"""How fast engines are, by batch size."""

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forest.compile import Progress

SIZES = (1, 8, 32, 128, 512, 1024)


class Asked(Protocol):
    """Whatever answers for a matrix: an ``Engine``, or another runtime."""

    def predict(self, matrix: NDArray[Any], /) -> object:
        """Answer for (n, n_features) rows."""


class Called:
    """A function as what is asked; it answers for (n, n_features) rows."""

    def __init__(self, function: Callable[[NDArray[Any]], object]) -> None:
        self._function = function

    def predict(self, matrix: NDArray[Any], /) -> object:
        """See ``Asked.predict``."""
        return self._function(matrix)


@dataclass(frozen=True, slots=True)
class Timing:
    """What a row costs in batches of one size.

    Attributes:
        batch: rows a call.
        compiled: microseconds a row of the compiled model.
        others: name → microseconds a row, of its library first of all.
    """

    batch: int
    compiled: float
    others: Mapping[str, float]

    def ratio(self, name: str) -> float:
        """How many times as fast as another the compiled model is."""
        return self.others[name] / self.compiled


def measure(
    compiled: Asked,
    others: Mapping[str, Asked],
    rows: NDArray[Any],
    *,
    sizes: Sequence[int] = SIZES,
    seconds: float = 1.0,
    rounds: int = 5,
    progress: Progress = lambda _done, _total: None,
) -> list[Timing]:
    """Time ``predict`` of engines, in turns, on one thread, through the call that the server makes.

    Each engine gets its batches from all over ``rows``, one after the other: a batch that is asked again and again
    would find its ways through the trees in the processor's caches. A round's figure is the mean of its calls; the
    result's is the median of the rounds, so that a disturbance of a round does not count.

    Args:
        compiled: the compiled model.
        others: name → another engine on the same model.
        rows: (n, n_features) of the engines' dtype, real ones.
        sizes: rows a call.
        seconds: time for each engine, size and round.
        rounds: how often the engines take turns.
        progress: told of the rounds done.
    """
    timings = []
    engines = [compiled, *others.values()]
    with _one_thread():
        for number, size in enumerate(sizes):
            batches = _batches(rows, size)
            found: list[list[float]] = [[] for _ in engines]
            for turn in range(rounds):
                progress(number * rounds + turn, len(sizes) * rounds)
                for engine, times in zip(engines, found, strict=True):
                    times.append(_time(engine, batches, seconds) / size)
            first, *rest = (1e6 * median(times) for times in found)
            timings.append(Timing(size, first, dict(zip(others, rest, strict=True))))
    progress(len(sizes) * rounds, len(sizes) * rounds)
    return timings


def table(timings: Sequence[Timing]) -> str:
    """The timings of one model as lines of text."""
    names = list(timings[0].others)
    heads = ["rows a call", "compiled, us a row"]
    for name in names:
        heads += [f"{name}, us a row", "times as fast"]
    widths = [max(len(head), 11) for head in heads]
    lines = ["  ".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))]
    for timing in timings:
        cells = [f"{timing.batch:,}", f"{timing.compiled:,.1f}"]
        for name in names:
            cells += [f"{timing.others[name]:,.1f}", _ratio(timing, name)]
        lines.append("  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))
    return "\n".join(lines)


def markdown(models: Mapping[str, Sequence[Timing]]) -> str:
    """The timings of several models as a table in Markdown: the compiled one, its library, and how they compare.

    Args:
        models: what a model is called → its timings, of the same sizes for all; of each the first of the others is
            shown.
    """
    sizes = [timing.batch for timing in next(iter(models.values()))]
    heads = [f"{size:,} row" if size == 1 else f"{size:,} rows" for size in sizes]
    lines = [
        f"| model | {' | '.join(heads)} |",
        f"| --- |{' --- |' * len(sizes)}",
    ]
    for model, timings in models.items():
        cells = [_cell(timing, next(iter(timing.others))) for timing in timings]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(timing: Timing, name: str) -> str:
    ratio = timing.ratio(name)
    return f"{ratio:,.{2 if ratio < 2 else 1}f}"


def _cell(timing: Timing, name: str) -> str:
    ratio = timing.ratio(name)
    return f"{timing.compiled:,.1f} / {timing.others[name]:,.1f} = {ratio:,.{1 if ratio < 10 else 0}f}×"  # noqa: RUF001 - the sign for times


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Have OpenMP use one thread, where that can be told: not every library takes it as a parameter."""
    try:
        # scikit-learn brings it.
        limits = importlib.import_module("threadpoolctl").threadpool_limits(limits=1)
    except ImportError:
        limits = contextlib.nullcontext()
    with limits:
        yield


def _batches(rows: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    """Batches of a size, for ever, each row as often as any other."""
    if len(rows) < size:
        rows = np.tile(rows, (-(-size // len(rows)), 1))
    while True:
        for start in range(0, len(rows) - size + 1, size):
            yield rows[start : start + size]


def _time(engine: Asked, batches: Iterator[NDArray[Any]], seconds: float) -> float:
    """Mean seconds of a call, over calls for about ``seconds``, one at least however late the first one begins."""
    calls, passed, start = 0, 0.0, time.perf_counter()
    while not calls or passed < seconds:
        engine.predict(next(batches))
        calls += 1
        passed = time.perf_counter() - start
    return passed / calls
