"""What the timing of engines makes of the time that they take, on a clock that only they move."""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forest import Prediction
from forest.checks.bench import SIZES, Timing, markdown, measure, table


@dataclass
class Clock:
    """A clock that stands still while nobody works."""

    now: float = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class Worker:
    """An engine that takes a time for each call and each row; implements ``Engine``.

    Attributes:
        clock: what it moves.
        log: the calls of all workers: who, and with which rows.
        odd: calls that take some times as long as others, by their number.
    """

    name: str
    clock: Clock
    log: list[tuple[str, list[float]]]
    call: float
    row: float
    odd: dict[int, float] = field(default_factory=dict)
    bounded: bool = True
    dtype: type[np.floating] = np.float32
    classes: NDArray[Any] | None = None
    calls: int = field(default=0)

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """Take the time."""
        self.clock.now += (self.call + self.row * len(matrix)) * self.odd.get(self.calls, 1)
        self.calls += 1
        self.log.append((self.name, matrix[:, 0].tolist()))
        return Prediction(np.zeros(len(matrix)), None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the bench."""
    found = Clock()
    monkeypatch.setattr("forest.checks.bench.time.perf_counter", found)
    return found


def rows(count: int) -> NDArray[np.float32]:
    """Rows that tell which they are."""
    return np.arange(count, dtype=np.float32)[:, None]


def test_the_figures_are_microseconds_a_row(clock: Clock) -> None:
    """Both engines' costs of a call are divided among the rows of a batch."""
    fast = Worker("fast", clock, [], call=10e-6, row=1e-6)
    slow = Worker("slow", clock, [], call=1000e-6, row=3e-6)
    timings = measure(fast, {"slow": slow}, rows(100), sizes=(1, 10, 100), seconds=0.1, rounds=3)
    assert [timing.batch for timing in timings] == [1, 10, 100]
    assert [timing.compiled for timing in timings] == pytest.approx([11, 2, 1.1])
    assert [timing.others["slow"] for timing in timings] == pytest.approx([1003, 103, 13])
    assert [timing.ratio("slow") for timing in timings] == pytest.approx([1003 / 11, 51.5, 13 / 1.1])


def test_a_round_that_was_disturbed_does_not_count(clock: Clock) -> None:
    """The figure is the median of the rounds: neither a slow one nor a fast one moves it."""
    steady, other = (Worker(name, clock, [], call=1e-3, row=0) for name in "ab")
    # The first call fills its round. In the second round, all take half as long; in the third, nothing happens.
    steady.odd = {0: 1000} | dict.fromkeys(range(1, 201), 0.5)
    (timing,) = measure(steady, {"other": other}, rows(10), sizes=(1,), seconds=0.1, rounds=3)
    assert steady.calls == pytest.approx(301, abs=3)
    assert timing.compiled == pytest.approx(1000, rel=0.01)


def test_the_engines_take_turns(clock: Clock) -> None:
    """Each of them works in each round, for the time given."""
    log: list[tuple[str, list[float]]] = []
    one, two, three = (
        Worker(name, clock, log, call=call, row=0) for name, call in (("1", 0.01), ("2", 0.02), ("3", 1))
    )
    measure(one, {"two": two, "three": three}, rows(10), sizes=(2,), seconds=0.095, rounds=3)
    names = [name for name, _ in log]
    assert names == (["1"] * 10 + ["2"] * 5 + ["3"]) * 3


def test_a_round_that_is_over_before_its_first_call_has_one_all_the_same(clock: Clock) -> None:
    """As on a machine that has much else to do."""
    one, two = (Worker(name, clock, [], call=1e-3, row=0) for name in "ab")
    (timing,) = measure(one, {"two": two}, rows(10), sizes=(1,), seconds=0, rounds=1)
    assert timing.compiled == pytest.approx(1000)


@pytest.mark.parametrize(
    ("count", "size"),
    [
        pytest.param(12, 4, id="divides"),
        pytest.param(13, 4, id="leaves-a-rest"),
        pytest.param(3, 8, id="fewer-rows-than-a-batch"),
        pytest.param(1, 5, id="one-row"),
    ],
)
def test_batches_come_from_all_over_the_rows(clock: Clock, count: int, size: int) -> None:
    """Each batch has its size; each row that fits into whole batches is asked as often as the others."""
    log: list[tuple[str, list[float]]] = []
    worker = Worker("any", clock, log, call=1, row=0)
    measure(worker, {"any": worker}, rows(count), sizes=(size,), seconds=60, rounds=1)
    assert {len(batch) for _, batch in log} == {size}
    times = Counter(row for _, batch in log for row in batch)
    assert set(times) == set(range(count - count % size if count > size else count))
    assert max(times.values()) <= min(times.values()) * 1.5


def test_progress_is_told_of_rounds(clock: Clock) -> None:
    """The count goes up to all rounds of all sizes."""
    worker = Worker("any", clock, [], call=1, row=0)
    told: list[tuple[int, int]] = []
    measure(
        worker,
        {"any": worker},
        rows(10),
        sizes=(1, 2),
        seconds=1,
        rounds=3,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(done, 6) for done in range(7)]


def test_the_table_has_a_line_for_each_size() -> None:
    """Its numbers stand in columns below their names, with a ratio beside each that is not the compiled one."""
    timings = [Timing(1, 25.04, {"xgboost": 4000, "lleaves": 50.08}), Timing(1024, 2, {"xgboost": 17, "lleaves": 1})]
    lines = table(timings).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["1", "25.0", "4,000.0", "159.7", "50.1", "2.0"],
        ["1,024", "2.0", "17.0", "8.5", "1.0", "0.50"],
    ]
    assert {len(line) for line in lines} == {len(lines[0])}
    names = ["rows a call", "compiled, us a row", "xgboost, us a row", "times as fast", "lleaves, us a row"]
    assert [part for part in lines[0].split("  ") if part] == [*names, "times as fast"]


