"""The command line: what it prints, what it leaves behind, and how it ends."""

import argparse
import copy
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray

from forest.__main__ import _parser, main
from forest.artifact import Origin, Parity, read, write
from forest.checks.bench import SIZES
from forest.files.source import estimator_file
from tests.conftest import ROOT
from tests.forest.conftest import Written
from tests.forest.files.tampering import changed, with_numbers
from tests.forest.forests import Grown

COMMANDS = ("compile", "inspect", "verify", "bench")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def fault(self) -> str:
        """The last line on stderr; a progress bar may have been drawn and wiped before it."""
        return self.err.splitlines()[-1].strip()


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Outcome(status, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def files(tiny: Grown, written: Written, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny forest in every format, and with much that is none."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("files")
    joblib.dump(tiny.estimator, folder / "forest.joblib")
    skops.io.dump(tiny.estimator, folder / "forest.skops")
    (folder / "mlflow-skops").mkdir()
    shutil.copy(folder / "forest.skops", folder / "mlflow-skops" / "model.skops")
    (folder / "mlflow-pickle").mkdir()
    labels = tiny.estimator.predict(tiny.matrix)

    def other(**options: object) -> Any:  # noqa: ANN401 - sklearn is untyped
        return RandomForestClassifier(4, max_depth=6, random_state=1, **options)

    for name, content in {
        "forest": tiny.estimator,
        "mlflow-pickle/model": tiny.estimator,
        "other": other().fit(tiny.matrix, labels),
        "names": other().fit(tiny.matrix, np.array(["a", "b", "c"])[labels]),
        "two-classes": other().fit(tiny.matrix, labels > 0),
        "one-class": other().fit(tiny.matrix, labels * 0),
        "wide": other().fit(np.tile(tiny.matrix, 2), labels),
        "unfitted": other(),
        "linear": LogisticRegression().fit(tiny.matrix, labels),
        "dict": {"a": 1},
    }.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(content))
    shutil.copy(written.path, folder / "forest.forest")
    (folder / "damaged.forest").write_bytes(written.content[:-1] + b"\x55")
    astray = with_numbers(written.content, "words", lambda words: words.fill(0))
    (folder / "astray.forest").write_bytes(astray)
    (folder / "garbage.pkl").write_bytes(b"garbage")
    (folder / "empty-folder").mkdir()
    save_rows(folder, tiny.matrix)
    return folder


def save_rows(folder: Path, matrix: NDArray[np.float32]) -> None:
    """Write files of rows, right ones and wrong ones."""
    contents: dict[str, Any] = {
        "right": matrix,
        "doubles": matrix.astype(np.float64),
        "turned": np.asfortranarray(matrix),
        "whole": (matrix * 10).astype(np.int64),
        "narrow": matrix[:, :2],
        "flat": matrix.ravel(),
        "scalar": np.float32(3),
        "nan": np.where(np.arange(3) == 1, np.nan, matrix[:5]),
        "infinite": np.where(np.arange(3) == 1, np.inf, matrix[:1]),
        "none": matrix[:0],
        "words": np.full((2, 3), "x"),
        "records": np.zeros((2, 3), dtype="f4,f4"),
    }
    for name, rows in contents.items():
        np.save(folder / f"{name}.npy", rows)
    np.save(folder / "objects.npy", np.full((2, 3), None), allow_pickle=True)
    np.savez(folder / "several.npz", matrix, matrix)
    (folder / "no-bytes.npy").touch()
    (folder / "garbage.npy").write_bytes(b"garbage" * 10)
    (folder / "cut-off.npy").write_bytes((folder / "right.npy").read_bytes()[:500])


@pytest.mark.parametrize(
    "source", ["forest.pkl", "forest.joblib", "forest.skops", "mlflow-skops", "mlflow-pickle"], ids=str
)
def test_a_forest_goes_through_all_commands(run: Run, files: Path, tiny: Grown, source: str) -> None:
    """It is compiled, inspected, verified and timed from a file of any kind."""
    compiled = run("compile", files / source, "made.forest")
    assert compiled.status == 0, compiled.err
    assert compiled.out.splitlines()[-1] == "3,000 rows compared with scikit-learn: equal to the last bit"
    artifact = read(Path("made.forest"))
    assert artifact.header.parity == Parity(rows=3000, different=0)
    assert artifact.header.origin == Origin(source)

    inspected = run("inspect", "made.forest")
    assert (inspected.status, inspected.err) == (0, "")
    told, walk = inspected.out.rsplit("walk:", 1)
    assert told == compiled.out.rpartition("3,000 rows compared")[0]
    assert "portable" in walk
    facts = dict(line.split(":", 1) for line in inspected.out.splitlines())
    assert {name: fact.strip() for name, fact in facts.items()}.items() >= {
        "trees": "4",
        "nodes": str(sum(tree.tree_.node_count for tree in tiny.estimator.estimators_)),
        "depth": "6",
        "classes": "0, 1, 2",
        "columns": "3: not named",
        "origin": source,
        "parity": "0 of 3,000 rows differ from scikit-learn",
    }.items()

    verified = run("verify", "made.forest", files / source, "--count", 600)
    assert verified.status == 0
    assert verified.out == "600 rows compared with scikit-learn: equal to the last bit\n"

    timed = run("bench", "made.forest", files / source, "--rows", files / "right.npy", "--seconds", 0.0001)
    assert timed.status == 0
    head, *lines, _, sizes = timed.out.splitlines()
    assert "times as fast" in head
    assert [line.split()[0].replace(",", "") for line in lines] == [str(size) for size in SIZES]
    file = estimator_file(files / source)
    assert sizes == f"{artifact.size:,} bytes compiled, {file.stat().st_size:,} in {file.name}"


def test_the_file_stands_where_it_was_asked_for_and_nothing_else(run: Run, files: Path, written: Written) -> None:
    """Compiling replaces what was there and leaves nothing beside it."""
    Path("made.forest").write_text("old")
    assert run("compile", files / "forest.pkl", "made.forest", "--count", 30).status == 0
    assert [path.name for path in Path().iterdir()] == ["made.forest"]
    np.testing.assert_array_equal(read(Path("made.forest")).arrays.words, written.arrays.words)


def test_names_and_versions_are_printed(run: Run, tmp_path: Path, written: Written) -> None:
    """A file with names of columns and classes, from a version of a registered model, tells them."""
    arrays = replace(written.arrays, columns=("a", "b", "c"), classes=np.array(["x", "y", "z"]))
    write(tmp_path / "a.forest", arrays, Origin("Model", "7"), Parity(rows=1000, different=1000))
    printed = run("inspect", "a.forest").out
    for line in (
        "columns:       3: a, b, c",
        "classes:       x, y, z",
        "origin:        Model version 7",
        "parity:        1,000 of 1,000 rows differ from scikit-learn",
    ):
        assert line in printed.splitlines()


def test_a_bench_on_drawn_rows_says_so(run: Run, files: Path) -> None:
    """Figures on rows that nobody would ask are not to be taken for real ones."""
    timed = run("bench", files / "forest.forest", files / "forest.pkl", "--count", 9, "--seconds", 0.0001)
    assert timed.status == 0
    note, head, *lines, walk, _ = timed.out.splitlines()
    assert note.startswith("rows drawn from the model's thresholds")
    assert "rows a call" in head
    assert len(lines) == len(SIZES)
    assert walk.startswith("the compiled model's walk is ")


def test_a_bench_times_walks_beside_each_other(run: Run, files: Path) -> None:
    """The first that is named is the compiled model's, each other has a column."""
    paths = (files / "forest.forest", files / "forest.pkl", "--rows", files / "right.npy")
    timed = run("bench", *paths, "--seconds", 0.0001, "--walk", "portable", "auto")
    assert timed.status == 0
    assert "walk " in timed.out.splitlines()[0]
    assert "\nthe compiled model's walk is portable, of portable" in timed.out


def test_a_bench_times_labels_only_at_the_sizes_that_are_named(run: Run, files: Path) -> None:
    """A column more, and a line for each size."""
    paths = (files / "forest.forest", files / "forest.pkl", "--rows", files / "right.npy")
    timed = run("bench", *paths, "--seconds", 0.0001, "--labels", "--sizes", 3, 12)
    assert timed.status == 0
    head, *lines = timed.out.splitlines()[:3]
    assert "labels only, us a row" in head
    assert [line.split()[0] for line in lines] == ["3", "12"]


@pytest.mark.parametrize("rows", ["right", "doubles", "turned", "whole"])
@pytest.mark.parametrize("command", ["compile", "verify"])
def test_rows_of_a_file_are_compared(run: Run, files: Path, command: str, rows: str) -> None:
    """Numbers of any type and layout do."""
    paths = {"compile": ("forest.pkl", "../made.forest"), "verify": ("forest.forest", "forest.pkl")}[command]
    done = run(command, *(files / path for path in paths), "--rows", files / f"{rows}.npy")
    assert done.status == 0
    assert done.out.splitlines()[-1] == "300 rows compared with scikit-learn: equal to the last bit"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["compile", "missing.pkl", "OUT"], "there is no ", id="no-source"),
        pytest.param(["compile", "empty-folder", "OUT"], "model.skops or ", id="empty-folder"),
        pytest.param(["compile", "garbage.pkl", "OUT"], "garbage.pkl: is no estimator", id="garbage"),
        pytest.param(["compile", "linear.pkl", "OUT"], "LogisticRegression is no model", id="no-forest"),
        pytest.param(["compile", "dict.pkl", "OUT"], "dict is no model", id="no-estimator"),
        pytest.param(["compile", "unfitted.pkl", "OUT"], "is not fitted", id="unfitted"),
        pytest.param(["inspect", "missing.forest"], "missing.forest", id="inspect-nothing"),
        pytest.param(["inspect", "empty-folder"], "empty-folder", id="inspect-folder"),
        pytest.param(["inspect", "forest.pkl"], "make one with `python -m forest compile`", id="inspect-foreign"),
        pytest.param(["inspect", "garbage.pkl"], "garbage.pkl: 7 bytes are no compiled", id="inspect-garbage"),
        pytest.param(["inspect", "damaged.forest"], "damaged.forest: is damaged: its checksum", id="inspect-damaged"),
        pytest.param(["inspect", "astray.forest"], "astray.forest: is damaged: word 2 of line 0", id="inspect-astray"),
        pytest.param(["verify", "damaged.forest", "forest.pkl"], "is damaged: its checksum", id="verify-damaged"),
        pytest.param(["verify", "forest.forest", "missing.pkl"], "there is no ", id="verify-nothing"),
        pytest.param(["verify", "forest.forest", "garbage.pkl"], "is no estimator", id="verify-garbage"),
        pytest.param(["verify", "forest.forest", "linear.pkl"], "LogisticRegression is no", id="verify-no-forest"),
        pytest.param(["verify", "forest.forest", "dict.pkl"], "dict is no model", id="verify-no-estimator"),
        pytest.param(["verify", "forest.forest", "unfitted.pkl"], "is not fitted", id="verify-unfitted"),
        pytest.param(["bench", "damaged.forest", "forest.pkl"], "is damaged: its checksum", id="bench-damaged"),
        pytest.param(["bench", "forest.forest", "missing.pkl"], "there is no ", id="bench-nothing"),
        pytest.param(["bench", "forest.forest", "linear.pkl"], "LogisticRegression is no", id="bench-no-forest"),
        pytest.param(["bench", "forest.forest", "dict.pkl"], "dict is no model", id="bench-no-estimator"),
    ],
)
def test_a_fault_is_one_line_and_status_1(run: Run, files: Path, arguments: list[str], message: str) -> None:
    """What is wrong with a file stands on stderr, and nothing is written."""
    command, *paths = arguments
    done = run(command, *(path if path == "OUT" else files / path for path in paths))
    assert (done.status, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("forest: ")
    assert message in done.err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param("narrow.npy", "narrow.npy: has the shape (300, 2), not (n, 3)", id="narrow"),
        pytest.param("flat.npy", "flat.npy: has the shape (900,), not (n, 3)", id="flat"),
        pytest.param("scalar.npy", "scalar.npy: has the shape (), not (n, 3)", id="scalar"),
        pytest.param("nan.npy", "nan.npy: has a NaN", id="nan"),
        pytest.param("infinite.npy", "infinity", id="infinite"),
        pytest.param("none.npy", "none.npy: has no rows", id="no-rows"),
        pytest.param("missing.npy", "missing.npy", id="missing"),
        pytest.param("empty-folder", "empty-folder", id="folder"),
        pytest.param("words.npy", "could not convert", id="words"),
        pytest.param("objects.npy", "allow_pickle", id="objects"),
        pytest.param("garbage.npy", "pickled", id="garbage"),
        pytest.param("cut-off.npy", "read all data", id="cut-off"),
        pytest.param("records.npy", "", id="records"),
        pytest.param("several.npz", "several.npz", id="several-arrays"),
        pytest.param("no-bytes.npy", "", id="no-bytes"),
    ],
)
@pytest.mark.parametrize("command", ["compile", "verify", "bench"])
def test_a_file_of_wrong_rows_is_refused_in_one_line(
    run: Run, files: Path, command: str, rows: str, message: str
) -> None:
    """The last line on stderr says what is wrong with the rows, and nothing is written."""
    paths = ["forest.pkl", "forest.forest"] if command != "compile" else ["forest.pkl"]
    arguments = [files / path for path in reversed(paths)] + ([Path("made.forest")] if command == "compile" else [])
    options = ["--seconds", "0.0001"] if command == "bench" else []
    done = run(command, *arguments, "--rows", files / rows, *options)
    assert done.status == 1
    assert done.fault.startswith("forest: ")
    assert message in done.fault
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param("other.pkl", r"of 600 rows differ from scikit-learn", id="other-trees"),
        pytest.param("names.pkl", "600 of 600 rows differ from scikit-learn", id="other-labels"),
        pytest.param("two-classes.pkl", "class|differ", id="two-classes"),
        pytest.param("one-class.pkl", "class|differ", id="one-class"),
        pytest.param("wide.pkl", "the matrix has 6 columns, the model takes 3", id="other-columns"),
    ],
)
def test_an_artifact_of_another_forest_fails_verification(run: Run, files: Path, source: str, message: str) -> None:
    """The last line says how many rows differ, or why the two cannot be compared."""
    done = run("verify", files / "forest.forest", files / source, "--count", 600)
    assert (done.status, done.out) == (1, "")
    assert done.fault.startswith("forest: ")
    assert any(part in done.fault for part in message.split("|"))


