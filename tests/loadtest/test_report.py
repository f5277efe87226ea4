"""A comparison's results, kept and shown."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loadtest import report
from loadtest.reports.activity import Activity
from loadtest.reports.grid import MODES, Cell, rotated
from loadtest.reports.results import Latency, Measured, Results, Round, encode, figure, latency, read
from loadtest.reports.table import Table
from tests.helpers.support import modules_after


def turn(rate: float, cpu_us: float, **told: Any) -> Round:  # noqa: ANN401
    """A round of one second."""
    did = Activity(rate, 0, 0.5, cpu_us, 12.5, [(8.0, 30), (16.0, 60), (None, 10)], 1.5)
    made = Round(int(rate), 1.0, Latency(10, 9, 20, 30, 40), {}, did, 57.0, None)
    return replace(made, **told)


def made(*cells: tuple[str, float, int, list[Round]]) -> Results:
    """Results of some cells."""
    return Results(
        started="2026-01-01T00:00:00+00:00",
        command="python -m loadtest.compare",
        machine={"processor": "a <fast> one", "cores": "2"},
        limits="control group",
        memory_mib=256,
        model="BestModelRF/1",
        rows=20_000,
        seconds=1,
        warm_up=0.5,
        ceiling={8: [turn(50_000, 0)], 64: [turn(60_000, 0)]},
        measured=[Measured(Cell(MODES[name], cpu, users), rounds) for name, cpu, users, rounds in cells],
    )


TWO = made(
    ("compiled-hot-batched", 1, 8, [turn(9000, 30)]),
    ("compiled-hot-unbatched", 1, 8, [turn(3000, 90)]),
    ("compiled-hot-batched", 1, 64, [turn(12_000, 25), turn(10_000, 27), turn(20_000, 20)]),
    ("compiled-hot-unbatched", 1, 64, [turn(3000, 100), turn(4000, 90), turn(2000, 110)]),
)


class Page(HTMLParser):
    """What stands in a page, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """See ``HTMLParser``."""
        self.tags.append(tag)
        links = [value or "" for name, value in attributes if name in {"src", "href", "xlink:href", "data"}]
        self.fetched += [link for link in links if not link.startswith("#")]

    def handle_data(self, data: str) -> None:
        """See ``HTMLParser``."""
        self.words += data


def test_a_figure_is_the_median_of_the_rounds_and_their_range() -> None:
    """One slow round does not decide."""
    found = figure([3, 100, 1, 2, 4])
    assert found is not None
    assert (found.median, found.low, found.high, found.below, found.above) == (3, 1, 100, 2, 97)
    assert figure([]) is None


def test_latencies_are_summed_up_in_milliseconds() -> None:
    """Given in seconds; of none there are no figures."""
    found = latency([each / 1000 for each in range(1, 102)])
    assert found is not None
    assert [round(value, 6) for value in (found.mean, found.p50, found.p95, found.p99, found.max)] == [
        51,
        51,
        96,
        100,
        101,
    ]
    assert latency([]) is None


def test_everybody_is_first_at_some_time() -> None:
    """The order turns, and nobody is left out."""
    assert [rotated("abc", at) for at in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]


def test_what_was_measured_can_be_read_again(tmp_path: Path) -> None:
    """Every raw figure comes back from the file."""
    path = tmp_path / "results.json"
    path.write_bytes(encode(TWO))
    assert read(path) == TWO
    path.write_text("{}")
    with pytest.raises(ValueError, match="started"):
        read(path)


def test_the_text_has_medians_ranges_and_ratios() -> None:
    """For each cell and for what batching changes."""
    lines = [" ".join(line.split()) for line in report.text(TWO).splitlines()]
    crowded = next(line for line in lines if line.startswith("compiled-hot-batched 1 64"))
    assert "12,000 [10,000-20,000] 10.0 9.0 20.0 30.0 40.0 0 25 [20-27] 57 12.5" in crowded
    assert "compiled-hot 1 64 4.00 1.00 1.00 0.25" in lines
    assert "64 60,000" in lines


