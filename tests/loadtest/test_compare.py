"""The comparison of batched with unbatched serving, in small."""

import json
from pathlib import Path

import pytest

from loadtest import compare
from tests.conftest import Store


def test_the_comparison_serves_both_modes_without_a_failure(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A short run ends with status 0, a table of both modes, and every figure in a file."""
    out = tmp_path / "figures.json"
    options = ["--users", "8", "--seconds", "1", "--warm-up", "0.5", "--rounds", "1", "--json", str(out)]
    assert compare.main([*options, "--", "--tracking-uri", store.tracking_uri]) == 0
    table = capsys.readouterr().out
    assert "batched" in table
    assert "8 users, BestModelRF/1, engine compiled" in table
    modes = json.loads(out.read_text())["modes"]
    assert modes["off"]["summary"]["rows_per_batch"] == 1
    for mode in modes.values():
        assert mode["summary"]["failures"] == 0
        assert mode["summary"]["requests_per_second"] > 0