def test_a_forest_that_fails_its_comparison_is_told_of(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows differ, compile ends with 1, and the file records how many."""
    monkeypatch.setattr("forest.__main__.compare", lambda *_: Parity(rows=3000, different=2))
    done = run("compile", files / "forest.pkl", "made.forest")
    assert done.status == 1
    assert done.fault == "forest: 2 of 3,000 rows differ from scikit-learn"
    assert read(Path("made.forest")).header.parity == Parity(rows=3000, different=2)


def test_an_output_that_cannot_be_written_is_told_of(run: Run, files: Path) -> None:
    """A folder in the place of the file is a fault, and stays as it is."""
    Path("made.forest").mkdir()
    done = run("compile", files / "forest.pkl", "made.forest", "--count", 9)
    assert done.status == 1
    assert "made.forest" in done.fault
    assert [path.name for path in Path().iterdir()] == ["made.forest"]


def test_an_interrupt_ends_a_command_with_130(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C prints no traceback."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("forest.__main__.compile_forest", interrupt)
    assert run("compile", files / "forest.pkl", "made.forest") == Outcome(130, "", "")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="none"),
        pytest.param(["burn"], id="unknown-command"),
        pytest.param(["compile", "a"], id="too-few"),
        pytest.param(["inspect", "a", "b"], id="too-many"),
        pytest.param(["verify", "a", "b", "--count", "0"], id="count-of-none"),
        pytest.param(["verify", "a", "b", "--count", "-5"], id="negative-count"),
        pytest.param(["verify", "a", "b", "--count", "many"], id="count-of-words"),
        pytest.param(["bench", "a", "b", "--seconds", "long"], id="seconds-of-words"),
        pytest.param(["bench", "a", "b", "--seconds", "0"], id="no-seconds"),
        pytest.param(["bench", "a", "b", "--seconds", "-1"], id="negative-seconds"),
        pytest.param(["bench", "a", "b", "--seconds", "nan"], id="seconds-not-a-number"),
    ],
)
def test_wrong_arguments_are_told_with_the_usage_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Nothing is done before the arguments are right."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: python -m forest")


@pytest.mark.parametrize("nodes", [0, -1])
def test_a_file_that_says_it_has_no_nodes_is_inspected_or_refused(
    run: Run, tmp_path: Path, written: Written, nodes: int
) -> None:
    """What a header claims of the forest divides nothing by zero."""

    def claim(head: dict[str, Any]) -> None:
        head["nodes"] = nodes

    (tmp_path / "none.forest").write_bytes(changed(written.content, claim))
    done = run("inspect", "none.forest")
    assert (done.status == 0) == (done.err == "")


@pytest.mark.parametrize("command", [(), *((command,) for command in COMMANDS)], ids=lambda command: "-".join(command))
def test_every_command_has_a_help(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    """It begins with the usage; that of the whole lists the commands."""
    with pytest.raises(SystemExit) as raised:
        main([*command, "--help"])
    assert raised.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {' '.join(['python -m forest', *command])}")
    assert all(each in text for each in (COMMANDS if not command else ()))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_argument_is_explained(command: str) -> None:
    """Nothing that can be given is without a text in the help."""
    (commands,) = (each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction))
    parser: argparse.ArgumentParser = commands.choices[command]
    assert parser.description
    assert len(parser._actions) >= 2
    for action in parser._actions:
        assert action.help, action


def test_the_help_warns_of_pickles(capsys: pytest.CaptureFixture[str]) -> None:
    """Who names a pickle should know that it is run."""
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "pickle or joblib file runs the code in it" in " ".join(capsys.readouterr().out.split())


def python_m_forest(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "forest", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_a_shell_sees_status_and_output(files: Path, tmp_path: Path) -> None:
    """As processes of their own, the commands do the same: results on stdout, faults on stderr, and a status."""
    done = python_m_forest("compile", files / "forest.skops", "made.forest", "--count", 300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "300 rows compared with scikit-learn: equal to the last bit"
    assert "Warning" not in done.stderr
    assert "Traceback" not in done.stderr

    failed = python_m_forest("verify", "made.forest", files / "other.pkl", "--count", 300, cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.splitlines()[-1].strip().endswith("of 300 rows differ from scikit-learn")


def test_a_shell_sees_what_is_missing(tmp_path: Path) -> None:
    """A file that is not there is told on stderr, in one line, and the status is 1."""
    missing = python_m_forest("inspect", "missing.forest", cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == "forest: [Errno 2] No such file or directory: 'missing.forest'\n"


def test_a_forest_without_any_split_goes_through(run: Run, tiny: Grown, tmp_path: Path) -> None:
    """There are no thresholds to draw rows from; one row is compared all the same."""
    stump = copy.deepcopy(tiny.estimator).set_params(max_depth=1, min_samples_leaf=0.9)
    joblib.dump(stump.fit(tiny.matrix, tiny.estimator.predict(tiny.matrix)), tmp_path / "leaf.joblib")
    done = run("compile", "leaf.joblib", "leaf.forest")
    assert done.status == 0
    assert done.out.splitlines()[-1] == "1 rows compared with scikit-learn: equal to the last bit"
