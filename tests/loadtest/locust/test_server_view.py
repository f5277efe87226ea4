"""A server's last minute, as a table."""

from dataclasses import replace

import pytest

from loadtest.locust.server_view import COLUMNS, KEPT, ServerView, sparkline
from loadtest.reports.activity import Snapshot
from tests.loadtest.reports.test_activity import LOOK


def later(look: Snapshot, *, requests: int = 100, seconds: float = 1, queued: int = 0) -> Snapshot:
    """What is seen after a while in which requests came, ten to a batch, each of them for a millisecond of CPU."""
    return replace(
        look,
        at=look.at + seconds,
        cpu_seconds=look.cpu_seconds + requests / 1000,
        queued_rows=queued,
        answered=look.answered + requests,
        batches=look.batches + requests // 10,
        batched_rows=look.batched_rows + requests,
        waits=look.waits + requests,
        wait_seconds=look.wait_seconds + requests * 0.002,
    )


def table(view: ServerView) -> dict[str, tuple[str, str, str]]:
    """Figure → its other cells."""
    return {row["figure"]: (row["now"], row["most"], row["course"]) for row in view.rows()}


def test_figures_are_of_the_time_between_two_looks() -> None:
    """Now, the most there was, and the course of it."""
    view, look = ServerView(), LOOK
    view.add(look)
    for requests, queued in ((100, 0), (400, 30), (300, 5)):
        look = later(look, requests=requests, queued=queued)
        view.add(look)
    found = table(view)
    assert found["Answers a second"] == ("300", "400", "▃█▆")
    assert found["Queue depth, rows"] == ("5", "30", "▁█▂")
    assert found["CPU, % of a core"] == ("30.0", "40.0", "▃█▆")
    assert found["CPU a request, µs"][0] == "1,000"
    assert found["Batch size, rows (mean)"][0] == "10.0"
    assert found["Time in the queue, ms (mean)"][0] == "2.00"
    assert found["Open connections"][0] == "3"
    assert found["Memory, MB"][0] == "50"
    assert all(set(row) == set(COLUMNS) for row in view.rows())


def test_a_server_at_rest_has_no_batch_size() -> None:
    """A dash, and a dot in its course; other figures are zero."""
    view = ServerView()
    busy = later(LOOK)
    for look in (LOOK, busy, later(busy, requests=0)):
        view.add(look)
    found = table(view)
    assert found["Batch size, rows (mean)"] == ("-", "10.0", "█·")
    assert found["Answers a second"] == ("0", "100", "█▁")


def test_what_is_long_past_is_forgotten() -> None:
    """The table goes a minute back."""
    view, look = ServerView(), LOOK
    for _ in range(2 * KEPT):
        view.add(look)
        look = later(look)
    assert len(table(view)["Answers a second"][2]) == KEPT


def test_a_server_that_cannot_be_reached_is_owned_up_to() -> None:
    """Instead of figures that would be old; when it is back they start anew."""
    view = ServerView()
    assert list(table(view)) == ["it has not been looked at yet"]
    view.add(LOOK)
    assert len(view.rows()) == 1
    view.add(later(LOOK))
    assert len(view.rows()) > 5
    view.lose("it cannot be reached (refused)")
    assert view.rows() == [
        {"figure": "no figures: it cannot be reached (refused)", "now": "", "most": "", "course": ""}
    ]
    view.add(LOOK)
    view.add(later(LOOK, requests=300))
    assert table(view)["Answers a second"] == ("300", "300", "█")


def test_a_server_that_was_started_anew_does_not_count_backwards() -> None:
    """The look at a new server is none at the old one."""
    view = ServerView()
    view.add(replace(LOOK, answered=5000, cpu_seconds=100))
    view.add(later(LOOK))
    assert len(view.rows()) == 1
    view.add(later(later(LOOK)))
    assert table(view)["Answers a second"] == ("100", "100", "█")


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param([0, 0], "▁▁", id="zeros"),
        pytest.param([None], "·", id="unknown"),
        pytest.param([0, 1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▅▆▇█", id="eighths"),
    ],
)
def test_a_course_is_drawn_in_blocks(course: list[float | None], expected: str) -> None:
    """From zero to the greatest."""
    assert sparkline(course) == expected
