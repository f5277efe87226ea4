"""How fast engines are, by batch size."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from forest.compile import Progress
from forest.engine import Engine

SIZES = (1, 8, 32, 128, 512, 1024)


@dataclass(frozen=True, slots=True)
class Timing:
    """What a row costs in batches of one size.

    Attributes:
        batch: rows a call.
        compiled: microseconds a row.
        sklearn: microseconds a row.
    """

    batch: int
    compiled: float
    sklearn: float

    @property
    def ratio(self) -> float:
        """How many times as fast as scikit-learn the compiled forest is."""
        return self.sklearn / self.compiled


def measure(
    compiled: Engine,
    sklearn: Engine,
    rows: NDArray[np.float32],
    *,
    sizes: Sequence[int] = SIZES,
    seconds: float = 1.0,
    rounds: int = 5,
    progress: Progress = lambda _done, _total: None,
) -> list[Timing]:
    """Time ``predict`` of two engines, in turns, through the call that the server makes.

    Each engine gets its batches from all over ``rows``, one after the other: a batch that is asked again and again
    would find its ways through the trees in the processor's caches. A round's figure is the mean of its calls; the
    result's is the median of the rounds, so that a disturbance of a round does not count.

    Args:
        compiled: the compiled forest.
        sklearn: scikit-learn on the same forest.
        rows: (n, n_features) float32, real ones.
        sizes: rows a call.
        seconds: time for each engine, size and round.
        rounds: how often the engines take turns.
        progress: told of the rounds done.
    """
    timings = []
    for number, size in enumerate(sizes):
        batches = _batches(rows, size)
        found: dict[str, list[float]] = {"compiled": [], "sklearn": []}
        for turn in range(rounds):
            progress(number * rounds + turn, len(sizes) * rounds)
            for name, engine in (("compiled", compiled), ("sklearn", sklearn)):
                found[name].append(_time(engine, batches, seconds) / size)
        timings.append(Timing(size, *(1e6 * median(found[name]) for name in ("compiled", "sklearn"))))
    progress(len(sizes) * rounds, len(sizes) * rounds)
    return timings


def table(timings: Sequence[Timing]) -> str:
    """The timings as lines of text."""
    lines = [f"{'rows a call':>11}  {'compiled, us a row':>18}  {'scikit-learn, us a row':>22}  {'times as fast':>13}"]
    lines += [f"{t.batch:>11,}  {t.compiled:>18,.1f}  {t.sklearn:>22,.1f}  {t.ratio:>13,.1f}" for t in timings]
    return "\n".join(lines)


def _batches(rows: NDArray[np.float32], size: int) -> Iterator[NDArray[np.float32]]:
    """Batches of a size, for ever, each row as often as any other."""
    if len(rows) < size:
        rows = np.tile(rows, (-(-size // len(rows)), 1))
    while True:
        for start in range(0, len(rows) - size + 1, size):
            yield rows[start : start + size]


def _time(engine: Engine, batches: Iterator[NDArray[np.float32]], seconds: float) -> float:
    """Mean seconds of a call, over calls for about ``seconds``, one at least however late the first one begins."""
    calls, passed, start = 0, 0.0, time.perf_counter()
    while not calls or passed < seconds:
        engine.predict(next(batches))
        calls += 1
        passed = time.perf_counter() - start
    return passed / calls
