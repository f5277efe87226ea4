"""What starts cost."""

import re

import pytest

from loadtest.start import main
from tests.conftest import Store
from tests.loadtest.system.test_budget import needs_groups


@needs_groups
@pytest.mark.slow
def test_starts_are_measured_within_a_limit(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A cold start, warm ones, and the cost of a look, all with a tracking server in between."""
    assert main(["--store", store.tracking_uri, "--rounds", "1", "--seconds", "1"]) == 0
    header, cold, warm, look = capsys.readouterr().out.splitlines()
    assert header.split() == ["ready", "s", "CPU", "s", "resident", "MB", "peak", "of", "all", "MiB"]
    for line, kind in ((cold, "cold"), (warm, "warm")):
        name, *figures = line.split()
        assert name == kind
        assert all(float(figure) > 0 for figure in figures)
        assert float(figures[2]) < 100
    assert re.fullmatch(r"a look for a new version: -?\d+\.\d ms of CPU; after 10 of them resident \d+\.\d MB", look)


@needs_groups
def test_a_store_that_cannot_be_reached_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The server's own last line has said why."""
    assert main(["--store", "http://127.0.0.1:9", "--rounds", "1", "--", "--model-wait-seconds", "0"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "start: the server ended with status 1"
