"""The table of every kind of model beside its library."""

import importlib
import importlib.util
import re
from typing import Any

import pytest
import sklearn

from forest import Parity
from training.kinds import KINDS, SIZES, Size, main, time_kind

SMALL = Size(rows=2000, trees=3, compared=50)


EVERY_KIND = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, id=kind.title, marks=[pytest.mark.catboost] if kind.library == "catboost" else [])
        for kind in KINDS
    ],
)


@EVERY_KIND
def test_a_model_of_every_kind_is_trained_compared_and_timed(kind: Any) -> None:  # noqa: ANN401 - a Kind
    """It answers as its library does, and its figures are of all batch sizes."""
    timed = time_kind(kind, SMALL, seconds=1e-6)
    assert (timed.parity.rows, timed.parity.different) == (SMALL.compared, 0)
    assert timed.title.startswith(f"`{kind.title}`: ")
    assert f", {kind.shape}, " in timed.title
    assert [timing.batch for timing in timed.timings] == list(SIZES)
    library = {"sklearn": "scikit-learn"}.get(kind.library, kind.library)
    assert timed.library == f"{library} {importlib.import_module(kind.library).__version__}"
    assert all(list(timing.others) == [library] for timing in timed.timings)


@pytest.mark.slow
@EVERY_KIND
def test_a_full_model_of_every_kind_answers_as_its_library(kind: Any) -> None:  # noqa: ANN401 - a Kind
    """Twenty thousand rows: those that were held out, and others on the thresholds."""
    timed = time_kind(kind, Size(), seconds=1e-6)
    assert (timed.parity.rows, timed.parity.different) == (20_000, 0), timed.library


ARGUMENTS = ["--rows", "300", "--trees", "2", "--compared", "50", "--seconds", "0.000001", "--kinds"]


def test_the_command_prints_a_line_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    """In Markdown, with the models' sizes."""
    assert main([*ARGUMENTS, "DecisionTreeClassifier", "RandomForestRegressor"]) == 0
    head, _, *lines, _, first, second = capsys.readouterr().out.splitlines()
    assert head == "| model | 1 row | 8 rows | 128 rows | 1,024 rows |"
    forest, tree = (line.split(" | ")[0] for line in lines)
    assert forest.startswith("| `RandomForestRegressor`: 2 trees, depth 12, ")
    assert tree.startswith("| `DecisionTreeClassifier`: 1 tree, depth 20, ")
    against = rf"against scikit-learn {re.escape(sklearn.__version__)}: 0 of 50 rows differ"
    assert re.fullmatch(rf"`RandomForestRegressor`: 2 trees, .* {against}", first)
    assert re.fullmatch(rf"`DecisionTreeClassifier`: 1 tree, .* {against}", second)


def test_a_library_that_is_not_installed_is_told_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are shown; if there are none, the status is 1."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "lightgbm" else find(name, *rest)
    )
    assert main([*ARGUMENTS, "LGBMRegressor", "DecisionTreeClassifier"]) == 0
    said = capsys.readouterr()
    assert "LGBMRegressor: left out, for lightgbm is not installed\n" in said.err
    assert "DecisionTreeClassifier" in said.out
    assert "LGBMRegressor" not in said.out
    assert main([*ARGUMENTS, "LGBMRegressor"]) == 1


def test_a_model_whose_answers_differ_fails_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures would be of another model."""
    monkeypatch.setattr("training.kinds.compare", lambda *_: Parity(rows=1000, different=2))
    assert main([*ARGUMENTS, "DecisionTreeClassifier"]) == 1
    assert capsys.readouterr().out.endswith(": 2 of 1,000 rows differ\n")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--kinds", "SVC"], id="unknown-kind"),
        pytest.param(["--rows", "0"], id="no-rows"),
        pytest.param(["--trees", "-1"], id="negative-trees"),
        pytest.param(["--rivals", "pandas"], id="unknown-rival"),
        pytest.param(["--compared", "0"], id="nothing-compared"),
        pytest.param(["--seconds", "long"], id="seconds-of-words"),
        pytest.param(["--seconds", "0"], id="no-seconds"),
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str]) -> None:
    """Before anything is trained."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
