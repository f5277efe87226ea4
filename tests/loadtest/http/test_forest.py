"""The forest's own time."""

import shutil
from pathlib import Path

import pytest

from forest import Origin, Parity, compile_forest, write_artifact
from loadtest.http.forest import forest_clock, main
from registry import Prepared


def test_a_forest_is_timed_at_any_batch_size(prepared: Prepared) -> None:
    """As often as it is asked for, in seconds a row; a row costs less in a batch."""
    with forest_clock(prepared.artifact) as clock:
        alone, together = clock.seconds(1), clock.seconds(500)
    assert 0 < together < alone < 0.1


def test_a_forest_of_another_table_is_refused(
    forest: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows that are asked for are not its own."""
    file = tmp_path / "other.canopy"
    columns = tuple(f"column {number}" for number in range(54))
    write_artifact(file, compile_forest(forest, columns=columns), Origin("Other", "1"), Parity(rows=10, different=0))
    assert main([str(file)]) == 1
    assert "not of the forest-cover table" in capsys.readouterr().err


def test_a_file_that_is_no_forest_is_no_figure(tmp_path: Path) -> None:
    """Whoever asks is told that there is none."""
    file = Path(shutil.copyfile(__file__, tmp_path / "forest.canopy"))
    with pytest.raises(RuntimeError, match="could not be measured"), forest_clock(file) as clock:
        clock.seconds(1)
