"""Which of the kernel's walks an engine takes: the fastest of those that this processor has and the model fits."""

import logging
import time
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from forest.arrays import ForestArrays
from forest.ensemble import Missing

logger = logging.getLogger("canopy.forest")

WalkName = Literal["auto", "portable", "avx2", "avx512"]
"""A walk by its name, or the choice among them."""

PORTABLE: Final = "portable"
"""The walk that takes all trees on all processors."""

WALKS: Final[tuple[WalkName, ...]] = ("auto", "portable", "avx2", "avx512")

_BATCH: Final = 35
"""Rows to time and compare: no multiple of a vector's lanes."""

_LONE: Final = 8
"""Calls of one row, which take about as long as those of the others together."""

_BATCHES: Final = 4
"""Batches that a walk is timed on in a turn, none of them twice: on rows that it has just walked it would find its way
in the caches, as no server does."""

_TURNS: Final = 2
_BEATEN: Final = 0.95
"""What part of the portable walk's time another must not exceed: nearly the same is noise."""


class Walking(Protocol):
    """What is asked of the kernel's ``Walk`` here."""

    def unfit(self, name: str) -> str | None:
        """Why a walk cannot be used; None if it can."""

    def use(self, name: str) -> None:
        """Use a walk from now on."""

    def sums(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """The sums of the leaves that rows come to."""


def choose(walk: Walking, arrays: ForestArrays, wanted: WalkName = "auto") -> None:
    """Have a walk made ready: the one that is wanted, or the fastest.

    Each is timed on drawn rows, in a batch and one by one, which takes a few milliseconds, and only where there is a
    choice. Its sums have to be those of the portable walk, in each bit; one that differs is not used, with a warning.

    Args:
        walk: the kernel's ``Walk`` of the arrays; no other call of it may be under way.
        arrays: the compiled ensemble.
        wanted: one of ``WALKS``.

    Raises:
        ValueError: the one that is wanted cannot be used here; the message says why.
    """
    names: list[str] = [wanted]
    if wanted == "auto":
        names = available(walk)
    walk.use(names[0])
    if names == [PORTABLE]:
        return
    rows = drawn_rows(arrays, _BATCH * (1 + _BATCHES * _TURNS))
    names = _agreeing(walk, [name for name in names if name != PORTABLE], rows[:_BATCH])
    if wanted == "auto" and names:
        _use_fastest(walk, [PORTABLE, *names], rows[_BATCH:])
    else:
        walk.use(names[0] if names else PORTABLE)


def available(walk: Walking) -> list[str]:
    """The walks that this processor has and the model fits, the portable one first."""
    return [name for name in WALKS[1:] if walk.unfit(name) is None]


def drawn_rows(arrays: ForestArrays, count: int) -> NDArray[Any]:
    """Rows whose values are thresholds or between them, and some missing, where they may be.

    Args:
        arrays: the compiled ensemble.
        count: how many.

    Returns:
        (count, width) of the arrays' dtype.
    """
    draw = np.random.default_rng(0)
    rows = np.zeros((count, arrays.width), dtype=arrays.dtype)
    for feature, first, last in zip(arrays.features, arrays.offsets[:-1], arrays.offsets[1:], strict=True):
        if last > first:
            rows[:, feature] = arrays.thresholds[draw.integers(first, last, size=count)]
    with np.errstate(over="ignore"):  # above the greatest number is infinity
        above = np.nextafter(rows, np.array(np.inf, dtype=rows.dtype))
    rows = np.where(draw.random(rows.shape) < 0.5, rows, above)
    refusing = np.zeros(arrays.width, dtype=np.bool_)
    refusing[arrays.features[arrays.missing == Missing.REFUSED]] = True
    rows[(draw.random(rows.shape) < 0.05) & ~refusing] = np.nan
    return np.ascontiguousarray(rows)


def _agreeing(walk: Walking, names: list[str], rows: NDArray[Any]) -> list[str]:
    """Those of some walks whose sums are the portable one's."""
    walk.use(PORTABLE)
    expected = walk.sums(rows).tobytes()
    agreeing = []
    for name in names:
        walk.use(name)
        lone = b"".join(walk.sums(rows[i : i + 1]).tobytes() for i in range(_LONE))
        if walk.sums(rows).tobytes() == expected and expected.startswith(lone):
            agreeing.append(name)
        else:
            logger.warning("the walk %s differs from the portable one, and is not used: please report this", name)
    return agreeing


def _use_fastest(walk: Walking, names: list[str], rows: NDArray[Any]) -> None:
    """Time walks in turns, and use the one with the shortest best time."""
    best = dict.fromkeys(names, float("inf"))
    for turn, mine in enumerate(np.split(rows, _TURNS)):
        for name in names[:: -1 if turn % 2 else 1]:  # who is second finds in the caches what the first one left
            walk.use(name)
            best[name] = min(best[name], _time(walk, mine))
    fastest = min(best, key=best.__getitem__)
    if best[fastest] > _BEATEN * best[PORTABLE]:
        fastest = PORTABLE
    walk.use(fastest)
    timed = ", ".join(f"{name} {seconds * 1e6:.0f}" for name, seconds in best.items())
    logger.info("the walk is %s (microseconds for drawn rows: %s)", fastest, timed)


def _time(walk: Walking, rows: NDArray[Any]) -> float:
    """Seconds of this thread, whatever else a busy machine does, for some batches, the last rows of each alone."""
    start = time.thread_time()
    for batch in np.split(rows, _BATCHES):
        walk.sums(batch[:-_LONE])
        for row in np.split(batch[-_LONE:], _LONE):
            walk.sums(row)
    return time.thread_time() - start