def test_several_models_make_a_table_in_markdown() -> None:
    """A line each; of each batch size the compiled one's figure, the first other's, and how they compare."""
    lines = markdown(
        {
            "forest": [Timing(1, 25.04, {"scikit-learn": 4000}), Timing(1024, 2, {"scikit-learn": 17})],
            "booster": [Timing(1, 10, {"xgboost": 99.9, "onnxruntime": 7}), Timing(1024, 4, {"xgboost": 2})],
        }
    ).splitlines()
    assert lines == [
        "| model | 1 row | 1,024 rows |",
        "| --- | --- | --- |",
        "| forest | 25.0 / 4,000.0 = 160× | 2.0 / 17.0 = 8.5× |",  # noqa: RUF001 - the sign for times
        "| booster | 10.0 / 99.9 = 10.0× | 4.0 / 2.0 = 0.5× |",  # noqa: RUF001
    ]


@pytest.mark.parametrize("installed", [True, False])
def test_openmp_has_one_thread_while_engines_are_timed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    """As far as threadpoolctl is there to tell it so; without it nothing fails."""
    limits: list[object] = []

    @contextlib.contextmanager
    def limit(**given: int) -> Iterator[None]:
        limits.append(given)
        yield
        limits.append(clock.now)

    monkeypatch.setitem(sys.modules, "threadpoolctl", SimpleNamespace(threadpool_limits=limit) if installed else None)
    worker = Worker("any", clock, [], call=1, row=0)
    measure(worker, {"any": worker}, rows(10), sizes=(1,), seconds=1, rounds=2)
    assert limits == ([{"limits": 1}, clock.now] if installed else [])


def test_the_usual_sizes_go_from_one_row_to_a_full_batch() -> None:
    """They ascend from a lone request to the server's greatest batch."""
    assert SIZES[0] == 1
    assert SIZES[-1] == 1024
    assert list(SIZES) == sorted(set(SIZES))