def test_the_page_is_one_file_with_tables_and_plots() -> None:
    """It fetches nothing, and what came from outside is no markup."""
    page = Page(report.page(TWO))
    assert page.fetched == []
    assert page.tags.count("svg") == 5
    assert page.tags.count("table") == 3
    assert "script" not in page.tags
    assert "a <fast> one" in page.words
    for plot in ("Median latency by users", "99th percentile", "Throughput by users", "Batch sizes", "CPU a request"):
        assert plot in page.words
    assert "12,000 [10,000-20,000]" in page.words
    assert "No request failed." in page.words


def test_with_several_cpu_limits_throughput_is_drawn_by_them() -> None:
    """A plot more, of the greatest crowd."""
    several = made(
        ("compiled-hot-batched", 0.5, 8, [turn(5000, 30)]),
        ("compiled-hot-batched", 1, 8, [turn(9000, 30)]),
    )
    words = Page(report.page(several)).words
    assert "Throughput by CPU limit, 8 users" in words
    assert "Throughput by users, 1 CPU" in words


@pytest.mark.parametrize("value", [0.004, 0.5, 3.3, 1234.5])
def test_one_crowd_is_enough_for_plots(value: float) -> None:
    """Axes have marks however little or large the figures are."""
    one = turn(value * 100, value, latency=Latency(value, value, value, value, value), answered=round(value * 100) or 1)
    plots = Page(report.page(made(("compiled-hot-batched", 1, 1, [one]), ("compiled-hot-unbatched", 1, 1, [one]))))
    assert plots.tags.count("svg") == 5


def test_the_same_results_make_the_same_page() -> None:
    """So that a report in a repository changes only with its figures."""
    assert report.page(TWO) == report.page(TWO)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda good: replace(good, failures={"status 503": 3}), id="a failure"),
        pytest.param(lambda good: replace(good, answered=0, latency=None, activity=None, memory_mb=None), id="dead"),
    ],
)
def test_a_failure_is_no_success(spoil: Callable[[Round], Round]) -> None:
    """A cell with a failure, or without an answer, fails the whole, and every way to show it goes on."""
    results = made(("sklearn-asgi-batched", 1, 8, [turn(10, 10), spoil(turn(10, 10))]))
    assert not results.passed
    assert "Some requests failed." in Page(report.page(results)).words
    assert report.text(results)
    assert not made(("sklearn-asgi-batched", 1, 8, [])).passed
    only = made(("sklearn-asgi-batched", 1, 8, [spoil(turn(10, 10))]))
    assert Page(report.page(only)).tags.count("svg") == 5


def test_failures_are_told_with_their_reason() -> None:
    """Where, how many and why."""
    results = made(("compiled-hot-batched", 1, 8, [turn(10, 10, failures={"status 503": 3})]))
    told = "compiled-hot-batched, 1 CPU, 8 users: 3 x status 503"
    assert told in report.text(results)
    assert told in Page(report.page(results)).words


def test_a_table_is_text_and_markdown() -> None:
    """Words to the left, numbers to the right."""
    table = Table("Things", ["name", "size"], [["long one", "1"], ["b", "1,000"]])
    assert table.text() == "\nThings\nname       size\nlong one      1\nb         1,000\n"
    assert table.markdown() == "**Things**\n\n| name | size |\n| --- | ---: |\n| long one | 1 |\n| b | 1,000 |\n"


def test_what_was_kept_can_be_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text, page and Markdown, without measuring anew."""
    kept, page, document = tmp_path / "results.json", tmp_path / "new" / "report.html", tmp_path / "tables.md"
    kept.write_bytes(encode(TWO))
    assert report.main([str(kept), "--html", str(page), "--markdown", str(document)]) == 0
    assert "Every mode" in capsys.readouterr().out
    assert page.read_text() == report.page(TWO)
    tables = document.read_text()
    assert re.search(r"^- processor: a <fast> one$", tables, re.MULTILINE)
    assert "| compiled-hot-batched | 1 | 64 | 12,000 [10,000-20,000] |" in tables
    assert report.main([str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err


def test_showing_needs_no_locust() -> None:
    """Importing Locust would patch the process that measures."""
    modules = modules_after("import loadtest.report, loadtest.compare")
    assert "locust" not in modules
    assert "gevent" not in modules
