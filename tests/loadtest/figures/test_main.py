"""``make figures``, without measuring."""

import os
from pathlib import Path

import pytest

from loadtest.figures import __main__ as program
from loadtest.figures.catalogue import FIGURES, Figures
from loadtest.figures.command import Command, Failed, Result
from loadtest.reports.table import Table

BEFORE = "<!-- figures: good -->\nold\n<!-- /figures -->\n<!-- figures: bad -->\nold\n<!-- /figures -->\n"


def test_all_tables_are_listed_with_their_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is run for that."""
    assert program.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(FIGURES)
    assert all("make " in line for line in lines)


def test_a_busy_machine_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the remedy, before anything is run."""
    monkeypatch.setattr(os, "getloadavg", lambda: (1.25, 0.0, 0.0))
    monkeypatch.setattr(program, "commit", lambda force: "1234567")  # noqa: ARG005
    assert program.main([]) == 2
    assert "busy (load average 1.25, at most 0.5)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "force", "told"),
    [
        pytest.param(" M docs/hot-path.md\n", False, "1234567", id="documents"),
        pytest.param(" M server.py\n", True, "1234567 with changes", id="forced"),
    ],
)
def test_what_is_measured_has_a_commit(monkeypatch: pytest.MonkeyPatch, status: str, force: bool, told: str) -> None:
    """Documents, which are written here, may have changed."""
    monkeypatch.setattr(program, "_git", lambda *words: status if words[0] == "status" else "1234567\n")
    assert program.commit(force=force) == told


def test_a_tree_with_changes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its figures would be of no commit."""
    monkeypatch.setattr(program, "_git", lambda *_: " M server.py\n")
    with pytest.raises(program.NotNow, match="commit them, or --force"):
        program.commit(force=False)


def test_a_benchmark_that_fails_leaves_its_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are written, with their pictures, and a command that two tables need is run once."""
    runs: list[str] = []

    def run(command: Command, data: str, store: str, keep: Path) -> Result:  # noqa: ARG001
        runs.append(command.target)
        if command.target == "bench-bad":
            raise Failed("make bench-bad ended with status 1")
        return Result("text", None)

    monkeypatch.setattr(Command, "run", run)
    monkeypatch.setattr(program, "ROOT", tmp_path)
    table = Table("", ["a", "b"], [["x", "1"]])
    good, bad = Command("bench-good"), Command("bench-bad")
    catalogue = {
        "good": Figures("d.md", (good,), lambda _: table, draw=lambda _: {"good.svg": "<svg/>"}),
        "bad": Figures("d.md", (good, bad), lambda _: table, draw=lambda _: {"bad.svg": "<svg/>"}),
        "lost": Figures("d.md", (good,), lambda _: table),
    }
    monkeypatch.setattr(program, "FIGURES", catalogue)
    (tmp_path / "d.md").write_text(BEFORE)
    assert program.measure(list(catalogue), "sample", "sqlite://", "commit 1") == ["bad", "lost"]
    assert runs == ["bench-good", "bench-bad"]
    assert [path.name for path in tmp_path.glob("*.svg")] == ["good.svg"]
    assert (tmp_path / "d.md").read_text() == BEFORE.replace(
        "old",
        "| a | b |\n| --- | ---: |\n| x | 1 |\n\n`make bench-good`, commit 1, the model of `make train DATA=sample`",
        1,
    )
    said = capsys.readouterr().err
    assert "bad stays as it is: Failed: make bench-bad ended with status 1" in said
    assert "lost stays as it is: BadMarks: there is no <!-- figures: lost -->" in said


def test_a_command_that_ends_badly_or_keeps_nothing_has_failed(tmp_path: Path) -> None:
    """Whatever it has printed."""
    with pytest.raises(Failed, match="make no-such-target ended with status 2"):
        Command("no-such-target").run("sample", "sqlite://", tmp_path / "f")
    with pytest.raises(Failed, match="has written no"):
        Command("help").run("sample", "sqlite://", tmp_path / "f")
    assert "list the targets" in Command("help", json=False).run("sample", "sqlite://", tmp_path / "f").text
