"""The comparison of batched with unbatched serving, in small."""

import json
from pathlib import Path

import pytest

from loadtest import compare
from tests.conftest import Start, Store


def compared(folder: Path, capsys: pytest.CaptureFixture[str], *server_options: str) -> str:
    """Run the comparison for a short time, with status 0 and every figure in a file; returns its table."""
    out = folder / "figures.json"
    options = ["--users", "8", "--seconds", "0.5", "--warm-up", "0.2", "--rounds", "1", "--json", str(out)]
    assert compare.main([*options, "--", *server_options]) == 0
    table = capsys.readouterr().out
    assert "batched" in table
    modes = json.loads(out.read_text())["modes"]
    assert modes["off"]["summary"]["rows_per_batch"] == 1
    for mode in modes.values():
        assert mode["summary"]["failures"] == 0
        assert mode["summary"]["requests_per_second"] > 0
    return table


def test_the_comparison_serves_both_modes_without_a_failure(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short run ends with status 0, a table of both modes, and every figure in a file."""
    monkeypatch.setattr(compare, "serving", lambda options: start(*options))
    assert "8 users, BestModelRF/7, engine stub" in compared(tmp_path, capsys)


@pytest.mark.slow
def test_the_comparison_serves_the_registered_forest(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So does one with servers as their users start them."""
    table = compared(tmp_path, capsys, "--tracking-uri", store.tracking_uri)
    assert "8 users, BestModelRF/1, engine compiled" in table
