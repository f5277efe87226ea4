"""The command line: ``python -m forest compile | inspect | verify | bench``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from forest.artifact import Artifact, BadArtifact, Origin, Parity, read, write
from forest.checks.bench import measure, table
from forest.checks.build import reference
from forest.checks.parity import compare, threshold_rows
from forest.compile import Progress, compile_forest
from forest.compiled import CompiledEngine
from forest.engine import UnsupportedModel
from forest.estimator import SklearnEngine, fitted_forest
from forest.files.installed import is_installed
from forest.files.source import estimator_file, load_estimator, load_forest
from forest.fitted import FittedForest

_FAULTS: Final = (BadArtifact, UnsupportedModel, ImportError, OSError, ValueError)


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run a command; returns the exit status: 0, or 1 for a fault or a difference, which the last line names.

    ``prog`` is what the help calls the command, if not ``python -m forest COMMAND``.
    """
    given = _parser(prog).parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        return command(given)
    except _FAULTS as error:
        print(f"forest: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _compile(given: argparse.Namespace) -> int:
    forest, estimator = load_forest(given.source)
    with _Bar("compiling", "tree") as bar:
        arrays = compile_forest(forest, progress=bar)
    parity = _compare(CompiledEngine(arrays), forest, estimator, _rows(given, forest))
    write(given.out, arrays, Origin(given.source.name), parity, scikit_learn=forest.version)
    _print_artifact(read(given.out))
    return _told(parity, forest)


def _inspect(given: argparse.Namespace) -> int:
    CompiledEngine.load(given.file)
    _print_artifact(read(given.file))
    return 0


def _verify(given: argparse.Namespace) -> int:
    engine, (forest, estimator) = CompiledEngine.load(given.file), load_forest(given.source)
    return _told(_compare(engine, forest, estimator, _rows(given, forest)), forest)


def _bench(given: argparse.Namespace) -> int:
    engine, estimator = CompiledEngine.load(given.file), load_estimator(given.source)
    rows = _rows(given, fitted_forest(estimator))
    if given.rows is None:
        print("rows drawn from the forest's thresholds; name real ones with --rows for figures to rely on")
    with _Bar("measuring", "round") as bar:
        timings = measure(engine, SklearnEngine(estimator), rows, seconds=given.seconds, progress=bar)
    print(table(timings))
    source = estimator_file(given.source)
    print(f"{given.file.stat().st_size:,} bytes compiled, {source.stat().st_size:,} in {source.name}")
    return 0


def _rows(given: argparse.Namespace, forest: FittedForest) -> NDArray[np.float32]:
    """The rows to compare or measure on."""
    if given.rows is None:
        return threshold_rows(forest, given.count)
    rows = _load_rows(given.rows)
    if rows.ndim != 2 or rows.shape[1] != forest.width:
        raise ValueError(f"{given.rows}: has the shape {rows.shape}, not (n, {forest.width})")
    if not len(rows) or np.isnan(rows).any():
        raise ValueError(f"{given.rows}: has {'a NaN' if len(rows) else 'no rows'}")
    return rows


def _load_rows(path: Path) -> NDArray[np.float32]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            raise TypeError("holds several arrays")  # noqa: TRY301 - told like numpy's own errors
        return np.asarray(loaded, dtype=np.float32, order="C")
    except (EOFError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: is no file of rows: {error}") from None


def _compare(engine: CompiledEngine, forest: FittedForest, estimator: Any, rows: NDArray[np.float32]) -> Parity:  # noqa: ANN401
    with _Bar("verifying", "row") as bar:
        return compare(engine, reference(forest, estimator and (lambda: estimator)), rows, bar)


def _told(parity: Parity, forest: FittedForest) -> int:
    """Say how a comparison ended; returns the exit status."""
    against = "scikit-learn" if is_installed(forest.version) else f"the rule of scikit-learn {forest.version}"
    if parity.passed:
        print(f"{parity.rows:,} rows compared with {against}: equal to the last bit")
        return 0
    print(f"forest: {parity.different:,} of {parity.rows:,} rows differ from {against}", file=sys.stderr)
    return 1


def _print_artifact(artifact: Artifact) -> None:
    header, arrays = artifact.header, artifact.arrays
    columns = "not named" if header.columns is None else ", ".join(header.columns)
    facts = {
        "trees": f"{len(arrays.trees):,}",
        "nodes": f"{header.nodes:,}",
        "depth": f"{header.depth:,}",
        "distributions": f"{len(arrays.leaves):,}",
        "thresholds": f"{len(arrays.thresholds):,}",
        "bytes": f"{artifact.size:,} ({artifact.size / header.nodes:.2f} a node)",
        "classes": ", ".join(map(str, header.classes)),
        "columns": f"{len(arrays.offsets) - 1}: {columns}",
        "origin": " version ".join(filter(None, (header.origin.model, header.origin.version))),
        "parity": f"{header.parity.different:,} of {header.parity.rows:,} rows differ from scikit-learn",
        "made by": ", ".join(f"{name} {version}" for name, version in header.versions.items()),
    }
    for name, fact in facts.items():
        print(f"{name + ':':<15}{fact}")


class _Bar:
    """A progress bar on the terminal, or a line now and then in a log; called with how many of how many are done."""

    def __init__(self, task: str, unit: str) -> None:
        self._task, self._unit = task, unit
        self._bar: tqdm[None] | None = None

    def __enter__(self) -> Progress:
        return self._update

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _update(self, done: int, total: int) -> None:
        if self._bar is None:
            pause = 0.1 if sys.stderr.isatty() else 10
            self._bar = tqdm(total=total, desc=self._task, unit=self._unit, mininterval=pause, leave=False)
        self._bar.update(done - self._bar.n)


def _parser(prog: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m forest",
        description="Compile a scikit-learn forest into one file, which a native kernel walks to the same predictions.",
        epilog="SOURCE is a fitted RandomForestClassifier or ExtraTreesClassifier of scikit-learn 1.1 to 1.9: a skops, "
        "pickle or joblib file, or the folder of an MLflow model. It is read as data. Where that cannot be done, and "
        "where it is compared with scikit-learn, a pickle or joblib file runs the code in it: take only files that you "
        "trust.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, command: Callable[[argparse.Namespace], int], help_: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, prog=prog, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        added.set_defaults(command=command)
        return added

    def add_rows(to: argparse.ArgumentParser, default: int) -> None:
        to.add_argument("--rows", type=Path, metavar="NPY", help="rows to use: a .npy file of an (n, n_features) array")
        to.add_argument(
            "--count", type=_positive, default=default, metavar="N", help="else draw so many (default: %(default)s)"
        )

    compile_ = add("compile", _compile, "compile a forest, hold it against scikit-learn and record the outcome")
    compile_.add_argument("source", type=Path, metavar="SOURCE", help="the forest")
    compile_.add_argument("out", type=Path, metavar="OUT", help="the file to write; replaced if there is one")
    add_rows(compile_, 3000)

    inspect = add("inspect", _inspect, "check a compiled forest and tell what is in it")
    inspect.add_argument("file", type=Path, metavar="FILE", help="the compiled forest")

    verify = add("verify", _verify, "hold a compiled forest against scikit-learn, row by row and bit by bit")
    bench = add("bench", _bench, "time a compiled forest and scikit-learn in one run, by batch size")
    for each, default in ((verify, 30_000), (bench, 10_000)):
        each.add_argument("file", type=Path, metavar="FILE", help="the compiled forest")
        each.add_argument("source", type=Path, metavar="SOURCE", help="the forest that it was compiled from")
        add_rows(each, default)
    bench.add_argument(
        "--seconds", type=_above_zero, default=0.5, help="time for each engine, size and round (default: %(default)s)"
    )
    return parser


def _above_zero(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
