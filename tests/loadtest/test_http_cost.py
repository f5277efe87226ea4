"""What a request costs by connections, in small."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from loadtest import http_cost
from loadtest.generators.formats import FORMATS
from loadtest.http import nginx
from loadtest.system.process import ServerProcess
from tests.conftest import Store, stub_serving


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers have a stand-in engine."""

    def start(options: Sequence[str]) -> AbstractContextManager[ServerProcess]:
        return stub_serving(options)

    monkeypatch.setattr(http_cost, "serving", start)


@pytest.mark.tool("wrk", "h2load", "nginx")
@pytest.mark.usefixtures("stub")
def test_both_ways_are_measured_at_each_number_of_connections(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table with a row for each, nginx beside them, and every figure in a file; no request failed."""
    out = tmp_path / "figures.json"
    few = ["--connections", "1", "8", "--close", "4", "--seconds", "1", "--rounds", "2", "--json", str(out)]
    assert http_cost.main(few) == 0
    said = capsys.readouterr()
    assert "engine stub is no compiled forest, so there is no floor" in said.err
    lines = said.out.splitlines()[4:10]
    assert [line.split("  ")[0] for line in lines] == [
        *("hot predict", "asgi predict") * 2,
        *("hot predict, close", "asgi predict, close"),
    ]
    for figures in json.loads(out.read_text())["figures"]:
        assert len(figures["rounds"]) == 2
        for turn in figures["rounds"]:
            assert min(turn["cpu"], turn["nginx"], turn["rate"]) > 0
            assert turn["failures"] == 0
        assert figures["ratio"] is None


@pytest.mark.tool("wrk", "h2load")
@pytest.mark.usefixtures("stub")
def test_every_format_is_measured_without_nginx(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one row and of several; a line says that there is no nginx, and with which package there would be."""
    monkeypatch.setattr(nginx, "program", lambda: None)
    more = ["--formats", *FORMATS, "grpc", "--rows", "1", "3", "--http", "hot", "--close"]
    assert http_cost.main([*more, "--connections", "4", "--seconds", "1", "--rounds", "1"]) == 0
    said = capsys.readouterr()
    assert all(f"hot {name} " in said.out and f"hot {name}, 3 rows " in said.out for name in [*FORMATS, "grpc"])
    assert "apt-get install nginx" in said.err


@pytest.mark.tool("wrk", "h2load", "nginx")
def test_long_answers_and_grpc_are_measured_beside_a_forest(store: Store, tmp_path: Path) -> None:
    """An answer of a hundred rows is whole in nginx too, and the forest is timed though gRPC is asked as well."""
    out = tmp_path / "figures.json"
    few = ["--http", "hot", "--formats", "probabilities", "grpc", "--rows", "100", "--connections", "4", "--close"]
    few += ["--seconds", "1", "--rounds", "1", "--json", str(out), "--", "--tracking-uri", store.tracking_uri]
    assert http_cost.main(few) == 0
    over_http, over_grpc = json.loads(out.read_text())["figures"]
    assert over_http["ratio"] > 0
    assert over_grpc["rounds"][0]["forest"] > 0


def test_without_wrk_the_remedy_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Status 2, and the package to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert http_cost.main([]) == 2
    assert "apt-get install wrk" in capsys.readouterr().err


@pytest.mark.tool("wrk")
def test_nothing_to_ask_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """It says what to give."""
    with pytest.raises(SystemExit, match="2"):
        http_cost.main(["--connections", "--close"])
    assert "give a number of --connections" in capsys.readouterr().err
