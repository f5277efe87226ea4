"""What a request costs by connections, in small."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from loadtest import http_cost
from loadtest.generators.formats import FORMATS
from loadtest.system.process import ServerProcess
from tests.conftest import stub_serving


@pytest.mark.tool("wrk", "h2load")
def test_both_ways_are_measured_at_each_number_of_connections(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table with a row for each, and every figure in a file; no request failed."""

    def start(options: Sequence[str]) -> AbstractContextManager[ServerProcess]:
        return stub_serving(options)

    monkeypatch.setattr(http_cost, "serving", start)
    out = tmp_path / "figures.json"
    assert http_cost.main(["--connections", "1", "8", "--seconds", "1", "--rounds", "2", "--json", str(out)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines[2:6]] == [["1", "hot"], ["1", "asgi"], ["8", "hot"], ["8", "asgi"]]
    more = ["--formats", *FORMATS, "grpc", "--rows", "1", "3", "--http", "hot"]
    assert http_cost.main([*more, "--connections", "4", "--seconds", "1", "--rounds", "1"]) == 0
    table = capsys.readouterr().out
    assert all(f"hot {name} " in table and f"hot {name}, 3 rows " in table for name in [*FORMATS, "grpc"])
    for figures in json.loads(out.read_text())["figures"]:
        assert len(figures["cpu"]) == len(figures["rate"]) == 2
        assert min(*figures["cpu"], *figures["rate"]) > 0


def test_without_wrk_the_remedy_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Status 2, and the package to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert http_cost.main([]) == 2
    assert "apt-get install wrk" in capsys.readouterr().err
